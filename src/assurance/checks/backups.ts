/**
 * Ten days of backups on a scratch instance whose clock is turned: are they made when they are due, are they closed to whoever
 * has no key, does the newest moment come back, is what was erased gone from it and its twin there, and do old ones end.
 */
import { decryptWhole } from '../../crypto/cobblestone.ts';
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../durations.ts';
import { StrongroomError } from '../../errors.ts';
import type { BackupId } from '../../ids.ts';
import { backupKey, openManifest, pieceContext } from '../../recovery/manifest.ts';
import { manifestName, pieceName } from '../../recovery/place.ts';
import { SYSTEM } from '../../store/store.ts';
import { canaryWord, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { errorText } from '../error-text.ts';
import { NeedleSearch, textNeedles } from '../needles.ts';
import { replaced } from '../replaced.ts';
import { turnedBit } from '../turned-bit.ts';
import type { Insides, World } from '../world.ts';

const DAYS = 10;
const STEP_HOURS = 12;
/** A backup whose rows take half or twice the room of those of the one before is not like it. */
const BAND = 2;
const MARK = 'something of a memory';

interface Seen {
  /** The longest anybody waited for a backup, and for a full one. */
  readonly waitedHours: number;
  readonly waitedForFullDays: number;
  /** Bytes for a row, of each full backup. */
  readonly bytesPerRow: readonly number[];
  readonly closed: Closed;
  /** What a drill said, and what it took. */
  readonly drill: { readonly faults: readonly string[]; readonly hours: number; readonly rows: number };
  /** How far back the newest moment lay, and what was missing when it was restored. */
  readonly lossMinutes: number;
  readonly restoreFaults: readonly string[];
  readonly returned: readonly string[];
  /** After forty days: how old the oldest is, and which ended ones still open. */
  readonly oldestDays: number;
  readonly reopened: readonly string[];
}

interface Closed {
  readonly files: number;
  readonly faults: readonly string[];
}

export const backupsCheck = defineCheck<Seen>({
  name: 'backups',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('the clock of this world cannot be turned');
    const tenant = await world.tenant(0);
    return withVault(world, tenant, { tombstones: 'refuse' }, (vault) => observe(world, insides, vault));
  },
  judges: {
    'CRY-02': ({ closed }) => judged(closed.files, closed.faults, { files: closed.files }),
    'BCK-01': ({ waitedHours, waitedForFullDays, bytesPerRow }, { hours = 0, days = 0 }) => {
      const odd = bytesPerRow.filter((size, at) => {
        const before = bytesPerRow[at - 1] ?? size;
        return size > before * BAND || size < before / BAND;
      });
      const faults = [
        ...(waitedHours > hours ? [`${waitedHours.toFixed(1)} h went by without a backup`] : []),
        ...(waitedForFullDays > days
          ? [`${waitedForFullDays.toFixed(1)} d went by without a full backup`]
          : []),
        ...(odd.length > 0 ? ['a full backup is not of the size of the one before'] : []),
      ];
      return judged(bytesPerRow.length, faults, { waitedHours, waitedForFullDays });
    },
    'BCK-02': ({ drill }, { hours = 0 }) =>
      judged(
        drill.rows,
        [...drill.faults, ...(drill.hours > hours ? [`a restore took ${drill.hours} h`] : [])],
        { rows: drill.rows, hours: Math.round(drill.hours * 1e6) / 1e6 },
      ),
    'BCK-03': ({ lossMinutes, restoreFaults }, { minutes = 0 }) =>
      judged(
        1,
        [
          ...(lossMinutes > minutes ? [`${lossMinutes.toFixed(0)} min could have been lost`] : []),
          ...restoreFaults,
        ],
        { lossMinutes },
      ),
    'BCK-04': ({ oldestDays, returned, reopened }, { days = 0 }) =>
      judged(
        1,
        [
          ...(oldestDays > days ? [`the oldest backup is ${oldestDays.toFixed(1)} d old`] : []),
          ...reopened.map((id) => `${id} has ended and still opens`),
          ...returned,
        ],
        { oldestDays },
      ),
  },
  sabotages: [
    {
      name: 'notes-beside',
      breaks: 'Something of a memory lies in plain beside the pieces of a backup.',
      turns: ['CRY-02'],
      change: {
        backups: (real) =>
          replaced(real, {
            tick: async () => {
              await real.tick();
              const [row] = await real.page({ limit: 1, before: null });
              if (row !== undefined) await real.places[0]?.blobs.put(`${row.id}/notes`, Buffer.from(MARK));
            },
          }),
      },
    },
    {
      name: 'first-and-last',
      breaks: 'After the first backup no other is made.',
      turns: ['BCK-01', 'BCK-03'],
      change: {
        backups: (real) =>
          replaced(real, {
            tick: async () => {
              if ((await real.page({ limit: 1, before: null })).length === 0) await real.tick();
            },
          }),
      },
    },
    {
      name: 'nightly-only',
      breaks: 'What changes during the day is not carried off.',
      turns: ['BCK-03'],
      change: {
        backups: (real) =>
          replaced(real, {
            tick: async () => {
              const lossMs = await real.lossMs();
              if (lossMs === null || lossMs >= DAY_MS) await real.tick();
            },
          }),
      },
    },
    {
      name: 'lost-pieces',
      breaks: 'The first piece of every backup is lost.',
      turns: ['BCK-02', 'BCK-03', 'BCK-04'],
      change: {
        backups: (real) =>
          replaced(real, {
            tick: async () => {
              await real.tick();
              for (const { id } of await real.list())
                await real.places[0]?.blobs.delete(pieceName(id as BackupId, 1));
            },
          }),
      },
    },
    {
      name: 'no-digests',
      breaks: 'Nothing is kept by which a vault would know what was erased from it.',
      turns: ['BCK-04'],
      change: {
        parts: (real) => ({
          ...real,
          vaults: replaced(real.vaults, {
            createVault: (context, input) =>
              real.vaults.createVault(context, { ...input, tombstones: 'off' }),
          }),
        }),
      },
    },
    {
      name: 'kept-for-ever',
      breaks: 'Old backups never end.',
      turns: ['BCK-04'],
      change: { backups: (real) => replaced(real, { expire: () => Promise.resolve() }) },
    },
  ],
});

