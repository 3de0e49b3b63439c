/**
 * JSON Lines, a memory per line, read as a stream: memory does not grow with the file, nor with a line that never ends.
 *
 * Understood: a byte-order mark, LF and CRLF, empty lines, a last line without its end. A line is decoded by itself, so one
 * that is not UTF-8 is one bad line.
 */
import type { JsonValue } from '@strongroom/client';
import { createReadStream } from 'node:fs';
import { decodeUtf8 } from '../../bytes/encoding.ts';
import { lineToContent } from './check.ts';
import type { Content, Item, Position, Source } from './item.ts';

/** Far above what a memory at its limits takes. */
export const LINE_BYTES_MAX = 2 * 1024 * 1024;
const CHUNK_BYTES = 1024 * 1024;
const LF = 0x0a;
const BOM = '\ufeff';

export const jsonLinesSource = (path: string, sizeBytes: number): Source => ({
  total: sizeBytes,
  done: (position) => position.offset,
  items: (from) => itemsOf(path, from),
  before: async (position, feed) => {
    if (position.offset === 0) return;
    for await (const chunk of createReadStream(path, {
      end: position.offset - 1,
      highWaterMark: CHUNK_BYTES,
    }))
      feed(chunk as Uint8Array);
  },
});

async function* itemsOf(path: string, from: Position): AsyncGenerator<Item, void, undefined> {
  for await (const line of linesOf(
    createReadStream(path, { start: from.offset, highWaterMark: CHUNK_BYTES }),
    from,
  )) {
    const content = contentOf(line.bytes, line.end.items);
    if (content === null) continue;
    const group = content.memory?.conversation ?? null;
    yield {
      ...content,
      where: `line ${line.end.items}`,
      end: line.end,
      group,
      sizeBytes: line.bytes?.length ?? 0,
    };
  }
}

/** Null bytes: the line is longer than any memory, and was not kept. */
interface Line {
  readonly bytes: Uint8Array | null;
  readonly end: Position;
}

async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  from: Position,
): AsyncGenerator<Line, void, undefined> {
  let { items, offset } = from;
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  const take = (): Line => {
    const bytes = heldBytes > LINE_BYTES_MAX ? null : Buffer.concat(held);
    items += 1;
    held = [];
    heldBytes = 0;
    return { bytes, end: { items, offset } };
  };
  const hold = (part: Uint8Array): void => {
    heldBytes += part.length;
    offset += part.length;
    if (heldBytes <= LINE_BYTES_MAX) held.push(part);
    else held = [];
  };
  for await (const chunk of chunks) {
    let start = 0;
    for (let end = chunk.indexOf(LF, start); end >= 0; end = chunk.indexOf(LF, start)) {
      hold(chunk.subarray(start, end));
      offset += 1;
      yield take();
      start = end + 1;
    }
    hold(chunk.subarray(start));
  }
  if (heldBytes > 0) yield take();
}

/** Null: an empty line. */
function contentOf(bytes: Uint8Array | null, line: number): Content | null {
  if (bytes === null) return { reason: `the line is longer than ${LINE_BYTES_MAX / 1024 / 1024} MiB` };
  let text: string;
  try {
    text = decodeUtf8(bytes);
  } catch {
    return { reason: 'not UTF-8' };
  }
  if (line === 1 && text.startsWith(BOM)) text = text.slice(1);
  if (text.trim() === '') return null;
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    return { reason: 'not well-formed JSON' };
  }
  return lineToContent(value);
}
