/**
 * The crash walk: an operation is stopped at its n-th step for n = 1, 2, 3 … until it runs through, each time with every
 * state of the replicas afterwards, and everything must be well again once it is opened.
 */
import assert from 'node:assert/strict';
import { Crash } from '../../environment.ts';
import type { Keyring } from '../keyring.ts';
import { addReplica, declareLost, dropReplica } from '../replica-set.ts';
import { decodeRootFile } from '../root-file.ts';
import { slotOf, type Slot } from '../slot.ts';
import { checkInvariants, keyOf, type Facts } from './invariants.ts';
import { seeded } from './faulty-disk.ts';
import { REPLICAS, World } from './world.ts';

export interface Scenario {
  readonly name: string;
  /** So many steps at least, or the walk walked nothing. */
  readonly stepsMin: number;
  readonly replicas: readonly string[];
  /** Makes the state from which each walk starts. */
  readonly prepare: () => Promise<{ world: World; facts: Facts }>;
  /** What is done before the crash may strike. */
  readonly before?: (world: World) => Promise<Keyring>;
  readonly run: (world: World, keyring: Keyring | null) => Promise<void>;
  readonly reopen?: (world: World) => Promise<Keyring>;
  /** More to check once it is open again. */
  readonly after?: (world: World, keyring: Keyring, facts: Facts) => Promise<void>;
  /** Replicas without which nothing may open: what they alone hold cannot be had from another. */
  readonly isNeeded?: (replica: string) => boolean;
}

interface Aftermath {
  readonly name: string;
  readonly isPowerCut: boolean;
  readonly missing: readonly string[];
  /** What these had not synced is torn. */
  readonly torn: readonly string[];
}

export interface WalkOptions {
  /** Strike before each operation of the disk, not at fault points. */
  readonly atOperations?: boolean;
  readonly stride?: number;
  readonly isExhaustive?: boolean;
  readonly seed?: number;
  /** Breaks something of the protocol, to show that the walk finds it. */
  readonly sabotage?: (world: World) => void;
}

export interface Walked {
  readonly crashes: number;
  /** Root cells that were found torn after a power cut. */
  readonly tornCells: number;
}

export async function walkCrashes(scenario: Scenario, options: WalkOptions = {}): Promise<Walked> {
  const { world: base, facts } = await scenario.prepare();
  let crashes = 0;
  let tornCells = 0;
  for (let step = 1; ; step += options.stride ?? 1) {
    let ranThrough = false;
    for (const aftermath of aftermathsOf(scenario.replicas, step, options.isExhaustive === true)) {
      const world = base.copy(`${step}/${aftermath.name}/${options.seed ?? 0}`);
      options.sabotage?.(world);
      const crashed = await crashAt(world, scenario, step, options.atOperations === true);
      ranThrough = !crashed;
      crashes += Number(crashed);
      try {
        tornCells += strike(world, aftermath, seeded(step * 1000 + (options.seed ?? 0)));
        await recover(world, scenario, facts, aftermath, step);
      } catch (error) {
        const passed = world.passed.slice(0, step).join(' ');
        throw new Error(`${scenario.name}, crash at ${step} (${passed}), then ${aftermath.name}`, {
          cause: error,
        });
      }
    }
    if (ranThrough) return { crashes, tornCells };
  }
}

/**
 * Each subset of the replicas missing and, where the power went, each subset of the others torn. Killed and cut off
 * from power take turns, unless all is asked for.
 */
function aftermathsOf(replicas: readonly string[], step: number, isExhaustive: boolean): Aftermath[] {
  const all: Aftermath[] = [];
  for (const isPowerCut of isExhaustive ? [false, true] : [step % 2 === 0]) {
    for (const missing of subsetsOf(replicas)) {
      if (missing.length === 2) continue;
      const kind = isPowerCut ? 'power cut' : 'killed';
      all.push({ name: `${kind}, missing [${missing.join()}]`, isPowerCut, missing, torn: [] });
    }
  }
  for (const torn of subsetsOf(replicas)) {
    if (torn.length === 0) continue;
    all.push({ name: `power cut, torn [${torn.join()}]`, isPowerCut: true, missing: [], torn });
    for (const missing of isExhaustive ? replicas.filter((replica) => !torn.includes(replica)) : []) {
      const name = `power cut, torn [${torn.join()}], missing ${missing}`;
      all.push({ name, isPowerCut: true, missing: [missing], torn });
    }
  }
  return all;
}

const subsetsOf = (names: readonly string[]): string[][] =>
  Array.from({ length: 2 ** names.length }, (_, bits) => names.filter((_, at) => (bits >> at) & 1));

