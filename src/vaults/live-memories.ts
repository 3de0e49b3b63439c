/**
 * The live memories of a vault, oldest first, page by page: for exports. What was erased or is over by its rules is not among
 * them, whether or not its row still is.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type { Clock } from '../environment.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import { matchesFilter, type Filter } from '../search/filter.ts';
import type { Store } from '../store/store.ts';
import { indexedRecord, matchMemory, type NameLookup, type OpenedMemory } from './memory-row.ts';
import { selectWithVector } from './memory-store.ts';
import { isOver, type RetentionRules } from './retention.ts';
import type { Vault } from './vault.ts';

export interface LiveMemoriesParts {
  readonly store: Pick<Store, 'read'>;
  readonly sealer: RecordSealer;
  readonly retention: RetentionRules;
  readonly clock: Clock;
}

const PAGE_ROWS = 500;
/** Rows opened and matched before others get their turn. */
const TURN_ROWS = 50;

/** `filter` null: all of them. */
export async function* liveMemories(
  { store, sealer, retention, clock }: LiveMemoriesParts,
  vault: Vault,
  { filter, names }: { readonly filter: Filter | null; readonly names: NameLookup },
): AsyncGenerator<OpenedMemory> {
  for (let after = ''; ;) {
    const from = after;
    const rules = await retention.of(vault);
    const page = await store.read(vault.organization.id, (db) =>
      selectWithVector(db, vault)
        .where('memories.state', '=', 'live')
        .where('memories.id', '>', from)
        .orderBy('memories.id')
        .limit(PAGE_ROWS)
        .execute(),
    );
    for (const [at, row] of page.entries()) {
      if (at % TURN_ROWS === TURN_ROWS - 1) await turn();
      const opened = matchMemory(sealer, vault, row);
      if (opened === null || isOver(rules, opened, clock.now())) continue;
      if (filter === null || matchesFilter(filter, indexedRecord(opened, names))) yield opened;
    }
    const last = page.at(-1);
    if (last === undefined) return;
    after = last.id;
  }
}
