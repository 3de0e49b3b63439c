/** How the keystore's own files grow with erasures, and what one erasure writes: at the keyring alone, on real disks. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { realEnvironment } from '../src/environment.ts';
import { realDisk, type Disk, type DiskFile } from '../src/keys/disk.ts';
import type { Keyring } from '../src/keys/keyring.ts';
import { createKeystore, openKeyring, type OpenOptions } from '../src/keys/open.ts';
import { LEAF_SLOTS, slotOf, type Slot } from '../src/keys/slot.ts';
import { FakeJournal } from '../src/keys/testing/fake-journal.ts';
import { median, rounded } from './figures.ts';

const LEAVES = 25;
const SLOTS = LEAVES * LEAF_SLOTS;
const STEPS = [0, 1, 10, 100, 1000, 5000, 10_000, 25_600, 51_200, 76_800, 102_400];
/** A seed and its label: what one live slot costs at most. */
const LIVE_SLOT_BYTES = 34;
const TRAFFIC_ERASURES = 200;

export interface Grown {
  readonly erased: number;
  readonly 'live slots': number;
  readonly 'key state, bytes': number;
  /** Both as the pages of the tree as it is now, sealed, in one replica. */
  readonly 'bytes a live slot': number;
  readonly 'files on disk, bytes': number;
  readonly bound: number;
}

export interface Traffic {
  readonly erasures: string;
  readonly 'bytes written': number;
  readonly 'largest, bytes': number;
  readonly syncs: number;
  readonly 'folder syncs': number;
}

export async function growth(folder: string): Promise<readonly Grown[]> {
  const { keyring } = await openAt(folder, realDisk);
  const leaves = await takeLeaves(keyring);
  const order = scattered(SLOTS);
  const rows: Grown[] = [];
  let erased = 0;
  for (const step of STEPS) {
    // As erasures come: many epochs, and the files that each leaves behind.
    for (const size = Math.max(1, Math.ceil((step - erased) / 20)); erased < step;) {
      const slots = order.slice(erased, Math.min(step, erased + size)).map((at) => slotAt(leaves, at));
      await keyring.puncture({ id: `era_${erased}`, slots, reason: '' });
      erased += slots.length;
    }
    await keyring.withEpochs(() => Promise.resolve());
    const onDisk = await bytesIn(join(folder, 'a', 'pages'));
    await keyring.turn({ sides: false });
    await keyring.withEpochs(() => Promise.resolve());
    const state = await bytesIn(join(folder, 'a', 'pages'));
    const live = SLOTS - erased;
    // Each leaf has an entry above it and a box of its own; the top page and the file have their heads.
    const bound = Math.min(live, SLOTS / 2) * LIVE_SLOT_BYTES + (LEAVES + 64) * 128;
    rows.push({
      erased,
      'live slots': live,
      'key state, bytes': state,
      'bytes a live slot': live === 0 ? 0 : rounded(state / live),
      'files on disk, bytes': onDisk,
      bound,
    });
  }
  await keyring.close();
  return rows;
}

export async function perErasure(folder: string): Promise<readonly Traffic[]> {
  const counted = new CountingDisk();
  const { keyring } = await openAt(folder, counted.disk);
  const leaves = await takeLeaves(keyring);
  const order = scattered(SLOTS);
  const rows: Traffic[] = [];
  for (const [what, from] of [
    [`the first ${TRAFFIC_ERASURES}`, 0],
    [`${TRAFFIC_ERASURES} more after 20,000`, 20_000],
  ] as const) {
    if (from > 0) {
      const slots = order.slice(TRAFFIC_ERASURES, from).map((at) => slotAt(leaves, at));
      await keyring.puncture({ id: 'era_many', slots, reason: '' });
    }
    const bytes: number[] = [];
    const syncs: number[] = [];
    const folders: number[] = [];
    for (let at = 0; at < TRAFFIC_ERASURES; at++) {
      await keyring.withEpochs(() => Promise.resolve());
      counted.reset();
      const slots = [slotAt(leaves, order[from + at] ?? 0)];
      await keyring.puncture({ id: `era_${from + at}`, slots, reason: '' });
      await keyring.withEpochs(() => Promise.resolve());
      // Two replicas write the same.
      bytes.push(counted.bytes / 2);
      syncs.push(counted.syncs / 2);
      folders.push(counted.folderSyncs / 2);
    }
    rows.push({
      erasures: what,
      'bytes written': median(bytes),
      'largest, bytes': Math.max(...bytes),
      syncs: median(syncs),
      'folder syncs': median(folders),
    });
  }
  await keyring.close();
  return rows;
}

async function openAt(folder: string, disk: Disk): Promise<{ keyring: Keyring }> {
  const options: OpenOptions = {
    replicas: ['a', 'b'].map((name) => ({ name, folder: join(folder, name) })),
    deployment: new Uint8Array(16).fill(7),
    disk,
    environment: realEnvironment,
    journal: new FakeJournal(),
    derived: [],
    onFatal: (error) => {
      throw error;
    },
  };
  await createKeystore(options);
  return { keyring: await openKeyring(options) };
}

async function takeLeaves(keyring: Keyring): Promise<readonly number[]> {
  const leaves: number[] = [];
  while (leaves.length < LEAVES) {
    if (keyring.spareLeaves === 0) await keyring.withEpochs(() => Promise.resolve());
    leaves.push(keyring.takeLeaf());
  }
  return leaves;
}

const slotAt = (leaves: readonly number[], at: number): Slot =>
  slotOf(leaves[Math.floor(at / LEAF_SLOTS)] ?? 0, at % LEAF_SLOTS);

/** Every number below `count` once, in an order without neighbours: a step that shares no divisor with it. */
function scattered(count: number): readonly number[] {
  const step = 40_503;
  return Array.from({ length: count }, (_, at) => (at * step) % count);
}

async function bytesIn(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) {
    const file = await readFile(join(folder, name));
    // One of zeros waits for the next epoch.
    if (file[0] !== 0) bytes += file.length;
  }
  return bytes;
}

class CountingDisk {
  bytes = 0;
  syncs = 0;
  folderSyncs = 0;

  readonly disk: Disk = {
    ...realDisk,
    open: async (path, access) => this.#counted(await realDisk.open(path, access)),
    syncFolder: async (path) => {
      this.folderSyncs++;
      await realDisk.syncFolder(path);
    },
  };

  reset(): void {
    this.bytes = 0;
    this.syncs = 0;
    this.folderSyncs = 0;
  }

  #counted(file: DiskFile): DiskFile {
    return {
      read: () => file.read(),
      readInto: (room) => file.readInto(room),
      close: () => file.close(),
      writeAt: (offset, bytes) => {
        this.bytes += bytes.length;
        return file.writeAt(offset, bytes);
      },
      sync: () => {
        this.syncs++;
        return file.sync();
      },
    };
  }
}
