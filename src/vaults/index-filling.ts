/**
 * Fills a vault's index: from its segments, and from the sealed records of leaf pages that have none and of what changed since.
 *
 * It may be done at any time and again, because all of it is read afresh and an addition replaces.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { StrongroomError } from '../errors.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import { LEAF_SLOTS } from '../keys/slot.ts';
import type { IndexedRecord, IndexFiller } from '../search/types.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import { Ahead } from './ahead.ts';
import { chunks } from './derivations.ts';
import { indexedRecord, openMemory, type JoinedRow, type NameLookup } from './memory-row.ts';
import { selectBySlot, selectWithVector } from './memory-store.ts';
import { PORTION, portions } from './portions.ts';
import type { Segments } from './segments.ts';
import type { Vault } from './vault.ts';

export interface FillingParts {
  readonly store: Store;
  readonly sealer: RecordSealer;
  readonly segments: Segments;
  readonly names: (vault: Vault) => Promise<NameLookup>;
  /** Told of what could not be kept in step; the index is filled anew when next used. */
  readonly onError: (error: unknown) => void;
}

interface Filling {
  readonly parts: FillingParts;
  readonly vault: Vault;
  readonly filler: IndexFiller;
  readonly names: NameLookup;
  /** How many records are read next, and given to the search worker at once. */
  readonly portion: () => number;
}

/** Sorts after every id. */
const MAX_ID = 'zzzz';

/**
 * Answers whether segments were all there is.
 * @param asked how often indexes that are filled have been asked.
 */
export async function fillIndex(
  parts: FillingParts,
  vault: Vault,
  filler: IndexFiller,
  asked: () => number,
): Promise<boolean> {
  const { store, segments } = parts;
  const filling: Filling = {
    parts,
    vault,
    filler,
    names: await parts.names(vault),
    portion: portions(asked),
  };
  const { leaves, throughChange, isCurrent } = await segments.load(vault, filler);
  let isSaved = isCurrent;
  const owned = await store.read(SYSTEM, (db) =>
    db.selectFrom('leaves').select('leaf').where('owner', '=', vault.id).orderBy('leaf').execute(),
  );
  for (const { leaf } of owned) if (!leaves.has(leaf) && (await fillLeaf(filling, leaf))) isSaved = false;
  if (throughChange !== null && (await fillChanged(filling, throughChange))) isSaved = false;
  return isSaved;
}

/** In the order of slots, because a key is derived fastest after its neighbour's. Answers whether there was a row. */
async function fillLeaf(filling: Filling, leaf: number): Promise<boolean> {
  const { parts, vault, filler, portion } = filling;
  const adding = new Ahead();
  let isAny = false;
  for (let from = leaf * LEAF_SLOTS; ;) {
    const limit = portion();
    const { live, last, count } = await parts.store.read(vault.organization.id, (db) =>
      selectBySlot(db, vault, { from, to: (leaf + 1) * LEAF_SLOTS, limit }),
    );
    if (last === null) break;
    isAny = true;
    from = last + 1;
    const records = await openLive(filling, live);
    await adding.next(() => filler.add(records));
    if (count < limit) break;
  }
  await adding.done();
  return isAny;
}

async function fillChanged(filling: Filling, since: number): Promise<boolean> {
  const { parts, vault, filler, portion } = filling;
  for (let after = { change: since, id: MAX_ID }, isAny = false; ; isAny = true) {
    const rows = await parts.store.read(vault.organization.id, (db) =>
      selectWithVector(db, vault)
        .select('memories.change')
        // Says no more than what follows, but the planner sees a range of the index in it.
        .where('memories.change', '>=', after.change)
        .where((where) =>
          where.or([
            where('memories.change', '>', after.change),
            where.and([where('memories.change', '=', after.change), where('memories.id', '>', after.id)]),
          ]),
        )
        .orderBy('memories.change')
        .orderBy('memories.id')
        .limit(portion())
        .execute(),
    );
    const last = rows.at(-1);
    if (last === undefined) return isAny;
    after = { change: last.change, id: last.id };
    await filler.remove(rows.map(({ id }) => id));
    const live = rows.filter(({ state }) => state === 'live');
    await filler.add(await openLive(filling, live));
  }
}

/** Adds those of some memories that are live and can be opened. */
export async function fillSome(
  parts: FillingParts,
  vault: Vault,
  filler: Pick<IndexFiller, 'add'>,
  ids: readonly string[],
): Promise<void> {
  const names = await parts.names(vault);
  for (const some of chunks(ids, PORTION)) {
    const rows = await parts.store.read(vault.organization.id, (db) =>
      selectWithVector(db, vault)
        .where('memories.id', 'in', some)
        .where('memories.state', '=', 'live')
        .execute(),
    );
    await filler.add(await openLive({ parts, vault, names }, rows));
  }
}

/** What an erasure ended between the reading of the row and now is left out. */
async function openLive(
  { parts, vault, names }: Pick<Filling, 'parts' | 'vault' | 'names'>,
  rows: readonly JoinedRow[],
): Promise<IndexedRecord[]> {
  const records: IndexedRecord[] = [];
  for (const row of rows) {
    // A search of another vault waits for several turns of the event loop, one after the other. Answers of the worker alone would keep it from all.
    await turn();
    try {
      records.push(indexedRecord(openMemory(parts.sealer, vault, row), names));
    } catch (error) {
      if (!(error instanceof StrongroomError)) throw error;
      // One damaged record must not take its vault out of every search: it is named and left out.
      if (error.code === 'box.damaged') parts.onError(error);
      else if (error.code !== 'erased') throw error;
    }
  }
  return records;
}
