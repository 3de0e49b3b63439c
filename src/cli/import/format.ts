/** Which format a file has, by its name and its beginning, and the source that reads it. */
import { open, stat, type FileHandle } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { JsonValue } from '@strongroom/client';
import { StrongroomError } from '../../errors.ts';
import { documentToConversations } from './chat.ts';
import { conversationsSource, readDocument } from './document-source.ts';
import { isObject, type Source } from './item.ts';
import { jsonLinesSource } from './json-lines-source.ts';
import { isLocomo, locomoToConversations } from './locomo.ts';

export const FORMATS = ['auto', 'jsonl', 'chat', 'locomo'] as const;
export type Format = (typeof FORMATS)[number];

export interface SourceFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

const PEEK_BYTES = 64 * 1024;
const CHAT_FIELDS = ['messages', 'turns', 'dialogue', 'dialog', 'sessions', 'conversation', 'conversations'];

export async function findFile(path: string): Promise<SourceFile> {
  try {
    const found = await stat(path);
    if (!found.isFile()) throw new StrongroomError('request.invalid', `${path} is not a file`);
    return { path, sizeBytes: found.size, modifiedMs: Math.round(found.mtimeMs) };
  } catch (cause) {
    if (cause instanceof StrongroomError) throw cause;
    const { code } = cause as NodeJS.ErrnoException;
    throw new StrongroomError('request.invalid', { detail: `${path} cannot be read (${code})`, cause });
  }
}

/** `together`: all of it goes to one vault. */
export async function openSource(file: SourceFile, format: Format, together: boolean): Promise<Source> {
  const found = format === 'auto' ? await detect(file) : format;
  if (found === 'jsonl') return jsonLinesSource(file.path, file.sizeBytes);
  const document = await readDocument(file.path);
  if (found === 'locomo' && !isLocomo(document))
    throw new StrongroomError(
      'request.invalid',
      `${file.path} is not of the LoCoMo shape: an array of samples with sessions`,
    );
  const name = basename(file.path, extname(file.path));
  const conversations = isLocomo(document)
    ? locomoToConversations(document)
    : documentToConversations(document, name);
  return conversationsSource(conversations, together);
}

/** JSON Lines is what begins with a whole JSON object in its first line that is not a transcript in one line. */
async function detect(file: SourceFile): Promise<'jsonl' | 'chat'> {
  if (/\.(jsonl|ndjson)$/i.test(file.path)) return 'jsonl';
  const beginning = (await peek(file.path)).replace(/^\ufeff/, '').trimStart();
  if (beginning === '') return 'jsonl';
  const end = beginning.indexOf('\n');
  const value = parse(end < 0 ? beginning : beginning.slice(0, end));
  return isObject(value) && !isTranscript(value) ? 'jsonl' : 'chat';
}

const isTranscript = (value: { [name: string]: JsonValue }): boolean =>
  CHAT_FIELDS.some((field) => typeof value[field] === 'object') ||
  Object.keys(value).some((key) => key.startsWith('session_'));

function parse(text: string): JsonValue | undefined {
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

async function peek(path: string): Promise<string> {
  let file: FileHandle | null = null;
  try {
    file = await open(path, 'r');
    const { buffer, bytesRead } = await file.read(Buffer.alloc(PEEK_BYTES), 0, PEEK_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } finally {
    await file?.close();
  }
}
