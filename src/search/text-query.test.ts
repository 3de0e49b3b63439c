import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StrongroomError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { countBeginnings, parseTextQuery, Phrase } from './text-query.ts';
import { NOW, openEngine, recordOf } from './testing/records.ts';
import type { Engine } from './engine.ts';
import type { Language } from './types.ts';

function engineOf(texts: readonly string[], language?: Language): Engine {
  const engine = openEngine(language === undefined ? {} : { language });
  engine.add(texts.map((text, number) => recordOf(number, { text })));
  return engine;
}

/** The texts found, best first. */
const find = (texts: readonly string[], query: string, language?: Language): readonly string[] =>
  engineOf(texts, language)
    .search({ query, limit: 10, mode: 'text', now: NOW })
    .map(({ id }) => texts[Number(id.slice(4))] ?? id);

test('a question that is a phrase finds only what holds its words one after the other', () => {
  const texts = ['the quick brown fox', 'a brown, quick fox', 'Quick, brown!', 'quickly brown', 'browns'];
  assert.deepEqual(find(texts, '"quick brown"').toSorted(), ['Quick, brown!', 'the quick brown fox']);
  assert.deepEqual(find(texts, '“Quick Brown”'), find(texts, '"quick brown"'));
  assert.deepEqual(find(texts, '"brown fox quick"'), []);
  assert.deepEqual(find(texts, '"quick brown" "fox"'), ['the quick brown fox']);
});

test('beside other words a phrase comes first and hides nothing', () => {
  const texts = ['fox fox fox fox', 'all foxes', 'the quick brown one', 'brown and quick fox'];
  const found = find(texts, 'which fox is "quick brown"?');
  assert.equal(found[0], 'the quick brown one');
  assert.equal(found.length, 4);
});

test('a phrase of common words is found, and one that nobody said is not', () => {
  const texts = ['to be or not to be', 'not to be', 'be or not'];
  assert.deepEqual(find(texts, '"to be or not to be"'), ['to be or not to be']);
  assert.deepEqual(find(texts, '"be or be"'), []);
});

test('a phrase is compared as words stand, not as stems, and without case, accents and endings', () => {
  assert.ok(new Phrase('window seat').isIn("He took the WINDOW — seat's free"));
  assert.ok(!new Phrase('window seat').isIn('window seats'));
  assert.ok(new Phrase('cafe créme').isIn('Café Crème'));
  assert.ok(new Phrase('window se*').isIn('window seats'));
  assert.ok(!new Phrase('wind* seat').isIn('window seat'));
  assert.ok(new Phrase("l'école").isIn('devant l’école'));
  assert.ok(!new Phrase('seat').isIn('seatbelt'));
});

test('a phrase of a script without spaces is found inside a run of it', () => {
  const texts = ['東京都庁に行った', '京都に行った', '東の京'];
  assert.deepEqual(find(texts, '"東京都"'), ['東京都庁に行った']);
  assert.deepEqual(find(texts, '「京都」').toSorted(), ['京都に行った', '東京都庁に行った'].toSorted());
});

test('an empty phrase, a lone quote and an inch mean nothing', () => {
  for (const query of ['""', '"  "', '"!"', 'say "hello', '5" by 6" boards', ''])
    assert.equal(parseTextQuery(query).phrases.length, 0, query);
  assert.deepEqual(find(['hello', 'boards'], 'say "hello'), ['hello']);
});

test('a word with a star finds every word that begins so, whatever its stem', () => {
  const texts = ['happiness', 'happy', 'they were running', 'I run', 'runners', 'dying', 'Straßenbahn'];
  assert.deepEqual(find(texts, 'happ*').toSorted(), ['happiness', 'happy']);
  assert.deepEqual(find(texts, 'happy*'), ['happy']);
  assert.deepEqual(find(texts, 'runn*').toSorted(), ['runners', 'they were running']);
  assert.deepEqual(find(texts, 'running*'), ['they were running']);
  assert.deepEqual(find(texts, 'DYI*'), ['dying']);
  assert.deepEqual(find(texts, 'strasse*'), ['Straßenbahn']);
  assert.deepEqual(find(texts, 'zzz*'), []);
});

