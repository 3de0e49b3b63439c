/**
 * An import: batch after batch, each one durable commit on the server, each under an idempotency key of its own.
 *
 * Invariants. The state on disk is never ahead of what the server has acknowledged. A batch sent twice has the same bytes
 * and the same key, so it is added once. A batch with something bad in it is not sent, or, where that is asked for,
 * sent without what is bad.
 */
import { createHmac } from 'node:crypto';
import type { MemoryInput, Strongroom } from '@strongroom/client';
import { StrongroomError } from '../../errors.ts';
import { batchesOf, type Batch } from './batches.ts';
import type { ImportState } from './import-state.ts';
import type { Item, Source } from './item.ts';

export interface BadItem {
  readonly where: string;
  readonly reason: string;
}

export interface Importing {
  readonly client: Strongroom;
  readonly source: Source;
  /** Null: a vault per conversation, named after it and made where there is none. */
  readonly vault: string | null;
  readonly skipBad: boolean;
  readonly signal: AbortSignal;
  /** Told after each batch that the server has taken; keeps the state before it resolves. */
  readonly advanced: (state: ImportState) => Promise<void>;
  /** Told what cannot be added, as it is found. */
  readonly bad: (items: readonly BadItem[]) => void;
}

type GoodItem = Item & { readonly memory: MemoryInput };

/** Imports from where `state` stands to the end of the source, and gives the state there. */
export async function importFile(importing: Importing, from: ImportState): Promise<ImportState> {
  const made = new Set<string>();
  const options = { itemsMax: from.batch, vaultOf: (item: Item) => importing.vault ?? item.group };
  let state = from;
  for await (const batch of batchesOf(importing.source.items(from.position), from.position, options)) {
    importing.signal.throwIfAborted();
    const added = await sendBatch(importing, batch, { importId: state.importId, made });
    state = {
      ...state,
      position: batch.end,
      added: state.added + added,
      skipped: state.skipped + batch.items.length - added,
    };
    await importing.advanced(state);
  }
  return state;
}

/** Resolves to the number of memories added. */
async function sendBatch(
  importing: Importing,
  batch: Batch,
  run: { readonly importId: string; readonly made: Set<string> },
): Promise<number> {
  refuse(
    importing,
    batch,
    batch.items.flatMap(({ where, reason }) => (reason === undefined ? [] : [{ where, reason }])),
  );
  let items = batch.items.filter((item): item is GoodItem => item.memory !== undefined);
  if (items.length > 0 && importing.vault === null) await ensureVault(importing, batch.vault, run.made);
  while (items.length > 0) {
    const memories = items.map(({ memory }) => memory);
    const idempotencyKey = keyOf(run.importId, batch, memories);
    try {
      await importing.client.memories.addMany(batch.vault, memories, {
        idempotencyKey,
        signal: importing.signal,
      });
      return items.length;
    } catch (error) {
      const reasons = reasonsOf(error);
      if (reasons.size === 0) throw error;
      refuse(
        importing,
        batch,
        items.flatMap(({ where }, i) => (reasons.has(i) ? [{ where, reason: reasons.get(i) ?? '' }] : [])),
      );
      const left = items.filter((_, i) => !reasons.has(i));
      if (left.length === items.length) throw error;
      items = left;
    }
  }
  return 0;
}

/** Says what is bad, and stops there unless it is to be skipped. */
function refuse(importing: Importing, batch: Batch, bad: readonly BadItem[]): void {
  if (bad.length === 0) return;
  importing.bad(bad);
  if (importing.skipBad) return;
  const [first, last] = [batch.items[0]?.where, batch.items.at(-1)?.where];
  const range = first === last ? `of ${first}` : `from ${first} to ${last}`;
  throw new StrongroomError(
    'request.invalid',
    `${bad.length} of ${batch.items.length} memories cannot be imported, so nothing ${range} was sent. ` +
      'Mend the file, or leave them out with --skip-bad',
  );
}

/** What the server found wrong, by the number of the memory in the batch. */
function reasonsOf(error: unknown): ReadonlyMap<number, string> {
  const reasons = new Map<number, string>();
  if (!(error instanceof StrongroomError)) return reasons;
  for (const { path, message } of error.faults) {
    const [, index, field = ''] = /^\/memories\/(\d+)(?:\/(.*))?$/.exec(path) ?? [];
    if (index === undefined || reasons.has(Number(index))) continue;
    reasons.set(Number(index), field === '' ? message : `${field}: ${message}`);
  }
  return reasons;
}

/**
 * The server keeps a digest of the key for a while, so a plain digest of content would let guesses be tested against it;
 * under the random import id it says nothing.
 */
function keyOf(importId: string, batch: Batch, memories: readonly MemoryInput[]): string {
  const { vault, start } = batch;
  return createHmac('sha256', Buffer.from(importId, 'hex'))
    .update(JSON.stringify([vault, start.items, memories]))
    .digest('hex');
}

async function ensureVault({ client, signal }: Importing, vault: string, made: Set<string>): Promise<void> {
  if (made.has(vault)) return;
  try {
    await client.vaults.get(vault, { signal });
  } catch (error) {
    if (!(error instanceof StrongroomError) || error.code !== 'not_found') throw error;
    await client.vaults.create(vault, { signal });
  }
  made.add(vault);
}
