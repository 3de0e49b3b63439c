/** Flips bytes of a keystore replica one at a time and says what must come of it. */
import assert from 'node:assert/strict';
import { StrongroomError } from '../../errors.ts';
import { slotOf } from '../slot.ts';
import { keyOf } from './invariants.ts';
import { World } from './world.ts';

export interface Flipped {
  readonly world: World;
  readonly living: ReadonlyMap<ReturnType<typeof slotOf>, string>;
  readonly dead: readonly ReturnType<typeof slotOf>[];
}

/** A world with an erasure, an intent, and one epoch after the full one, so that pages lie in two files. */
export async function flippable(): Promise<Flipped> {
  const world = await World.create();
  const keyring = await world.open();
  world.journal.setLeaf(keyring.takeLeaf(), 100);
  const living = new Map([1, 2, 50].map((index) => [slotOf(1, index), keyOf(keyring, slotOf(1, index))]));
  await keyring.keepNote('hold_1', 'kept');
  await keyring.puncture({ id: 'era_1', slots: [slotOf(1, 3)], reason: '' });
  await keyring.puncture({ id: 'era_2', slots: [slotOf(2, 3)], reason: '' });
  await keyring.close();
  return { world, living, dead: [slotOf(1, 3), slotOf(2, 3)] };
}

/** The files of one replica that hold anything: one of zeros waits for the next epoch, which overwrites it. */
export const filesOf = (world: World, replica: string): readonly string[] =>
  world.disk
    .paths()
    .filter((path) => path.startsWith(`/keystore/${replica}/`))
    .filter((path) => world.disk.peek(path).some((byte) => byte !== 0));

/** In one replica: detected, named, repaired from the other; nothing lost and nothing back. */
export async function checkFlip(flipped: Flipped, path: string, offset: number, bit: number): Promise<void> {
  const world = flipped.world.copy(`${path}/${offset}`);
  flip(world, path, offset, bit);
  const where = `${path} at ${offset}`;
  const keyring = await world.open();
  const named = keyring.findings.map(({ replica, what }) => `/keystore/${replica}/${what}`);
  const name = path.split('/').slice(3).join('/');
  assert.ok(
    named.some((finding) => finding.startsWith('/keystore/a/') && finding.includes(name)),
    `${where} not named: ${named.join()}`,
  );
  checkSlots(flipped, keyring, where);
  assert.deepEqual(keyring.notes.get('hold_1'), 'kept');
  await keyring.close();
  const again = await world.open();
  assert.deepEqual(again.findings, [], `${where} not repaired`);
  await again.close();
}

/** In the only replica at hand: refused as damage, or harmless; a living slot is never called erased. */
export async function checkFlipAlone(
  flipped: Flipped,
  path: string,
  offset: number,
  bit: number,
): Promise<'refused' | 'served'> {
  const world = flipped.world.copy(`alone/${path}/${offset}`);
  world.disk.takeAway('/keystore/b');
  flip(world, path, offset, bit);
  try {
    const keyring = await world.open();
    checkSlots(flipped, keyring, path);
    // Nobody refers to some bytes of older files of pages: they are compared with another copy where there is one.
    const isNamed = keyring.findings.some(({ replica }) => replica === 'a');
    assert.ok(isNamed || path.includes('/pages/'), `${path} at ${offset} was served without a word`);
    return 'served';
  } catch (error) {
    assert.ok(error instanceof StrongroomError, String(error));
    assert.ok(
      ['keyring.damaged', 'keystore.foreign'].includes(error.code),
      `${path} at ${offset}: ${error.code}`,
    );
    return 'refused';
  }
}

function flip(world: World, path: string, offset: number, bit: number): void {
  world.disk.poke(path, (bytes) => {
    bytes[offset] = (bytes[offset] as number) ^ (1 << bit);
  });
}

function checkSlots({ living, dead }: Flipped, keyring: Parameters<typeof keyOf>[0], where: string): void {
  for (const [slot, key] of living) assert.equal(keyOf(keyring, slot), key, where);
  for (const slot of dead) assert.ok(keyring.isErased(slot), where);
}
