/** One turn of a conversation, as the many formats write it, as a memory of kind `message`. */
import type { JsonObject, JsonValue, MemoryInput } from '@strongroom/client';
import { checkMemory } from './check.ts';
import { matchTime } from './date.ts';
import { asText, isObject, type Content } from './item.ts';

/** What a turn takes from where it stands. */
export interface TurnPlace {
  /** Name of the session or conversation; null: none is known. */
  readonly conversation: string | null;
  /** When the session began, for turns without a time of their own; milliseconds. */
  readonly sessionAt: number | null;
  /** Number of the turn in its session. */
  readonly index: number;
}

const TEXT = ['content', 'text', 'message', 'value', 'body'] as const;
const TIME = [
  'at',
  'timestamp',
  'time',
  'date',
  'datetime',
  'date_time',
  'created_at',
  'createdAt',
  'create_time',
  'ts',
] as const;
const SPEAKER = ['name', 'speaker', 'author', 'sender', 'from', 'user', 'role'] as const;

/** Turns of a session without times of their own are told apart by seconds, which keeps their order. */
const TURN_MS = 1000;

export function turnToContent(turn: JsonValue, place: TurnPlace): Content {
  if (!isObject(turn)) return { reason: 'a turn must be an object with a speaker and a text' };
  const text = textOfTurn(turn);
  if (text === '') return { reason: 'the turn has no text' };
  const memory: MemoryInput = { text, kind: 'message' };
  const speaker = speakerOf(turn);
  if (speaker !== undefined) memory.speaker = speaker;
  if (place.conversation !== null) memory.conversation = place.conversation;
  const at = timeOf(turn) ?? (place.sessionAt === null ? null : place.sessionAt + place.index * TURN_MS);
  if (at !== null) memory.at = new Date(at).toISOString();
  const metadata = metadataOf(turn);
  if (Object.keys(metadata).length > 0) memory.metadata = metadata;
  return checkMemory(memory);
}

/** What was said, and what an image that was shared along with it shows. */
export function textOfTurn(turn: JsonObject): string {
  const said = TEXT.map((name) => plainText(turn[name])).find((text) => text !== '') ?? '';
  const caption = asText(turn['blip_caption']);
  return caption === undefined ? said : [said, `[shares an image: ${caption.trim()}]`].join(' ').trim();
}

/** A text, or the parts of one: `["…"]`, `[{"type": "text", "text": "…"}]`, `{"parts": […]}`. */
function plainText(value: JsonValue | undefined): string {
  if (typeof value === 'string') return value.trim();
  if (Array.isArray(value))
    return value
      .map((part) => plainText(part))
      .filter((text) => text !== '')
      .join('\n');
  if (!isObject(value)) return '';
  return plainText(value['text'] ?? value['parts'] ?? value['content']);
}

function speakerOf(turn: JsonObject): string | undefined {
  for (const field of SPEAKER) {
    const value = turn[field];
    const name = isObject(value) ? (asText(value['name']) ?? asText(value['role'])) : asText(value);
    if (name !== undefined) return name.trim();
  }
  return undefined;
}

function timeOf(turn: JsonObject): number | null {
  for (const field of TIME) {
    const time = matchTime(turn[field]);
    if (time !== null) return time;
  }
  return null;
}

/** What has no field of its own: the role behind a name, the turn's id, a time that could not be read. */
function metadataOf(turn: JsonObject): JsonObject {
  const metadata: JsonObject = isObject(turn['metadata']) ? { ...turn['metadata'] } : {};
  const id = turn['dia_id'];
  if (typeof id === 'string') metadata['dia_id'] = id;
  const role = asText(turn['role']);
  if (role !== undefined && role !== speakerOf(turn)) metadata['role'] = role;
  const date = TIME.map((field) => asText(turn[field])).find((text) => text !== undefined);
  if (date !== undefined && timeOf(turn) === null) metadata['date'] = date;
  return metadata;
}
