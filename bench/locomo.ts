/**
 * Recall of LoCoMo's evidence turns by text search alone, on an index in this process.
 *
 *     npm run locomo -- FILE or FOLDER [--json]     # as JSON: one line, without leaving out
 *
 * A vault per conversation, a memory per turn, the question as the query, recall@10. Then the same with the constants of
 * the ranking chosen without the conversation that is measured (leaving out one at a time, each constant moved a step at a
 * time): if that is far below, the constants fit these conversations and not conversations.
 */
import { Engine } from '../src/search/engine.ts';
import { openEngineRoom } from '../src/search/engine-room.ts';
import { RANKING } from '../src/search/ranking.ts';
import type { IndexedRecord } from '../src/search/types.ts';
import {
  loadLocomo,
  measureRecall,
  printRecall,
  type Ask,
  type Conversation,
  type Recall,
  type Turn,
} from './locomo-data.ts';

/** What `--json` prints. */
export interface RecallFigures {
  readonly recall: number;
  readonly questions: number;
}

/** Steps to both sides of each constant. */
const STEPS = {
  k1: [0.9, 1.5],
  b: [0.25, 0.55],
  contextDecay: [0.5, 0.7],
  contextSteps: [2, 4],
  answer: [0.8, 1],
  speaker: [2, 4],
  date: [2, 4],
  trait: [1, 3],
} as const;
type Constants = Record<keyof typeof STEPS, number>;

const room = openEngineRoom();

const [, , path] = process.argv;
if (path === undefined) throw new Error('usage: npm run locomo -- FILE or FOLDER of LoCoMo');
const conversations = await loadLocomo(path);
const started = performance.now();
const recall = await measure();
if (process.argv.includes('--json')) {
  console.log(JSON.stringify({ recall: recall.recall, questions: recall.questions } satisfies RecallFigures));
} else {
  printRecall(recall, performance.now() - started);
  await leaveOneOut(recall);
}

function measure(): Promise<Recall> {
  return measureRecall(conversations, async (conversation) => openConversation(conversation));
}

async function leaveOneOut(own: Recall): Promise<void> {
  const chosen = { ...RANKING } as Constants & typeof RANKING;
  const tried: { name: string; recall: Recall }[] = [{ name: 'as they are', recall: own }];
  for (const [name, values] of Object.entries(STEPS))
    for (const value of values) {
      set({ ...chosen, [name]: value });
      tried.push({ name: `${name} ${value}`, recall: await measure() });
    }
  set(chosen);
  const rows = own.conversations.map(({ id }, at) => {
    const without = ({ recall }: { recall: Recall }): number =>
      recall.conversations.reduce((sum, each, i) => sum + (i === at ? 0 : each.recall * each.questions), 0);
    const best = tried.reduce((a, b) => (without(b) > without(a) ? b : a));
    return {
      id,
      questions: own.conversations[at]?.questions ?? 0,
      best,
      left: best.recall.conversations[at],
    };
  });
  console.log('Constants chosen on the other conversations:');
  console.table(
    rows.map(({ id, best, left }) => ({
      conversation: id,
      constants: best.name,
      'recall@10': (left?.recall ?? 0).toFixed(4),
    })),
  );
  const questions = rows.reduce((sum, row) => sum + row.questions, 0);
  const mean = rows.reduce((sum, row) => sum + (row.left?.recall ?? 0) * row.questions, 0) / questions;
  console.log(
    `recall@10 leaving one conversation out: ${mean.toFixed(4)}; with all: ${own.recall.toFixed(4)}`,
  );
}

/** The index reads the constants at each search; nothing but this measurement ever changes them. */
function set(constants: Constants): void {
  Object.assign(RANKING, constants);
}

function openConversation(conversation: Conversation): Ask {
  const engine = new Engine({ id: conversation.id, metric: 'cosine', dimensions: null }, room);
  const turns = new Map(conversation.turns.map((turn, at) => [idOf(at), turn.id]));
  engine.add(conversation.turns.map(recordOf));
  const now = Math.max(...conversation.turns.map((turn) => turn.at ?? 0)) + 1;
  return async ({ text }, limit) =>
    engine.search({ query: text, limit, mode: 'text', now }).map(({ id }) => turns.get(id) ?? id);
}

/** Ids in the order of the turns, as a server gives them. */
function idOf(at: number): string {
  return `mem_${String(at).padStart(8, '0')}`;
}

function recordOf(turn: Turn, at: number): IndexedRecord {
  return {
    id: idOf(at),
    slot: at,
    text: turn.text,
    vector: null,
    metadata: null,
    subject: null,
    conversation: turn.session,
    speaker: turn.speaker,
    kind: 'message',
    at: turn.at,
    createdAt: 0,
    updatedAt: 0,
    expiresAt: null,
    version: 1,
    visibility: null,
    derivedFrom: null,
  };
}
