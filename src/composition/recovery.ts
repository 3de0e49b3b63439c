/** What is lost comes back: backups, drills, a vault's way back to a moment. */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isReserved } from '../assurance/reserved.ts';
import { backupFolders } from '../config.ts';
import { SigningKey } from '../crypto/signature.ts';
import { MINUTE_MS } from '../durations.ts';
import { serviceKey } from '../keys/service-key.ts';
import { SLOT_NAMES } from '../lifecycle/rotated-keys.ts';
import { BackupDesk } from '../recovery/backup-desk.ts';
import { Backups } from '../recovery/backups.ts';
import { Drills } from '../recovery/drills.ts';
import type { BackupPlace } from '../recovery/place.ts';
import { Rewinds } from '../recovery/rewinds.ts';
import { type Base, placeAt, storeTarget } from './base.ts';
import type { Content } from './content.ts';
import { logError, type OpenStrongroom } from './options.ts';
import type { Trust } from './trust.ts';

export type Recovery = Awaited<ReturnType<typeof openRecovery>>;

export async function openRecovery(
  options: OpenStrongroom,
  { base, trust, content }: { readonly base: Base; readonly trust: Trust; readonly content: Content },
) {
  const { environment, log, substitutes = {} } = options;
  const { store, keyring, slots } = base;
  const { access, cursors, destruction, ledger, newId, organizations, recorder, sealer, services } = trust;
  const { blobs, guard, indexes, people, rows, rules, tombstones, vaults } = content;
  const realBackups = new Backups({
    store,
    target: storeTarget(options),
    keyring,
    slots,
    destruction,
    ledger,
    signer: () =>
      new SigningKey(serviceKey(keyring, services.current(SLOT_NAMES.backups), SLOT_NAMES.backups)),
    blobs,
    places: base.restoring === null ? backupPlaces(options) : [],
    locations: options.settings.backupLocations,
    everyMs: options.settings.backupMinutes * MINUTE_MS,
    newId,
    environment,
    onError: (error, what) => logError(log, error, `${what}: not written, tried again later`),
  });
  const backups = substitutes.backups?.(realBackups) ?? realBackups;
  const scratchFolder = join(options.directory, 'drill');
  await rm(scratchFolder, { recursive: true, force: true });
  const drills = new Drills({
    store,
    keyring,
    sealer,
    ledger,
    backups,
    scratch: (work) => withScratch(scratchFolder, work),
    newId,
    environment,
  });
  const rewinds = new Rewinds({
    store,
    sealer,
    rows,
    people,
    indexes,
    guard,
    tombstones,
    retention: rules,
    destruction,
    clock: environment.clock,
    keyring,
    ledger,
    recorder,
    cursors,
    vaults,
    backups,
    scratch: (work) => withScratch(scratchFolder, work),
    newId,
    environment,
  });
  const backupDesk = new BackupDesk({
    access,
    recorder,
    cursors,
    backups,
    drills,
    rewinds,
    newId,
    isOperator: async (id) => id === (await organizations.first()) || isReserved(store, id),
  });
  return { backups, drills, rewinds, backupDesk };
}

/** A folder of its own below `parent` that is gone afterwards: several may be at work. */
async function withScratch<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  await mkdir(parent, { recursive: true, mode: 0o700 });
  const folder = await mkdtemp(join(parent, 'scratch-'));
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

/** A place that cannot be reached now is told when it is written. */
const backupPlaces = (options: OpenStrongroom): readonly BackupPlace[] =>
  backupFolders(options.settings, options.directory).map(({ name, location, folder }) => ({
    name,
    location,
    blobs: placeAt(folder, options),
  }));
