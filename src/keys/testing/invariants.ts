/**
 * The one checker that every row of the crash table ends in: what must be true of a keystore, its database and its
 * keyring after any crash, once they have been opened again.
 */
import assert from 'node:assert/strict';
import { encodeHex, type Bytes } from '../../bytes/encoding.ts';
import { fileIdOf } from '../epoch-file.ts';
import type { Keyring } from '../keyring.ts';
import { decodeRootFile } from '../root-file.ts';
import type { Slot } from '../slot.ts';
import type { World } from './world.ts';

/** What the test knows must hold. */
export interface Facts {
  /** Keys as they were before anything happened. */
  readonly keys: ReadonlyMap<Slot, string>;
  /** Slots that nobody ever asked to die. */
  readonly living: readonly Slot[];
  /** Slots whose destruction was acknowledged. */
  readonly dead: readonly Slot[];
  /** Requests that were under way: all of each or nothing. */
  readonly asked: readonly (readonly Slot[])[];
}

export const keyOf = (keyring: Keyring, slot: Slot): string => encodeHex(keyring.derive(slot));

/** `present` are the folders of the replicas that can be reached. */
export async function checkInvariants(
  world: World,
  keyring: Keyring,
  facts: Facts,
  present: readonly string[],
): Promise<void> {
  checkKeys(world, keyring, facts);
  if (keyring.isRestoring) return;
  checkJournal(world, keyring, present);
  for (const folder of present) checkReplica(world, keyring, folder);
  checkResidue(world, keyring, present);
}

function checkKeys(world: World, keyring: Keyring, { keys, living, dead, asked }: Facts): void {
  for (const slot of living) assert.equal(keyOf(keyring, slot), keys.get(slot), `slot ${slot} must live on`);
  for (const slot of dead) assert.ok(keyring.isErased(slot), `slot ${slot} was destroyed and derives`);
  for (const slots of asked) {
    const erased = slots.filter((slot) => keyring.isErased(slot)).length;
    assert.ok(erased === 0 || erased === slots.length, 'a request was done by half');
    for (const slot of slots) if (!keyring.isErased(slot)) assert.equal(keyOf(keyring, slot), keys.get(slot));
  }
  if (keyring.isRestoring) return;
  for (const { id, slots } of world.journal.state.requests) {
    for (const slot of slots)
      assert.ok(keyring.isErased(slot), `slot ${slot} of request ${id} is on record and derives`);
  }
}

function checkJournal(world: World, keyring: Keyring, present: readonly string[]): void {
  const { epochs, outcomes, requests } = world.journal.state;
  const newest = epochs.reduce((a, b) => (a.epoch > b.epoch ? a : b));
  assert.equal(newest.epoch, keyring.epoch, 'the newest row is the epoch that is served');
  assert.equal(newest.state, 'complete');
  const destroyed = new Set(requests.flatMap(({ id, state }) => (state === 'destroyed' ? [id] : [])));
  for (const { outcome } of outcomes) {
    if (outcome.destroyed.length > 0)
      assert.deepEqual(outcome.missing, [], 'destroyed while a replica was missing');
    for (const id of outcome.destroyed) destroyed.delete(id);
  }
  assert.equal(destroyed.size, 0, 'destroyed without an outcome that says so');
  const isWhole = outcomes.at(-1)?.outcome.missing.length === 0;
  if (isWhole)
    assert.ok(
      requests.every(({ state }) => state === 'destroyed'),
      'a request was left behind',
    );
  assert.ok(present.length > 0);
}

function checkReplica(world: World, keyring: Keyring, folder: string): void {
  const { cells, damage, empty } = decodeRootFile(world.disk.peek(`${folder}/root`).slice());
  assert.deepEqual(damage, [], `damage in ${folder}`);
  assert.equal(empty.length, 2, `cells left in ${folder}`);
  const [cell] = cells;
  assert.ok(cell !== undefined && cell.epoch === keyring.epoch, `${folder} holds another epoch`);
  const row = world.journal.state.epochs.find(({ epoch }) => epoch === cell.epoch);
  assert.equal(encodeHex(fileIdOf(cell.root)), row === undefined ? '' : encodeHex(row.fileId));
}

/** No root that ever was, but today's, is left in any byte of a replica. */
function checkResidue(world: World, keyring: Keyring, present: readonly string[]): void {
  const roots = rootsEverWritten(world);
  for (const path of world.disk.paths()) {
    if (!present.some((folder) => path.startsWith(`${folder}/`))) continue;
    const bytes = Buffer.from(world.disk.peek(path));
    for (const [hex, epoch] of roots) {
      if (epoch !== keyring.epoch)
        assert.ok(!bytes.includes(Buffer.from(hex, 'hex')), `the root of epoch ${epoch} is left in ${path}`);
    }
  }
}

/** Every root that was ever written to any replica, with its epoch. */
export function rootsEverWritten(world: World): Map<string, number> {
  const roots = new Map<string, number>();
  for (const { path, bytes } of world.disk.written) {
    if (!path.endsWith('/root') || bytes[3] !== CELL_MARK) continue;
    for (const cell of cellsIn(bytes)) roots.set(encodeHex(cell.root), cell.epoch);
  }
  return roots;
}

/** The last letter of a cell's magic. */
const CELL_MARK = 'C'.charCodeAt(0);

function cellsIn(bytes: Bytes): { root: Bytes; epoch: number }[] {
  const file = new Uint8Array(4 * 4096);
  if (bytes.length !== 4096) return [];
  file.set(bytes, 4096);
  return [...decodeRootFile(file).cells];
}
