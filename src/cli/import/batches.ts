/** Items in groups that make one request each: so many, of one vault, within the limits of a body. */
import type { Item, Position } from './item.ts';

export interface Batch {
  readonly vault: string;
  readonly items: readonly Item[];
  readonly start: Position;
  readonly end: Position;
}

/** A quarter of what the server takes, so that no escape or envelope makes a batch too large. */
export const BATCH_BYTES_MAX = 8 * 1024 * 1024;

export interface BatchOptions {
  readonly itemsMax: number;
  /** Null: no vault can be named for it. */
  readonly vaultOf: (item: Item) => string | null;
}

/** Batches depend on the source and the options only, so that an import goes on with the very batches it began with. */
export async function* batchesOf(
  items: AsyncIterable<Item>,
  start: Position,
  options: BatchOptions,
): AsyncGenerator<Batch, void, undefined> {
  let from = start;
  let held: Item[] = [];
  let vault = '';
  let sizeBytes = 0;
  const take = (): Batch => {
    const batch = { vault, items: held, start: from, end: held.at(-1)?.end ?? from };
    from = batch.end;
    held = [];
    sizeBytes = 0;
    return batch;
  };
  for await (const item of items) {
    const own = options.vaultOf(item);
    const next = own === null && item.memory !== undefined ? withoutVault(item) : item;
    const isOther = own !== null && own !== vault && held.some((other) => other.memory !== undefined);
    const isFull = held.length >= options.itemsMax || sizeBytes + item.sizeBytes > BATCH_BYTES_MAX;
    if (held.length > 0 && (isOther || isFull)) yield take();
    vault = own ?? vault;
    held.push(next);
    sizeBytes += item.sizeBytes;
  }
  if (held.length > 0) yield take();
}

const withoutVault = ({ where, end, group, sizeBytes }: Item): Item => ({
  where,
  end,
  group,
  sizeBytes,
  reason: 'it names no conversation that a vault could be named after',
});