async function crashAt(
  world: World,
  scenario: Scenario,
  step: number,
  atOperations: boolean,
): Promise<boolean> {
  const keyring = scenario.before === undefined ? null : await scenario.before(world);
  world.passed.length = 0;
  if (atOperations) world.disk.crashAt = world.disk.operations + step;
  else world.crashAt = step;
  try {
    await scenario.run(world, keyring);
    await keyring?.close();
    return world.disk.isDead;
  } catch (error) {
    if (world.disk.isDead) return true;
    throw error instanceof Crash ? new Error('a crash without a death', { cause: error }) : error;
  }
}

/** Ends the process or cuts the power; returns how many root cells are torn then. */
function strike(world: World, aftermath: Aftermath, random: () => number): number {
  world.disk.die();
  if (aftermath.isPowerCut) {
    const isTorn = (path: string): boolean =>
      aftermath.torn.some((name) => path.startsWith(`${folderOf(name)}/`));
    world.disk.cutPower(random, isTorn);
  }
  world.revive();
  const roots = world.disk.paths().filter((path) => path.endsWith('/root'));
  const damage = roots.flatMap((path) => decodeRootFile(world.disk.peek(path).slice()).damage);
  return damage.filter((what) => what.startsWith('cell')).length;
}

const folderOf = (name: string): string => `/keystore/${name}`;

async function recover(
  world: World,
  scenario: Scenario,
  facts: Facts,
  aftermath: Aftermath,
  step: number,
): Promise<void> {
  if (aftermath.missing.length > 0) {
    for (const name of aftermath.missing) world.disk.takeAway(folderOf(name));
    const isNeeded = aftermath.missing.some((name) => scenario.isNeeded?.(name) === true);
    await openAndCheck(world, scenario, facts, isNeeded);
    for (const name of aftermath.missing) world.disk.bringBack(folderOf(name));
  }
  await openAndCheck(world, scenario, facts, false);
  // What was opened once opens again, and goes on working.
  if (step % 4 === 1) await openAndCheck(world, scenario, facts, false);
}

async function openAndCheck(
  world: World,
  scenario: Scenario,
  facts: Facts,
  isNeeded: boolean,
): Promise<void> {
  let keyring: Keyring;
  try {
    keyring = await (scenario.reopen?.(world) ?? world.open());
  } catch (error) {
    if (isNeeded) return;
    throw error;
  }
  const present = REPLICAS_ALL.filter((folder) => holdsRoot(world, folder));
  await checkInvariants(world, keyring, facts, present);
  await scenario.after?.(world, keyring, facts);
  await keyring.close();
  assert.deepEqual(
    world.fatal.filter((error) => !(error instanceof Crash)),
    [],
  );
}

const REPLICAS_ALL = ['/keystore/a', '/keystore/b', '/keystore/c'];

const holdsRoot = (world: World, folder: string): boolean =>
  world.disk.isReachable(`${folder}/root`) &&
  world.disk.peek(`${folder}/root`).some((byte) => byte !== 0) &&
  isMember(world, folder);

/** A folder that was never made a replica may hold anything but a root; `checkResidue` looks at members only. */
const isMember = (world: World, folder: string): boolean =>
  world.disk
    .peek(`${folder}/root`)
    .subarray(4096)
    .some((byte) => byte !== 0);

const capture = (keyring: Keyring, slots: readonly Slot[]): Map<Slot, string> =>
  new Map(slots.map((slot) => [slot, keyOf(keyring, slot)]));

const THREE = [...REPLICAS, { name: 'c', folder: '/keystore/c' }];

/** Two leaves in use, one erasure done, one still to be asked. */
async function usedWorld(): Promise<{ world: World; facts: Facts }> {
  const world = await World.create();
  const keyring = await world.open();
  const leaf = keyring.takeLeaf();
  world.journal.setLeaf(leaf, 1000);
  world.journal.setLeaf(keyring.takeLeaf(), 10);
  const living = [slotOf(leaf, 0), slotOf(leaf, 8), slotOf(leaf, 999), slotOf(leaf + 1, 3)];
  const dead = [slotOf(leaf, 7), slotOf(leaf, 500)];
  const asked = ASKED.map((index) => slotOf(leaf, index));
  const keys = capture(keyring, [...living, ...dead, ...asked]);
  await keyring.puncture({ id: 'era_done', slots: dead, reason: '' });
  await keyring.close();
  return { world, facts: { keys, living, dead, asked: [asked] } };
}

const ASKED = [9, 10, 501];