type Vault = Parameters<Parameters<typeof withVault>[3]>[0];

async function observe(world: World, insides: Insides, vault: Vault): Promise<Seen> {
  const { recovery, turnClock } = insides;
  const word = canaryWord(world);
  const add = (text: string): Promise<{ id: string }> => vault.add({ text: `${word} ${MARK}: ${text}` });
  const [twin, gone] = [await add('twin'), await add('gone')];
  const waits = new Waits(world, insides);
  await recovery.tend();
  await waits.look();
  for (let hour = 0; hour < DAYS * 24; hour += STEP_HOURS) {
    turnClock(STEP_HOURS * HOUR_MS);
    await add(`of hour ${hour}`);
    await recovery.tend();
    await waits.look();
  }
  const closed = await closedness(insides, word);
  const last = await add('last');
  turnClock(6 * MINUTE_MS);
  await recovery.tend();
  // No backup knows of it.
  await vault.delete(gone.id, { mode: 'erase' });
  const lossMs = await recovery.backups.lossMs();
  const ids = { twin: twin.id, last: last.id, gone: gone.id, vault: vault.vault };
  const { faults, returned } = await restoring(insides, ids);
  const drill = await drilled(insides);
  const ended = await manifestsOf(insides);
  const oldestDays = await grownOld(world, insides);
  const reopened = ended.filter(({ file, takenAt }) => {
    const isOver = world.clock.now() - takenAt > 30 * DAY_MS;
    return isOver && opens(() => openManifest(file, insides.keyring));
  });
  return {
    waitedHours: waits.longestMs / HOUR_MS,
    waitedForFullDays: waits.longestFullMs / DAY_MS,
    bytesPerRow: waits.bytesPerRow,
    closed,
    drill,
    lossMinutes: lossMs === null ? Number.POSITIVE_INFINITY : lossMs / MINUTE_MS,
    restoreFaults: faults,
    returned,
    oldestDays,
    reopened: reopened.map(({ id }) => id),
  };
}

/** How long it is each time since the last backup. */
class Waits {
  longestMs = 0;
  longestFullMs = 0;
  bytesPerRow: readonly number[] = [];
  readonly #world: World;
  readonly #insides: Insides;

  constructor(world: World, insides: Insides) {
    this.#world = world;
    this.#insides = insides;
  }

  async look(): Promise<void> {
    const rows = await this.#insides.recovery.backups.list();
    const now = this.#world.clock.now();
    const since = (taken: number | undefined): number => now - (taken ?? 0);
    const daily = rows.find(({ kind }) => kind !== 'log');
    const fulls = rows.filter(({ kind }) => kind === 'full');
    this.longestMs = Math.max(this.longestMs, since(daily?.taken_at));
    this.longestFullMs = Math.max(this.longestFullMs, since(fulls[0]?.taken_at));
    this.bytesPerRow = fulls.map(({ size, row_count }) => size / Math.max(1, row_count)).reverse();
  }
}

