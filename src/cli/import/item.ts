/** What an import reads, one at a time: a memory to add, or what is wrong with the place where one should be. */
import type { JsonObject, JsonValue, MemoryInput } from '@strongroom/client';

/** How far a source has been read: the place to go on from. */
export interface Position {
  /** Lines or messages before it. */
  readonly items: number;
  /** Bytes before it, where the source is read as a stream. */
  readonly offset: number;
}

export const BEGINNING: Position = { items: 0, offset: 0 };

export type Content =
  | { readonly memory: MemoryInput; readonly reason?: undefined }
  | { readonly memory?: undefined; readonly reason: string };

export type Item = Content & {
  /** Where it stands, as a person finds it: `line 7`, `/0/conversation/session_1/3`. */
  readonly where: string;
  /** The position after it. */
  readonly end: Position;
  /** Which conversation it is of, for a vault each. */
  readonly group: string | null;
  /** About what it adds to a request. */
  readonly sizeBytes: number;
};

export interface Source {
  /** What `end` counts towards, in the unit of `done`. */
  readonly total: number;
  readonly done: (position: Position) => number;
  readonly items: (from: Position) => AsyncIterable<Item>;
  /** Feeds all that lies before a position, so that it can be known again. */
  readonly before: (position: Position, feed: (bytes: string | Uint8Array) => void) => Promise<void>;
}

export const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export const asText = (value: JsonValue | undefined): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value : undefined;
