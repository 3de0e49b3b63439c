import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { HOUR_MS } from '../durations.ts';
import { Analyzer } from './analyzer.ts';
import { RANKING } from './ranking.ts';
import { NOW, openEngine, recordOf } from './testing/records.ts';
import type { Engine } from './engine.ts';
import type { IndexedRecord, Language } from './types.ts';

const analyzer = new Analyzer();
const traits = (text: string, language: Language = 'auto'): readonly string[] =>
  analyzer.analyze(text, language).traits;
const asked = (question: string, language: Language = 'auto'): readonly string[] =>
  analyzer.analyzeQuery(question, language, ['en']).asksFor;

function engineOf(records: readonly Partial<IndexedRecord>[]): Engine {
  const engine = openEngine();
  engine.add(records.map((own, number) => recordOf(number, own)));
  return engine;
}

/** What each of the records has for the question, in their order; 0 for those not found. */
function scoresOf(engine: Engine, query: string): readonly number[] {
  const hits = engine.search({ query, limit: 100, mode: 'text', now: NOW });
  const scores = new Map(hits.map(({ id, score }) => [Number(id.slice(4)), score]));
  return Array.from({ length: Math.max(...scores.keys(), 0) + 1 }, (_, at) => scores.get(at) ?? 0);
}

test('a text says by itself whether it asks, and whether it holds a time, a number or a name', () => {
  assert.deepEqual(traits('We moved here'), []);
  assert.deepEqual(traits('Where to?'), ['question']);
  assert.deepEqual(traits('We moved here last week'), ['time']);
  assert.deepEqual(traits('Back in 1998'), ['time']);
  assert.deepEqual(traits('Room 12, tomorrow'), ['time', 'number']);
  assert.deepEqual(traits('I read it twice'), ['number']);
  assert.deepEqual(traits('Ten of them'), ['number']);
  assert.deepEqual(traits('a trip to Lisbon'), ['name']);
  assert.deepEqual(traits('I read “Ulysses”, and you?'), ['question', 'name']);
});

test('a greeting, a beginning of a sentence and "I" are no names, and neither are "may" and "march" times', () => {
  for (const text of ['Hey Ann, all good', 'Thanks, Ann! Good to know', 'so I went', 'It rained. We left'])
    assert.deepEqual(traits(text), [], text);
  assert.deepEqual(traits('you may march along'), []);
});

test('a text asks when nothing but a smile or a bracket follows its last question mark', () => {
  for (const text of ['You?', 'You? 🙂', 'You? [a picture]', 'それは何？', 'أين؟', 'Wo ist das?', 'What?!'])
    assert.equal(traits(text).includes('question'), !text.endsWith('!'), text);
  for (const text of ['Why not? I went.', 'Who knows? Anyway…', 'no', '']) assert.deepEqual(traits(text), []);
});

test('whether a text asks is read from its end, and is what an expression that tries every question mark says', () => {
  const slow = /[?？؟][^.!…。！]*$/;
  const text = fc.string({
    unit: fc.constantFrom('?', '？', '؟', '.', '!', '…', '。', '！', 'a', ' ', '🙂'),
    maxLength: 12,
  });
  fc.assert(
    fc.property(text, (words) => {
      assert.equal(traits(words).includes('question'), slow.test(words));
    }),
  );
  assert.deepEqual(traits(`${'?'.repeat(65_534)}.`), []);
});

test('what an answer should hold is read from English questions alone', () => {
  assert.deepEqual(asked('When did Ann move?'), ['time']);
  assert.deepEqual(asked('in which year did she move'), ['time', 'name']);
  assert.deepEqual(asked('How many dogs has she?'), ['number']);
  assert.deepEqual(asked('Who came, and where to?'), ['name']);
  assert.deepEqual(asked('What does she like?'), []);
  assert.deepEqual(asked('Wer kam wann und wie?'), []);
  assert.deepEqual(asked('when did she move', 'de'), []);
  assert.deepEqual(traits('Wir sind gestern mit der Bahn nach Bonn'), []);
});

test('among memories of the same words the one that has what is asked for comes first', () => {
  const [plain = 0, timed = 0] = scoresOf(
    engineOf([{ text: 'we moved the house' }, { text: 'we moved house yesterday' }, { text: 'tea' }]),
    'when did we move house?',
  );
  const [one = 0, other = 0] = scoresOf(
    engineOf([{ text: 'we moved the house' }, { text: 'we moved house yesterday' }, { text: 'tea' }]),
    'we move house',
  );
  assert.ok(Math.abs(timed - plain - (other - one) - RANKING.trait) < 1e-9);
});

test('a memory that the question says nothing of is not found by what it holds', () => {
  const engine = engineOf([{ text: 'the red house' }, { text: 'a trip to Lisbon last week, twice' }]);
  assert.equal(scoresOf(engine, 'when, where and how many red').length, 1);
});

test('what follows a question has the words it was asked in, and its other neighbours have less of them', () => {
  const thread = (first: string) =>
    [first, 'yes', 'no', 'good'].map((text, at) => ({ text, conversation: 'a', at: NOW - HOUR_MS + at }));
  const { answer, contextDecay } = RANKING;
  const rounded = (value: number): number => Math.round(value * 1e6) / 1e6;
  const ratios = (first: string): readonly number[] => {
    const [own = 0, ...others] = scoresOf(engineOf(thread(first)), 'guitar');
    return others.map((score) => rounded(score / own));
  };
  const further = [contextDecay ** 2, contextDecay ** 3].map(rounded);
  assert.deepEqual(ratios('your guitar?'), [answer, ...further]);
  assert.deepEqual(ratios('your guitar'), [contextDecay, ...further]);
});

test('an index forgets that a memory asked, and learns it again from a segment', () => {
  const texts = ['your guitar?', 'yes'];
  const records = texts.map((text, at) => ({ text, conversation: 'a', at: NOW + at }));
  const engine = engineOf(records);
  const before = scoresOf(engine, 'guitar');
  const loaded = openEngine();
  for (const leaf of engine.leaves()) loaded.loadSegment(engine.exportSegment(leaf).bytes);
  assert.deepEqual(scoresOf(loaded, 'guitar'), before);
  for (const each of [engine, loaded]) {
    each.add([recordOf(0, { ...records[0], text: 'your guitar' })]);
    const [own = 0, next = 0] = scoresOf(each, 'guitar');
    assert.ok(Math.abs(next - own * RANKING.contextDecay) < 1e-9);
    each.add([recordOf(0, { ...records[0] })]);
    assert.deepEqual(scoresOf(each, 'guitar'), before);
  }
});