/** Every file of every backup, and the newest full one opened, without its key, and with a bit that is wrong. */
async function closedness({ recovery, keyring }: Insides, word: string): Promise<Closed> {
  const faults: string[] = [];
  let files = 0;
  const needles = new NeedleSearch([word, MARK].flatMap((text) => textNeedles('a canary', text)));
  if (!needles.findsAll) faults.push('the search for canaries cannot find any');
  const [place] = recovery.backups.places;
  for (const name of (await place?.blobs.list('')) ?? []) {
    const bytes = (await place?.blobs.get(name)) ?? new Uint8Array(0);
    files++;
    for (const { encoding } of needles.hitsIn({ name, bytes }))
      faults.push(`${name}: a canary as ${encoding}`);
  }
  const full = (await recovery.backups.list()).find(({ kind }) => kind === 'full');
  if (place === undefined || full === undefined)
    return { files, faults: [...faults, 'there is no full backup'] };
  const id = full.id as BackupId;
  try {
    const manifest = openManifest(await place.blobs.get(manifestName(id)), keyring);
    const piece = await place.blobs.get(pieceName(id, 1));
    const context = pieceContext(manifest, 1);
    const key = backupKey(keyring.derive(manifest.slot), id, 'pieces');
    if (!opens(() => decryptWhole({ key, context }, piece)))
      faults.push(`${id}: its own key does not open it`);
    if (opens(() => decryptWhole({ key: new Uint8Array(key.length), context }, piece)))
      faults.push(`${id}: it opens without its key`);
    if (opens(() => decryptWhole({ key, context }, turnedBit(piece))))
      faults.push(`${id}: a wrong bit is not seen`);
  } catch (error) {
    // What cannot be read shows nothing; whether it restores is for other claims.
    if (!(error instanceof StrongroomError) || error.code !== 'not_found') throw error;
  }
  return { files, faults };
}

function opens(work: () => unknown): boolean {
  try {
    work();
    return true;
  } catch (error) {
    if (error instanceof StrongroomError) return false;
    throw error;
  }
}

/** The newest moment, as a restore would serve it. */
async function restoring(
  { recovery }: Insides,
  ids: Readonly<Record<'twin' | 'last' | 'gone' | 'vault', string>>,
): Promise<{ readonly faults: readonly string[]; readonly returned: readonly string[] }> {
  try {
    const [found, digests] = await recovery.restored((store) =>
      store.read(SYSTEM, async (db) => [
        await db.selectFrom('memories').select('id').execute(),
        await db.selectFrom('tombstones').select('digest').where('vault', '=', ids.vault).execute(),
      ]),
    );
    const there = new Set(found.map(({ id }) => id));
    const faults = there.has(ids.last) ? [] : ['what was written last is not in what was restored'];
    // An absence means something only beside a presence.
    const returned = [
      ...(there.has(ids.gone) ? ['what was erased came back with a restore'] : []),
      ...(digests.length > 0 ? [] : ['what was erased after the backup would not be known again']),
      ...(there.has(ids.twin) ? [] : ['what was not erased did not come back']),
    ];
    return { faults, returned };
  } catch (error) {
    const fault = `the newest backup does not restore: ${errorText(error)}`;
    return { faults: [fault], returned: [fault] };
  }
}

async function drilled({ recovery }: Insides): Promise<Seen['drill']> {
  try {
    const { row, faults } = await recovery.drills.run();
    return { faults, hours: row.duration_ms / HOUR_MS, rows: row.row_count };
  } catch (error) {
    return { faults: [`the drill broke off: ${errorText(error)}`], hours: 0, rows: 1 };
  }
}

interface Kept {
  readonly id: string;
  readonly takenAt: number;
  readonly file: Uint8Array;
}

/** Manifests as somebody may have copied them. */
async function manifestsOf({ recovery }: Insides): Promise<readonly Kept[]> {
  const [place] = recovery.backups.places;
  const rows = await recovery.backups.list();
  const kept = rows.map(async ({ id, taken_at }) => {
    const file = await place?.blobs.get(manifestName(id as BackupId));
    return { id, takenAt: taken_at, file: file ?? new Uint8Array(0) };
  });
  return Promise.all(kept);
}

async function grownOld(world: World, { recovery, turnClock }: Insides): Promise<number> {
  for (let day = 0; day < 40; day += 5) {
    turnClock(5 * DAY_MS);
    await recovery.tend();
  }
  const oldest = (await recovery.backups.list()).at(-1);
  return oldest === undefined ? 0 : (world.clock.now() - oldest.started_at) / DAY_MS;
}