test('stars that are no beginning are left alone', () => {
  for (const query of ['**bold**', '*italic*', '2*3', 'a * b', '*', 'x**'])
    assert.deepEqual(parseTextQuery(query).prefixes, [], query);
  assert.deepEqual(parseTextQuery('Te* or tea*, te*').prefixes, ['te', 'tea']);
});

test('beginnings are counted in words', () => {
  assert.equal(countBeginnings('tea teapot steam Tea-time', 'tea'), 3);
  assert.equal(countBeginnings('Éclair éclat', 'ecla'), 2);
});

test('a question with too many phrases or beginnings is refused with its place', () => {
  const { queryPhrasesMax, queryPrefixesMax } = LIMITS;
  const engine = engineOf(['x']);
  const ask = (query: string) => engine.search({ query, limit: 1, mode: 'text', now: NOW });
  const phrases = Array.from({ length: queryPhrasesMax + 1 }, (_, at) => `"a${at}"`);
  const prefixes = Array.from({ length: queryPrefixesMax + 1 }, (_, at) => `a${at}*`);
  for (const parts of [phrases, prefixes]) {
    assert.deepEqual(ask(parts.slice(1).join(' ')), []);
    assert.throws(
      () => ask(parts.join(' ')),
      (error) =>
        error instanceof StrongroomError &&
        error.code === 'request.invalid' &&
        error.faults[0]?.path === '/query',
    );
  }
});

test('in hybrid search an exact question holds for both lists', () => {
  const engine = openEngine({ dimensions: 2 });
  const vector = Float32Array.of(1, 0);
  engine.add([
    recordOf(0, { text: 'the window seat', vector: Float32Array.of(0, 1) }),
    recordOf(1, { text: 'the seat by the window', vector }),
  ]);
  const hits = engine.search({ query: '"window seat"', vector, limit: 5, mode: 'hybrid', now: NOW });
  assert.deepEqual(
    hits.map(({ id }) => id),
    [recordOf(0).id],
  );
});

test('each text is stemmed in its own language, and a vault may say which', () => {
  const texts = ['Wir haben die Häuser am See nicht gefunden', 'The houses by the lake', 'Bücher'];
  assert.deepEqual(find(texts, 'haus'), [texts[0]]);
  assert.deepEqual(find(texts, 'house'), [texts[1]]);
  assert.deepEqual(find(texts, 'buch'), []);
  assert.deepEqual(find(texts, 'buch', 'de'), ['Bücher']);
  assert.deepEqual(find(texts, 'house', 'none'), []);
  assert.deepEqual(find(texts, 'houses', 'none'), [texts[1]]);
});

test('when the last text of a language is gone, nothing of that language is left', () => {
  const engine = engineOf(['Wir haben die Häuser nicht gefunden', 'The house']);
  engine.remove([recordOf(0).id]);
  const fresh = engineOf([]);
  fresh.add([recordOf(1, { text: 'The house' })]);
  assert.deepEqual(engine.exportSegment(0), fresh.exportSegment(0));
  const ask = { query: 'Häuser house', limit: 5, mode: 'text', now: NOW } as const;
  assert.deepEqual(engine.search(ask), fresh.search(ask));
});

test('weights say how much each list counts, and none at all takes a list away', () => {
  const engine = openEngine({ dimensions: 2 });
  engine.add([
    recordOf(0, { text: 'tea', vector: Float32Array.of(0, 1) }),
    recordOf(1, { text: 'other', vector: Float32Array.of(1, 0) }),
  ]);
  const ask = (text: number, vector: number): readonly string[] =>
    engine
      .search({
        query: 'tea',
        vector: Float32Array.of(1, 0),
        limit: 5,
        mode: 'hybrid',
        now: NOW,
        weights: { text, vector },
      })
      .map(({ id }) => id);
  const [tea, other] = [recordOf(0).id, recordOf(1).id];
  assert.deepEqual(ask(1, 1), [tea, other]);
  assert.deepEqual(ask(1, 100), [other, tea]);
  assert.deepEqual(ask(1, 0), [tea]);
  assert.deepEqual(ask(0, 1), [other, tea]);
});
