/** What time does to things: rotations of keys, retention, holds, archives, and the scheduler that ends what is over. */
import { cobblestoneCipher } from '../crypto/file-cipher.ts';
import { LedgerPruning } from '../ledger/pruning.ts';
import { ArchiveCopies } from '../lifecycle/archive-copies.ts';
import { ArchiveRequests } from '../lifecycle/archive-requests.ts';
import { Archives } from '../lifecycle/archives.ts';
import { ExportPieces } from '../lifecycle/export-pieces.ts';
import { Exports } from '../lifecycle/exports.ts';
import { HoldNotes } from '../lifecycle/hold-notes.ts';
import { Holds } from '../lifecycle/holds.ts';
import { Lifecycle } from '../lifecycle/lifecycle.ts';
import { overdueMs } from '../lifecycle/overdue.ts';
import { Retention } from '../lifecycle/retention.ts';
import { rotatedKeys } from '../lifecycle/rotated-keys.ts';
import { RotationRequests } from '../lifecycle/rotation-requests.ts';
import { Rotations } from '../lifecycle/rotations.ts';
import { Scheduler } from '../lifecycle/scheduler.ts';
import type { Base } from './base.ts';
import type { Content } from './content.ts';
import type { Erasing } from './erasing.ts';
import { logError, type OpenStrongroom } from './options.ts';
import type { Trust } from './trust.ts';

export type Keeping = Awaited<ReturnType<typeof openKeeping>>;

export async function openKeeping(
  options: OpenStrongroom,
  {
    base,
    trust,
    content,
    erasing,
  }: { readonly base: Base; readonly trust: Trust; readonly content: Content; readonly erasing: Erasing },
) {
  const { environment, log, substitutes = {} } = options;
  const { store, keyring, slots } = base;
  const { access, certificateSigners, cursors, destruction, ledger, newId, organizations } = trust;
  const { pepper, recorder, recordKeys, sealer, services, signers } = trust;
  const { blobs, guard, holdGuard, indexes, people, policies, rows, rules, time, tombstones, vaults } =
    content;
  const { erasureNotes, erasures, vaultEndings } = erasing;
  const { rotateLedgerDays, rotateServiceDays, retiredKeyDays } = options.settings;
  const rotations = new Rotations({
    store,
    keyring,
    ledger,
    destruction,
    services,
    keys: rotatedKeys({ store, keyring, ledger, signers, certificateSigners, pepper, environment }),
    trusted: () => time.now(),
    days: { ledger: rotateLedgerDays, service: rotateServiceDays, retired: retiredKeyDays },
    newId,
    environment,
    ...(substitutes.rotation === undefined ? {} : { steps: substitutes.rotation }),
  });
  if (base.restoring === null)
    await rotations
      .resume()
      .catch((error: unknown) => logError(log, error, 'a rotation was not finished; it is tried again'));
  const rotationRequests = new RotationRequests({ rotations, organizations, access, recorder });
  const due = { store, sealer, organizations };
  const retention = new Retention({
    ...due,
    store,
    organizations,
    access,
    ledger,
    recorder,
    vaults,
    indexes,
    policies,
    guard: holdGuard,
    clock: environment.clock,
    logDays: options.settings.logFolder === undefined ? null : options.settings.logDays,
  });
  const holdNotes = new HoldNotes({ store, keyring, ledger });
  const holds = new Holds({
    store,
    sealer,
    slots,
    organizations,
    access,
    recorder,
    cursors,
    vaults,
    people,
    rows,
    guard: holdGuard,
    notes: holdNotes,
    newId,
    clock: environment.clock,
  });
  const realCipher = cobblestoneCipher(environment.random);
  const cipher = substitutes.cipher?.(realCipher) ?? realCipher;
  const archives = new Archives({
    ...due,
    store,
    keyring,
    keys: recordKeys,
    cipher,
    blobs,
    destruction,
    slots,
    indexes,
    ledger,
    policies,
    newId,
    environment,
  });
  const archiveCopies = new ArchiveCopies({
    store,
    sealer,
    slots,
    ledger,
    rows,
    policies,
    archives,
    cipher,
    blobs,
    clock: environment.clock,
  });
  const archiveRequests = new ArchiveRequests({
    store,
    sealer,
    slots,
    organizations,
    access,
    recorder,
    ledger,
    cursors,
    vaults,
    policies,
    copies: archiveCopies,
    blobs,
    destruction,
    newId,
    clock: environment.clock,
  });
  const exportPieces = new ExportPieces({ keys: recordKeys, cipher, blobs, environment });
  const exports = new Exports({
    store,
    sealer,
    slots,
    recorder,
    ledger,
    cursors,
    vaults,
    rows,
    retention: rules,
    pieces: exportPieces,
    destruction,
    newId,
    environment,
  });
  const pruning = new LedgerPruning({ store, ledger, destruction });
  // During a restore nothing is written yet: it is done again when that is committed.
  if (base.restoring === null) {
    await holdNotes.reapply(environment.clock.now());
    await erasureNotes.reapply(environment.clock.now());
  }
  const realScheduler = new Scheduler(
    {
      ...due,
      store,
      keyring,
      destruction,
      guard,
      eraser: erasures,
      retention: policies,
      rows,
      ledger,
      time,
      clock: environment.clock,
      overdueMs: () =>
        overdueMs({ ...due, store, retention: policies, guard: holdGuard, clock: environment.clock }),
    },
    [
      (now) => tombstones.endDue(now),
      (now) => vaultEndings.endDue(now),
      (now) => archives.tend(now),
      (now) => archiveRequests.tend(now),
      (now) => exports.tend(now),
      (now) => pruning.run(now),
    ],
  );
  const scheduler = substitutes.scheduler?.(realScheduler) ?? realScheduler;
  const lifecycle = new Lifecycle({ erasures, scheduler });
  return {
    rotations,
    rotationRequests,
    retention,
    holdNotes,
    holds,
    archives,
    archiveRequests,
    exportPieces,
    exports,
    scheduler,
    lifecycle,
  };
}
