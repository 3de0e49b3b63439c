import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Analyzer } from './analyzer.ts';
import { ENGLISH_FORMS, rootOf } from './english-forms.ts';
import { NOW, openEngine, recordOf } from './testing/records.ts';
import type { Language } from './types.ts';

const analyzer = new Analyzer();
const termOf = (word: string): string => analyzer.analyze(word, 'en').terms.join(' ');

/** The texts found, in the order in which they are given. */
function find(texts: readonly string[], query: string, language: Language = 'auto'): readonly string[] {
  const engine = openEngine({ language });
  engine.add(texts.map((text, number) => recordOf(number, { text })));
  const hits = engine.search({ query, limit: 100, mode: 'text', now: NOW });
  const found = new Set(hits.map(({ id }) => texts[Number(id.slice(4))]));
  return texts.filter((text) => found.has(text));
}

test('a word and the words that are made of it are one term', () => {
  for (const family of [
    'garden gardener gardening',
    'friend friendship friends',
    'young younger youngest',
    'counsel counselor counselors',
    'leader leadership',
    'paint painter painting',
    'photograph photographer photography',
  ]) {
    const terms = new Set(family.split(' ').map(termOf));
    assert.ok(terms.size < family.split(' ').length, family);
    assert.equal(termOf(family.split(' ')[0] ?? ''), termOf(family.split(' ')[1] ?? ''), family);
  }
});

test('a short word keeps its ending, so that words which only begin alike stay apart', () => {
  for (const [one, other] of [
    ['party', 'part'],
    ['tower', 'tow'],
    ['motion', 'mot'],
    ['corner', 'corn'],
  ] as const)
    assert.notEqual(termOf(one), termOf(other), one);
});

test('a root is the beginning of its stem', () => {
  for (const stem of ['leadership', 'gardener', 'relationship', 'discoveri', 'go', ''])
    assert.ok(stem.startsWith(rootOf(stem)), stem);
  assert.equal(rootOf('relationship'), 'relat');
  assert.equal(rootOf('discoveri'), 'discov');
});

test('a question in one form of an irregular word finds the others', () => {
  for (const [first = '', ...others] of ENGLISH_FORMS) {
    assert.ok(others.length > 0, first);
    for (const other of others) {
      assert.deepEqual(find([`the ${other} zebra`, 'nothing'], first), [`the ${other} zebra`], other);
      assert.deepEqual(find([`the ${first} zebra`, 'nothing'], other), [`the ${first} zebra`], other);
    }
  }
});

test('no form stands for two words', () => {
  const rows = new Map<string, readonly string[]>();
  for (const row of ENGLISH_FORMS)
    for (const term of new Set(row.map(termOf))) {
      assert.equal(rows.get(term), undefined, `${term}: ${row.join(' ')}`);
      rows.set(term, row);
    }
});

test('a beginning or a phrase still means the letters that it has', () => {
  const texts = [
    'she went',
    'they go',
    'two children',
    'a child',
    'our colours',
    'in color',
    'friends',
    'friendship',
  ];
  assert.deepEqual(find(texts, 'go'), ['she went', 'they go']);
  assert.deepEqual(find(texts, 'wen*'), ['she went']);
  assert.deepEqual(find(texts, 'go*'), ['they go']);
  assert.deepEqual(find(texts, 'childr*'), ['two children']);
  assert.deepEqual(find(texts, 'colou*'), ['our colours']);
  assert.deepEqual(find(texts, 'friendsh*'), ['friendship']);
  assert.deepEqual(find(texts, 'friend*'), ['friends', 'friendship']);
  assert.deepEqual(find(texts, '"a child"'), ['a child']);
  assert.deepEqual(find(texts, '"go"'), ['they go']);
});

test('other languages, and a vault without stems, have no English forms', () => {
  assert.deepEqual(find(['er went', 'er go'], 'go', 'de'), ['er go']);
  assert.deepEqual(find(['she went', 'they go'], 'go', 'none'), ['they go']);
  assert.deepEqual(find(['friends', 'friendship'], 'friendship', 'none'), ['friendship']);
});
