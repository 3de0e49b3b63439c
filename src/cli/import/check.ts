/**
 * Whether the server will take a memory, before a batch is sent: its reason then names a line of the file. What an
 * export wrote comes back as it was, without what is the server's to give.
 */
import type { JsonObject, JsonValue, MemoryInput } from '@strongroom/client';
import { parseFloats } from '../../bytes/floats.ts';
import { LIMITS } from '../../limits.ts';
import { matchTime } from './date.ts';
import { isObject, type Content } from './item.ts';

/** Given by the server: in an export, not in an addition. */
const OF_SERVER = new Set(['id', 'version', 'createdAt', 'updatedAt', 'trashedAt', 'score', 'author']);
const NAMES = ['subject', 'conversation', 'speaker', 'kind', 'visibility'] as const;
const TIMES = ['at', 'expiresAt'] as const;
const FIELDS = new Set<string>(['text', 'vector', 'metadata', 'derivedFrom', ...NAMES, ...TIMES]);
const FLOAT32_MAX = 3.4028234663852886e38;

/** The memory in one line of JSON Lines. */
export function lineToContent(value: JsonValue): Content {
  if (!isObject(value)) return { reason: 'not a JSON object' };
  const memory: JsonObject = {};
  for (const [name, member] of Object.entries(value)) {
    if (OF_SERVER.has(name) || member === null) continue;
    if (!FIELDS.has(name)) return { reason: `unknown field ${JSON.stringify(name.slice(0, 50))}` };
    memory[name] = member;
  }
  return checkMemory(memory);
}

/** The memory, with its times in the server's form, or the first thing wrong with it. */
export function checkMemory(fields: JsonObject | MemoryInput): Content {
  const memory = { ...fields } as JsonObject;
  const reason =
    reasonInText(memory['text']) ??
    reasonInVector(memory['vector']) ??
    reasonInMetadata(memory['metadata']) ??
    reasonInNames(memory) ??
    reasonInSources(memory['derivedFrom']);
  if (reason !== null) return { reason };
  if (memory['text'] === undefined && memory['vector'] === undefined)
    return { reason: 'neither text nor vector' };
  for (const field of TIMES) {
    if (memory[field] === undefined || memory[field] === null) continue;
    const time = matchTime(memory[field]);
    if (time === null) return { reason: `${field} is not a time` };
    memory[field] = new Date(time).toISOString();
  }
  return { memory };
}

function reasonInText(text: JsonValue | undefined): string | null {
  if (text === undefined) return null;
  if (typeof text !== 'string') return 'text is not a string';
  if (text === '') return 'text is empty';
  if (!text.isWellFormed()) return 'text holds half a character (a lone surrogate)';
  return Buffer.byteLength(text) > LIMITS.textBytesMax
    ? `text is longer than ${LIMITS.textBytesMax / 1024} KiB`
    : null;
}

function reasonInVector(vector: JsonValue | undefined): string | null {
  if (vector === undefined) return null;
  const numbers = numbersIn(vector);
  if (numbers === null) return 'vector is not an array of numbers, nor base64 of them';
  if (numbers.length < LIMITS.dimensionsMin || numbers.length > LIMITS.dimensionsMax)
    return `vector has ${numbers.length} numbers, not ${LIMITS.dimensionsMin} to ${LIMITS.dimensionsMax}`;
  const isFinite32 = (value: JsonValue): boolean =>
    typeof value === 'number' && Math.abs(value) <= FLOAT32_MAX;
  return numbers.every(isFinite32) ? null : 'vector holds something else than finite numbers';
}

/** A text is base64 of float32 numbers, as anywhere a vector is sent. */
function numbersIn(vector: JsonValue): readonly JsonValue[] | null {
  if (Array.isArray(vector)) return vector;
  if (typeof vector !== 'string') return null;
  try {
    return Array.from(parseFloats(vector));
  } catch {
    return null;
  }
}

function reasonInMetadata(metadata: JsonValue | undefined): string | null {
  if (metadata === undefined) return null;
  if (!isObject(metadata)) return 'metadata is not an object';
  return Buffer.byteLength(JSON.stringify(metadata)) > LIMITS.metadataBytesMax
    ? `metadata is longer than ${LIMITS.metadataBytesMax / 1024} KiB`
    : null;
}

function reasonInNames(memory: JsonObject): string | null {
  for (const field of NAMES) {
    const value = memory[field];
    if (value === undefined) continue;
    if (typeof value !== 'string' || value === '') return `${field} is not a name`;
    if (!value.isWellFormed()) return `${field} holds half a character (a lone surrogate)`;
    if (value.length > LIMITS.nameCharactersMax)
      return `${field} is longer than ${LIMITS.nameCharactersMax} characters`;
  }
  return null;
}

function reasonInSources(sources: JsonValue | undefined): string | null {
  if (sources === undefined) return null;
  const isList = Array.isArray(sources) && sources.every((id) => typeof id === 'string');
  return isList && sources.length <= LIMITS.derivedFromMax ? null : 'derivedFrom is not a list of ids';
}
