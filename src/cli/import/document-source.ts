/** A transcript as a source: read whole, because JSON is not a stream, and then one message after the other. */
import type { JsonValue } from '@strongroom/client';
import { readFile } from 'node:fs/promises';
import { decodeUtf8 } from '../../bytes/encoding.ts';
import { StrongroomError } from '../../errors.ts';
import type { Conversation } from './chat.ts';
import { BEGINNING, type Content, type Item, type Position, type Source } from './item.ts';

const FILE_BYTES_MAX = 512 * 1024 * 1024;

/**
 * Sessions of several conversations have the same names (session_1 …). Where they go to one vault (`together`), each is
 * called by its conversation's name as well, so that they do not become one.
 */
export function conversationsSource(conversations: readonly Conversation[], together: boolean): Source {
  const prefixed = together && conversations.length > 1;
  return {
    total: conversations.reduce((sum, { turns }) => sum + turns.length, 0),
    done: (position) => position.items,
    items: (from) => itemsOf(conversations, from, prefixed),
    before: async (position, feed) => {
      for await (const { end, group, memory = null } of itemsOf(conversations, BEGINNING, prefixed)) {
        if (end.items > position.items) return;
        feed(JSON.stringify([group, memory]));
      }
    },
  };
}

export async function readDocument(path: string): Promise<JsonValue> {
  const bytes = await readFile(path);
  if (bytes.length > FILE_BYTES_MAX)
    throw new StrongroomError('request.too_large', `${path} is larger than 512 MiB: make JSON Lines of it`);
  try {
    return JSON.parse(decodeUtf8(bytes).replace(/^\ufeff/, '')) as JsonValue;
  } catch (cause) {
    const what =
      cause instanceof RangeError ? 'is not UTF-8' : `is not well-formed JSON (${reasonOf(cause)})`;
    throw new StrongroomError('request.malformed', { detail: `${path} ${what}`, cause });
  }
}

/** Where JSON.parse stopped, without the piece of content that it quotes. */
const reasonOf = (cause: unknown): string =>
  /at position \d+(?: \(line \d+ column \d+\))?/.exec(String(cause))?.[0] ?? 'it ends too early';

async function* itemsOf(
  conversations: readonly Conversation[],
  from: Position,
  prefixed: boolean,
): AsyncGenerator<Item, void, undefined> {
  let items = 0;
  for (const { name, turns } of conversations) {
    for (const { where, ...content } of turns) {
      items += 1;
      if (items <= from.items) continue;
      yield await Promise.resolve({
        ...(prefixed ? withPrefix(content, name) : content),
        where,
        end: { items, offset: 0 },
        group: name,
        sizeBytes: content.memory === undefined ? 0 : JSON.stringify(content.memory).length,
      });
    }
  }
}

function withPrefix(content: Content, name: string): Content {
  if (content.memory === undefined) return content;
  const { conversation } = content.memory;
  if (conversation === undefined || conversation === name) return content;
  return { memory: { ...content.memory, conversation: `${name}/${conversation}` } };
}
