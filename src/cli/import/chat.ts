/**
 * Transcripts in JSON as conversations of memories. Pure: a parsed document in, conversations out, in order.
 *
 * What is understood, and nests as it is written here:
 *   an array of turns · an object with `messages` (or `turns`, `dialogue`, `conversation`) · with `sessions`, each such an
 *   object · with `session_1`, `session_2` … and `session_1_date_time` … (the LoCoMo shape) · an array of such objects, or
 *   an object that holds them in `conversations`.
 */
import type { JsonObject, JsonValue } from '@strongroom/client';
import { matchTime } from './date.ts';
import { asText, isObject, type Content } from './item.ts';
import { turnToContent } from './turn.ts';

export type Turn = Content & {
  /** JSON Pointer (RFC 6901) into the document. */
  readonly where: string;
};

export interface Conversation {
  readonly name: string;
  readonly turns: readonly Turn[];
}

const TURNS = ['messages', 'turns', 'dialogue', 'dialog', 'conversation'] as const;
const NAME = ['sample_id', 'conversation_id', 'session_id', 'id', 'name', 'title'] as const;
const DATE = [
  'date_time',
  'date',
  'at',
  'timestamp',
  'time',
  'started_at',
  'created_at',
  'create_time',
] as const;
const SESSION = /^session_(\d+)$/;

/** Throws nothing: what is not understood comes out as turns with a reason. `name` is for what names itself nowhere. */
export function documentToConversations(document: JsonValue, name: string): readonly Conversation[] {
  if (isObject(document) && Array.isArray(document['conversations']))
    return eachToConversation(document['conversations'], '/conversations');
  if (Array.isArray(document) && document.some((item) => isObject(item) && isConversation(item)))
    return eachToConversation(document, '');
  const conversation = toConversation(document, { where: '', name });
  return [conversation];
}

const eachToConversation = (items: readonly JsonValue[], where: string): readonly Conversation[] =>
  items.map((item, i) => toConversation(item, { where: `${where}/${i}`, name: `conversation-${i + 1}` }));

/** One that holds turns, in contrast to one that is a turn. */
const isConversation = (item: JsonObject): boolean =>
  Array.isArray(item['sessions']) ||
  TURNS.some((field) => isList(item[field])) ||
  hasSessions(item) ||
  isSample(item);

const isList = (value: JsonValue | undefined): boolean =>
  Array.isArray(value) && value.some((part) => isObject(part) && !('type' in part));
const hasSessions = (item: JsonObject): boolean => Object.keys(item).some((key) => SESSION.test(key));
const isSample = (item: JsonObject): item is JsonObject & { conversation: JsonObject } =>
  isObject(item['conversation']) && hasSessions(item['conversation']);

interface Found {
  readonly where: string;
  readonly name: string;
}

function toConversation(value: JsonValue, found: Found): Conversation {
  if (Array.isArray(value))
    return {
      name: found.name,
      turns: turnsOf(value, found.where, { conversation: found.name, sessionAt: null }),
    };
  if (!isObject(value))
    return { name: found.name, turns: [{ where: found.where || '/', reason: 'no conversation is here' }] };
  const name = nameOf(value) ?? found.name;
  if (isSample(value)) {
    const turns = sessionsToTurns(value.conversation, `${found.where}/conversation`);
    return { name, turns };
  }
  if (hasSessions(value)) return { name, turns: sessionsToTurns(value, found.where) };
  if (Array.isArray(value['sessions']))
    return { name, turns: listedSessionsToTurns(value['sessions'], `${found.where}/sessions`) };
  const field = TURNS.find((candidate) => Array.isArray(value[candidate]));
  const list = field === undefined ? undefined : value[field];
  if (!Array.isArray(list))
    return { name, turns: [{ where: found.where || '/', reason: 'no messages are here' }] };
  const place = { conversation: name, sessionAt: timeOf(value) };
  return { name, turns: turnsOf(list, `${found.where}/${field}`, place) };
}

/** `session_1`, `session_2` … in the order of their numbers, which is not the order of an object's keys. */
function sessionsToTurns(holder: JsonObject, where: string): readonly Turn[] {
  return Object.keys(holder)
    .filter((key) => SESSION.test(key))
    .sort((a, b) => numberOf(a) - numberOf(b))
    .flatMap((key) => {
      const list = holder[key];
      if (!Array.isArray(list))
        return [{ where: `${where}/${key}`, reason: 'a session must be an array of turns' }];
      const sessionAt = matchTime(holder[`${key}_date_time`]);
      return turnsOf(list, `${where}/${key}`, { conversation: key, sessionAt });
    });
}

const numberOf = (key: string): number => Number(SESSION.exec(key)?.[1] ?? 0);

function listedSessionsToTurns(sessions: readonly JsonValue[], where: string): readonly Turn[] {
  return sessions.flatMap((session, i) => {
    const { name, turns } = toConversation(session, { where: `${where}/${i}`, name: `session_${i + 1}` });
    // A session inside a session keeps the inner name; no format is known that has them.
    return turns.map((turn) =>
      turn.memory === undefined ? turn : { ...turn, memory: { conversation: name, ...turn.memory } },
    );
  });
}

const turnsOf = (
  list: readonly JsonValue[],
  where: string,
  place: { readonly conversation: string; readonly sessionAt: number | null },
): readonly Turn[] =>
  list.map((turn, index) => ({ where: `${where}/${index}`, ...turnToContent(turn, { ...place, index }) }));

function nameOf(value: JsonObject): string | undefined {
  for (const field of NAME) {
    const name = value[field];
    if (typeof name === 'number') return String(name);
    const text = asText(name);
    if (text !== undefined) return text.trim();
  }
  return undefined;
}

function timeOf(value: JsonObject): number | null {
  for (const field of DATE) {
    const time = matchTime(value[field]);
    if (time !== null) return time;
  }
  return null;
}
