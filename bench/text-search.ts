/**
 * Text search beside minisearch, on the same texts in the same run: 100,000 memories, one thread each.
 *
 *     npm run text-search [FOLDER] [COUNT] [--json]     # as JSON: one line with the figures
 *
 * With a folder that holds LoCoMo, texts are its turns and questions are its questions, turns repeated with a changed word
 * and another conversation; without one, both are generated with Zipf's frequencies. Searches take turns, so that
 * whatever else the machine does meets both.
 */
import MiniSearch from 'minisearch';
import { MINUTE_MS } from '../src/durations.ts';
import { Engine } from '../src/search/engine.ts';
import { openEngineRoom } from '../src/search/engine-room.ts';
import type { IndexedRecord } from '../src/search/types.ts';
import { quantile } from './figures.ts';
import { loadLocomo } from './locomo-data.ts';

const LIMIT = 10;
const QUESTIONS_MAX = 200;

interface Message {
  readonly conversation: string;
  readonly speaker: string;
  readonly text: string;
  readonly at: number;
}

interface Corpus {
  readonly name: string;
  readonly messages: readonly Message[];
  readonly questions: readonly string[];
}

const random = randomFrom(12345);
const isJson = process.argv.includes('--json');
const [folder, count = '100000'] = process.argv.slice(2).filter((each) => each !== '--json');
const corpus =
  folder === undefined || folder === '' ? generate(Number(count)) : await fromLocomo(folder, Number(count));
const records = corpus.messages.map(recordOf);
const engine = new Engine({ id: 'bench', metric: 'cosine', dimensions: null }, openEngineRoom());
const oursAddMs = timed(() => {
  for (let at = 0; at < records.length; at += 1000) engine.add(records.slice(at, at + 1000));
});
const peer = new MiniSearch({ fields: ['text', 'speaker'] });
const peerAddMs = timed(() => {
  peer.addAll(records.map(({ id, text, speaker }) => ({ id, text, speaker })));
});

const now = Math.max(...corpus.messages.map(({ at }) => at)) + 1;
const ours: number[] = [];
const theirs: number[] = [];
for (const round of [0, 1])
  for (const query of corpus.questions) {
    const a = timed(() => engine.search({ query, limit: LIMIT, mode: 'text', now }));
    const b = timed(() => peer.search(query).slice(0, LIMIT));
    // The first round warms both up.
    if (round === 1) {
      ours.push(a);
      theirs.push(b);
    }
  }

/** What `--json` prints. */
export interface TextFigures {
  readonly memories: number;
  readonly corpus: string;
  readonly questions: number;
  readonly oursP50Ms: number;
  readonly peerP50Ms: number;
}

if (isJson) console.log(JSON.stringify(figures() satisfies TextFigures));
else print();

function figures(): TextFigures {
  return {
    memories: records.length,
    corpus: corpus.name,
    questions: corpus.questions.length,
    oursP50Ms: quantile(ours, 0.5),
    peerP50Ms: quantile(theirs, 0.5),
  };
}

function print(): void {
  console.log(
    `${records.length} memories (${corpus.name}), ${corpus.questions.length} questions, limit ${LIMIT}`,
  );
  const row = (name: string, times: readonly number[], addMs: number) => ({
    name,
    'p50 ms': quantile(times, 0.5).toFixed(3),
    'p95 ms': quantile(times, 0.95).toFixed(3),
    'adds / s': Math.round(records.length / (addMs / 1000)),
  });
  console.table([row('strongroom', ours, oursAddMs), row('minisearch', theirs, peerAddMs)]);
  console.log(`text bytes per memory: ${Math.round(engine.stats().textBytes / records.length)}`);
  const { oursP50Ms, peerP50Ms } = figures();
  console.log(
    `p50 ratio strongroom / minisearch: ${(oursP50Ms / peerP50Ms).toFixed(3)} (at most 0.5 wanted)`,
  );
}

async function fromLocomo(path: string, size: number): Promise<Corpus> {
  const conversations = await loadLocomo(path);
  const turns = conversations.flatMap((conversation) => conversation.turns);
  const vocabulary = turns.flatMap(({ text }) => text.split(/\s+/));
  const messages = Array.from({ length: size }, (_, at): Message => {
    const turn = turns[at % turns.length];
    if (turn === undefined) throw new RangeError(`no turns in ${path}`);
    const words = turn.text.split(/\s+/);
    // A word or two from elsewhere, so that no two texts are the same.
    for (let i = 0; i < 1 + words.length / 10; i++) words[below(words.length)] = pick(vocabulary);
    const copy = Math.floor(at / turns.length);
    return {
      conversation: `${copy}/${turn.session}`,
      speaker: turn.speaker,
      text: words.join(' '),
      at: (turn.at ?? 0) + copy,
    };
  });
  const questions = conversations.flatMap((conversation) => conversation.questions.map(({ text }) => text));
  return { name: 'LoCoMo turns, varied', messages, questions: sample(questions, QUESTIONS_MAX) };
}

function generate(size: number): Corpus {
  const vocabulary = Array.from({ length: 20_000 }, () =>
    Array.from({ length: 2 + below(3) }, syllable).join(''),
  );
  const word = (): string => vocabulary[Math.floor(vocabulary.length ** random()) - 1] ?? pick(vocabulary);
  const sentence = (length: number): string => Array.from({ length }, word).join(' ');
  const names = Array.from({ length: 50 }, () => `${syllable()}${syllable()}`);
  const messages = Array.from({ length: size }, (_, at): Message => ({
    conversation: String(Math.floor(at / 20)),
    speaker: pick(names),
    text: sentence(5 + below(40)),
    at: at * MINUTE_MS,
  }));
  return {
    name: 'generated',
    messages,
    questions: Array.from({ length: QUESTIONS_MAX }, () => sentence(4 + below(8))),
  };
}

function recordOf({ conversation, speaker, text, at }: Message, number: number): IndexedRecord {
  return {
    id: `mem_${String(number).padStart(8, '0')}`,
    slot: number,
    text,
    vector: null,
    metadata: null,
    subject: null,
    conversation,
    speaker,
    kind: 'message',
    at,
    createdAt: at,
    updatedAt: at,
    expiresAt: null,
    version: 1,
    visibility: null,
    derivedFrom: null,
  };
}

function timed(work: () => unknown): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

function syllable(): string {
  return `${pick('bdfgklmnprstvz'.split(''))}${pick('aeiou'.split(''))}`;
}

function sample<T>(list: readonly T[], size: number): readonly T[] {
  return list.filter((_, at) => (at * size) % list.length < size);
}

function pick<T>(list: readonly T[]): T {
  return list[below(list.length)] as T;
}

function below(bound: number): number {
  return Math.floor(random() * bound);
}

/** The same numbers in each run (a 32-bit xorshift, Marsaglia 2003). */
function randomFrom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
