/** Where memories lie: vaults with their people, rows, blobs and search indexes, and the rules that decide how long. */
import { join } from 'node:path';
import { Closing } from '../closing.ts';
import { openEgress } from '../egress/open.ts';
import { HoldGuard } from '../lifecycle/hold-guard.ts';
import { PlausibleTime } from '../lifecycle/plausible-time.ts';
import { Policies } from '../lifecycle/policies.ts';
import { createSearchPool } from '../search/pool.ts';
import type { SearchPool } from '../search/types.ts';
import { FileBlobs } from '../store/blobs.ts';
import { VaultIndexes } from '../vaults/indexes.ts';
import { MemoryStore } from '../vaults/memory-store.ts';
import { People } from '../vaults/people.ts';
import { Segments } from '../vaults/segments.ts';
import { Tombstones } from '../vaults/tombstones.ts';
import { Vaults } from '../vaults/vaults.ts';
import type { Base } from './base.ts';
import { logError, type OpenStrongroom } from './options.ts';
import type { Trust } from './trust.ts';

export type Content = Awaited<ReturnType<typeof openContent>>;

export async function openContent(options: OpenStrongroom, base: Base, trust: Trust, closing: Closing) {
  const { environment, log, substitutes = {}, directory, settings } = options;
  const { store, keyring, slots } = base;
  const { access, destruction, ledger, newId, organizations, recorder, recordKeys, sealer } = trust;
  const people = new People({ store, sealer, slots, organizations, newId, environment });
  const policies = new Policies({
    store,
    sealer,
    slots,
    organizations,
    newId,
    clock: environment.clock,
    capDays: options.settings.retentionCapDays ?? null,
  });
  const time = await PlausibleTime.open(store, environment.clock);
  const holdGuard = new HoldGuard({ policies, now: () => time.now() });
  const guard = substitutes.guard?.(holdGuard) ?? holdGuard;
  const rules = substitutes.retention?.(policies) ?? policies;
  const { egress, embedder } = await openEgress({ directory, settings, store, ledger, environment });
  closing.add(() => Promise.resolve(egress.close()));
  const models = embedder === null ? [] : [embedder.model];
  const vaults = new Vaults({
    store,
    sealer,
    slots,
    organizations,
    access,
    recorder,
    guard,
    newId,
    environment,
    models,
  });
  const rows = new MemoryStore({ sealer, slots, people, newId, environment });
  const blobs = await FileBlobs.open(join(options.directory, 'blobs'), {
    environment,
    onFatal: options.onFatal,
  });
  const segments = new Segments(
    {
      store,
      blobs,
      keyring,
      destruction,
      sealer,
      slots,
      newId,
      environment,
      onDamage: (error) =>
        logError(log, error, 'a segment does not open, or its bytes do not go: it is left out'),
    },
    base.registry,
  );
  if (base.restoring === null) await segments.clean();
  const pool: SearchPool = createSearchPool({
    workers: options.settings.searchWorkers,
    recall: options.settings.searchRecall,
    onLost: (error) => logError(log, error, 'a search worker ended and is replaced'),
  });
  closing.add(() => pool.close());
  const indexes = new VaultIndexes({
    store,
    sealer,
    pool,
    segments,
    names: (vault) => rows.names(vault),
    memoryBytesMax: options.settings.searchMemory * 1024 * 1024,
    onError: (error) => logError(log, error, 'an index is filled anew'),
  });
  const tombstones = new Tombstones({
    store,
    slots,
    keys: recordKeys,
    destruction,
    newId,
    clock: environment.clock,
  });
  return {
    people,
    policies,
    time,
    holdGuard,
    guard,
    rules,
    embedder,
    vaults,
    rows,
    blobs,
    segments,
    indexes,
    tombstones,
  };
}
