import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Analyzer } from './analyzer.ts';

const analyzer = new Analyzer();
const terms = (text: string): readonly string[] => analyzer.terms(text);

test('forms of one word give one term', () => {
  assert.deepEqual(terms('run running runs'), ['run', 'run', 'run']);
  assert.deepEqual(terms("Ann's Ann’s ann ANN"), ['ann', 'ann', 'ann', 'ann']);
  assert.deepEqual(terms('café CAFE cafés'), ['cafe', 'cafe', 'cafe']);
  assert.deepEqual(terms('книга книгами'), ['книг', 'книг']);
  assert.deepEqual(terms('ﬁne ＦＵＬＬ'), ['fine', 'full']);
});

test('composed and decomposed letters give one term', () => {
  for (const text of ['Ångström', 'ё', 'が', '한국'])
    assert.deepEqual(terms(text.normalize('NFD')), terms(text.normalize('NFC')));
});

test('scripts without spaces give pairs, and single characters for questions of one', () => {
  assert.deepEqual(terms('京都大'), ['京', '都', '大', '京都', '都大']);
  assert.deepEqual(
    analyzer.queryTerms('京都大').map(({ term }) => term),
    ['京都', '都大'],
  );
  assert.deepEqual(
    analyzer.queryTerms('京').map(({ term }) => term),
    ['京'],
  );
  assert.deepEqual(terms('iPhone15の'), ['iphone15', 'の']);
});

test('emoji are terms, with their skin tones and joiners left away', () => {
  assert.deepEqual(terms('👍🏽 ok 🎉🎉'), ['👍', 'ok', '🎉', '🎉']);
});

test('common words of a question are marked, also with their endings', () => {
  const common = (text: string) => analyzer.queryTerms(text).filter((term) => term.common).length;
  assert.equal(common("what's the who"), 3);
  assert.equal(common('guitar kyoto'), 0);
});

test('a run without end is one short term, not a lone surrogate', () => {
  const [term = ''] = terms('𝒳'.repeat(5000) + '漢');
  assert.ok(term.length <= 64 && term.isWellFormed());
  assert.deepEqual(terms('\ud800 \udc00'), []);
});

test('terms do not depend on what was analysed before', () => {
  const fresh = new Analyzer().terms('Generalizations of running');
  for (let i = 0; i < 60_000; i++) analyzer.terms(`w${i}`);
  assert.deepEqual(terms('Generalizations of running'), fresh);
});