const askedOf = (): { id: string; slots: readonly Slot[]; reason: string } => ({
  id: 'era_asked',
  slots: ASKED.map((index) => slotOf(1, index)),
  reason: '',
});

/** A database put back to a moment before a leaf, more slots and an erasure. */
async function restoredWorld(): Promise<{ world: World; facts: Facts }> {
  const world = await World.create();
  const keyring = await world.open();
  const leaf = keyring.takeLeaf();
  world.journal.setLeaf(leaf, 10);
  const living = [slotOf(leaf, 0), slotOf(leaf, 9)];
  const dead = [slotOf(leaf, 5)];
  const orphans = [slotOf(leaf, 10), slotOf(leaf, 700), slotOf(leaf + 1, 0)];
  const keys = capture(keyring, [...living, ...dead, ...orphans]);
  const backup = world.journal.copy();
  backup.state.isRestoring = true;
  world.journal.setLeaf(leaf, 1000);
  world.journal.setLeaf(keyring.takeLeaf(), 1);
  await keyring.puncture({ id: 'era_later', slots: dead, reason: '' });
  await keyring.close();
  const restored = new World(world.disk, backup, 'restored');
  return { world: restored, facts: { keys, living, dead, asked: [orphans] } };
}

async function checkRestore(world: World, keyring: Keyring, facts: Facts): Promise<void> {
  assert.equal(keyring.isRestoring, world.journal.state.isRestoring);
  const orphans = facts.asked.flat();
  for (const slot of orphans) assert.equal(keyring.isErased(slot), !keyring.isRestoring, `orphan ${slot}`);
}

const restoring = async (world: World): Promise<Keyring> => world.openForRestore();

export const scenarios: readonly Scenario[] = [
  {
    name: 'an epoch',
    stepsMin: 90,
    replicas: ['a', 'b'],
    prepare: usedWorld,
    before: (world) => world.open(),
    run: async (_, keyring) => void (await keyring?.puncture(askedOf())),
  },
  {
    name: 'a rotation of the keystore’s own keys',
    stepsMin: 90,
    replicas: ['a', 'b'],
    prepare: usedWorld,
    before: (world) => world.open(),
    run: async (_, keyring) => keyring?.turn({ sides: true }),
  },
  {
    name: 'an opening',
    stepsMin: 90,
    replicas: ['a', 'b'],
    prepare: usedWorld,
    run: async (world) => {
      await (await world.open()).close();
    },
  },
  {
    name: 'an opening after a crash between the barriers',
    stepsMin: 90,
    replicas: ['a', 'b'],
    prepare: async () => {
      const { world, facts } = await usedWorld();
      const keyring = await world.open();
      world.crashAt =
        world.passed.length +
        world.passed.lastIndexOf('epoch.read_back') -
        world.passed.lastIndexOf('epoch.reach') +
        1;
      await assert.rejects(keyring.puncture(askedOf()), Crash);
      world.revive();
      return { world, facts };
    },
    run: async (world) => {
      await (await world.open()).close();
    },
  },
  {
    name: 'the commit of a restore',
    stepsMin: 90,
    replicas: ['a', 'b'],
    prepare: restoredWorld,
    before: restoring,
    run: async (_, keyring) => void (await keyring?.commitRestore()),
    reopen: (world) => (world.journal.state.isRestoring ? restoring(world) : world.open()),
    after: checkRestore,
  },
  {
    name: 'adding a replica',
    stepsMin: 25,
    replicas: ['b', 'c'],
    prepare: usedWorld,
    before: (world) => world.open({ replicas: THREE }),
    run: async (world, keyring) => {
      await addReplica(keyring as Keyring, THREE[2] as (typeof THREE)[number], world.disk);
    },
    reopen: (world) => world.open({ replicas: THREE }),
  },
  {
    name: 'dropping a replica',
    stepsMin: 10,
    replicas: ['a', 'b'],
    prepare: usedWorld,
    before: (world) => world.open(),
    run: async (_, keyring) => dropReplica(keyring as Keyring, 'b'),
    isNeeded: (replica) => replica === 'a',
  },
  {
    name: 'declaring a replica lost',
    stepsMin: 3,
    replicas: ['a'],
    prepare: usedWorld,
    before: async (world) => {
      const keyring = await world.open();
      world.disk.takeAway('/keystore/b');
      return keyring;
    },
    run: async (world, keyring) => {
      await declareLost(keyring as Keyring, 'b', 'burnt');
      world.disk.bringBack('/keystore/b');
    },
    reopen: (world) => {
      world.disk.bringBack('/keystore/b');
      return world.open();
    },
    isNeeded: (replica) => replica === 'a',
  },
];
