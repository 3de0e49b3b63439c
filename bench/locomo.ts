/**
 * Recall of LoCoMo's evidence turns by text search alone, on an index in this process.
 *
 *     npm run locomo [FILE or FOLDER]
 *
 * A vault per conversation, a memory per turn, the question as the query, recall@10.
 */
import { Engine } from '../src/search/engine.ts';
import { openEngineRoom } from '../src/search/engine-room.ts';
import type { IndexedRecord } from '../src/search/types.ts';
import { loadLocomo, measureRecall, type Ask, type Conversation, type Turn } from './locomo-data.ts';

const DEFAULT_DATA = new URL('../../shared/data/locomo', import.meta.url).pathname;

const room = openEngineRoom();

const conversations = await loadLocomo(process.argv[2] ?? DEFAULT_DATA);
const started = performance.now();
const recall = await measureRecall(conversations, async (conversation) => openConversation(conversation));
console.table(
  recall.conversations.map(({ id, recall }) => ({ conversation: id, 'recall@10': recall.toFixed(4) })),
);
console.table([
  {
    questions: recall.questions,
    evidence: recall.evidence,
    'recall@10': recall.recall.toFixed(4),
    'of all evidence': recall.recallOfTurns.toFixed(4),
    seconds: ((performance.now() - started) / 1000).toFixed(2),
  },
]);
console.table(
  [...recall.byCategory].map(([category, value]) => ({ category, 'recall@10': value.toFixed(4) })),
);

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
  };
}
