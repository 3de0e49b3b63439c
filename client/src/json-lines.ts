/**
 * JSON Lines out of a body that arrives in chunks: one value per line, UTF-8, each line ended by a line feed. What is
 * left over after the last line feed means that the body was cut off, and is an error, never a shorter list.
 */
import { StrongroomError } from './errors.ts';

const LINE_BYTES_MAX = 4 * 1024 * 1024;

export async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string, void, undefined> {
  const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let held = '';
  for await (const chunk of chunks) {
    const lines = (held + decode(utf8, chunk)).split('\n');
    held = lines.pop() ?? '';
    if (held.length > LINE_BYTES_MAX) throw broken('a line is longer than any the server writes');
    for (const line of lines) if (line.trim() !== '') yield line;
  }
  if (held.trim() !== '') throw broken('the last line is not whole');
}

export function parseLine(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch (cause) {
    throw broken('a line is not JSON', cause);
  }
}

function decode(utf8: TextDecoder, chunk: Uint8Array): string {
  try {
    return utf8.decode(chunk, { stream: true });
  } catch (cause) {
    throw broken('the text is not UTF-8', cause);
  }
}

const broken = (what: string, cause?: unknown): StrongroomError =>
  new StrongroomError('answer.invalid', { detail: `the export broke off: ${what}`, cause });
