/**
 * Recall of LoCoMo's evidence turns by text search alone, on an index in this process.
 *
 *     npm run locomo -- FILE or FOLDER
 *
 * A vault per conversation, a memory per turn, the question as the query, recall@10.
 */
import { Engine } from '../src/search/engine.ts';
import { openEngineRoom } from '../src/search/engine-room.ts';
import type { IndexedRecord } from '../src/search/types.ts';
import {
  loadLocomo,
  measureRecall,
  printRecall,
  type Ask,
  type Conversation,
  type Turn,
} from './locomo-data.ts';

const room = openEngineRoom();

const [, , path] = process.argv;
if (path === undefined) throw new Error('usage: npm run locomo -- FILE or FOLDER of LoCoMo');
const conversations = await loadLocomo(path);
const started = performance.now();
const recall = await measureRecall(conversations, async (conversation) => openConversation(conversation));
printRecall(recall, performance.now() - started);

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
