/**
 * A leaf: the keys of 2^depth slots from one random seed, so that any of them can be destroyed alone.
 *
 * The tree is that of Goldreich, Goldwasser and Micali (1986) in heap order: label 1 is the leaf, label 2^depth + i is
 * the key of slot i, and `G(s) = SHA-512("srggm/1" ‖ 00 ‖ s)` gives the seeds of children 2l (bytes 0–31) and
 * 2l + 1 (32–63). A punctured leaf is the set of seeds that still derive every other slot (docs/keyring.md).
 *
 *     leaf page    (label u16 ‖ seed 32)*     ascending labels; no covering entry: that slot is dead
 *
 * Invariants: no entry lies under another, no two entries are the children of one node (the node itself would stand
 * there), and a page is never empty. Everything here is pure; the depth is a parameter so that small trees can be
 * tested exhaustively.
 */
import { hash } from 'node:crypto';
import type { Bytes } from '../bytes/encoding.ts';
import { StrongroomError } from '../errors.ts';
import { LEAF_DEPTH } from './slot.ts';

/** The plaintext of a leaf page; a whole leaf is the one entry with label 1. */
export type LeafPage = Bytes & { readonly brand?: 'LeafPage' };

/** Indexes of a leaf that are to die: a list, and all from one index up. */
export interface DeadIndexes {
  readonly indexes: readonly number[];
  readonly from?: number;
}

export const SEED_BYTES = 32;
export const ENTRY_BYTES = 2 + SEED_BYTES;

const PREFIX = Buffer.from('srggm/1\0', 'latin1');

export function wholeLeaf(seed: Uint8Array): LeafPage {
  const page = new Uint8Array(ENTRY_BYTES);
  page[1] = 1;
  page.set(seed, 2);
  return page;
}

export const isWhole = (page: LeafPage): boolean => page.length === ENTRY_BYTES && labelAt(page, 0) === 1;

/** Throws `keyring.damaged` unless the page is one that puncturing could have made. */
export function checkLeaf(page: Uint8Array, depth = LEAF_DEPTH): LeafPage {
  if (page.length === 0 || page.length % ENTRY_BYTES !== 0) throw damaged('a leaf page of a wrong length');
  // Labels ascend, so that whatever lies above an entry, and the other child before it, has been seen already.
  const isEntry = new Uint8Array(2 << depth);
  let last = 0;
  for (let at = 0; at < page.length / ENTRY_BYTES; at++) {
    const label = labelAt(page, at);
    if (label <= last || label >= 2 << depth) throw damaged('labels of a leaf page out of order');
    if (label > 1 && isEntry[label ^ 1] === 1)
      throw damaged('a leaf page that holds both children of a node');
    for (let above = label >> 1; above > 0; above >>= 1) {
      if (isEntry[above] === 1) throw damaged('a leaf page with one entry under another');
    }
    isEntry[label] = 1;
    last = label;
  }
  return page as LeafPage;
}

/** The label of the entry from which slot `index` derives, or null: the slot is dead. */
export function coveringLabel(page: LeafPage, index: number, depth = LEAF_DEPTH): number | null {
  for (let label = (1 << depth) + index; label > 0; label >>= 1) {
    if (findEntry(page, label) >= 0) return label;
  }
  return null;
}

/** The key of slot `index`, or null: the slot is dead. */
export function leafKey(page: LeafPage, index: number, depth = LEAF_DEPTH): Bytes | null {
  return seedOf(page, (1 << depth) + index);
}

/** The seed of any node that the page still derives, or null. */
export function seedOf(page: LeafPage, label: number): Bytes | null {
  let steps = 0;
  let entry = findEntry(page, label);
  for (let above = label >> 1; entry < 0 && above > 0; above >>= 1) {
    steps++;
    entry = findEntry(page, above);
  }
  if (entry < 0) return null;
  let seed = seedAt(page, entry).slice();
  for (; steps > 0; steps--) {
    const children = expand(seed);
    seed.fill(0);
    const half = (label >> (steps - 1)) & 1;
    seed = children.slice(half * SEED_BYTES, (half + 1) * SEED_BYTES);
    children.fill(0);
  }
  return seed;
}

/** One flag per slot: 1 where the page derives its key. */
export function livingSlots(page: LeafPage, depth = LEAF_DEPTH): Uint8Array {
  const living = new Uint8Array(1 << depth);
  for (let at = 0; at < page.length / ENTRY_BYTES; at++) {
    const { first, end } = slotsUnder(labelAt(page, at), depth);
    living.fill(1, first, end);
  }
  return living;
}

/**
 * The page without the dead; an empty one if nothing is left. Slots that are dead already stay so.
 *
 * Level by level, because labels then come out in their order: the nodes of a level are the children of those above it
 * that hold dead and living slots, and the entries of the page at that level. Both are in ascending order, and no label is in both.
 */
export function punctureLeaf(page: LeafPage, dead: DeadIndexes, depth = LEAF_DEPTH): LeafPage {
  const before = deadBefore(dead, depth);
  const dying = before[1 << depth] as number;
  const kept = new LeafDraft(Math.min(1 << depth, entryCount(page) + depth * dying));
  // At each level a dying slot has one node above it, and that node another child.
  let [nodes, below] = [new Level(2 * dying), new Level(2 * dying)];
  let entry = 0;
  for (let level = 0; level <= depth; level++) {
    const end = 2 << level;
    for (let node = 0; ;) {
      const own = entry < entryCount(page) ? labelAt(page, entry) : end;
      const derived = node < nodes.count ? (nodes.labels[node] as number) : end;
      const label = Math.min(own, derived);
      if (label >= end) break;
      const source = own < derived ? page : nodes.seeds;
      const from = own < derived ? entry++ * ENTRY_BYTES + 2 : node++ * SEED_BYTES;
      const { first, end: last } = slotsUnder(label, depth);
      const count = (before[last] as number) - (before[first] as number);
      if (count === 0) kept.add(label, source, from);
      else if (count < last - first) below.addChildren(label, source, from);
    }
    nodes.clear();
    [nodes, below] = [below, nodes];
  }
  return kept.take();
}

/** Nodes of one level that were derived, in ascending order. */
class Level {
  readonly labels: Uint16Array;
  readonly seeds: Buffer;
  count = 0;

  constructor(most: number) {
    this.labels = new Uint16Array(most);
    this.seeds = Buffer.alloc(most * SEED_BYTES);
  }

  /**
   * Both children of a node. The hash comes as text, because a buffer of its own for each takes twice as long as the hash, and
   * the erasure of many scattered slots is little else. A text cannot be zeroed: it lies in the heap until something else
   * does, like what the erased records said.
   */
  addChildren(label: number, source: Uint8Array, from: number): void {
    for (let at = 0; at < SEED_BYTES; at++) EXPANDED[PREFIX.length + at] = source[from + at] as number;
    this.seeds.write(hash('sha512', EXPANDED, 'latin1'), this.count * SEED_BYTES, 'latin1');
    EXPANDED.fill(0, PREFIX.length);
    this.labels[this.count++] = 2 * label;
    this.labels[this.count++] = 2 * label + 1;
  }

  clear(): void {
    this.seeds.fill(0, 0, this.count * SEED_BYTES);
    this.count = 0;
  }
}

/** A page that is being written, entry by entry in ascending order. */
class LeafDraft {
  readonly #bytes: Uint8Array<ArrayBuffer>;
  #length = 0;

  constructor(entriesMax: number) {
    this.#bytes = new Uint8Array(entriesMax * ENTRY_BYTES);
  }

  add(label: number, source: Uint8Array, from: number): void {
    const bytes = this.#bytes;
    let to = this.#length;
    bytes[to++] = label >> 8;
    bytes[to++] = label & 0xff;
    for (let at = from; at < from + SEED_BYTES; at++) bytes[to++] = source[at] as number;
    this.#length = to;
  }

  take(): LeafPage {
    const page = this.#bytes.slice(0, this.#length);
    this.#bytes.fill(0, 0, this.#length);
    return page;
  }
}

/** Prefix sums: how many slots below each index are to die. */
function deadBefore(dead: DeadIndexes, depth: number): Uint16Array {
  const slots = 1 << depth;
  const before = new Uint16Array(slots + 1);
  for (const index of dead.indexes) before[index + 1] = 1;
  if (dead.from !== undefined) before.fill(1, dead.from + 1);
  for (let at = 1; at <= slots; at++) before[at] = (before[at] as number) + (before[at - 1] as number);
  return before;
}

function slotsUnder(label: number, depth: number): { first: number; end: number } {
  const below = depth - (31 - Math.clz32(label));
  const first = (label << below) - (1 << depth);
  return { first, end: first + (1 << below) };
}

/** Holds a seed only while it is hashed. */
const EXPANDED = Buffer.alloc(PREFIX.length + SEED_BYTES);
PREFIX.copy(EXPANDED);

/** Both children's seeds, 64 bytes. */
export function expand(seed: Uint8Array): Bytes {
  EXPANDED.set(seed, PREFIX.length);
  const children = hash('sha512', EXPANDED, 'buffer');
  EXPANDED.fill(0, PREFIX.length);
  // Not the Buffer itself: its `slice` would give a window where a copy is meant.
  return new Uint8Array(children.buffer, children.byteOffset, children.length);
}

export const entryCount = (page: LeafPage): number => page.length / ENTRY_BYTES;

export const labelAt = (page: Uint8Array, at: number): number =>
  ((page[at * ENTRY_BYTES] as number) << 8) | (page[at * ENTRY_BYTES + 1] as number);

export const seedAt = (page: LeafPage, at: number): Bytes =>
  page.subarray(at * ENTRY_BYTES + 2, (at + 1) * ENTRY_BYTES);

/** Binary search; -1 where the page has no such entry. */
function findEntry(page: LeafPage, label: number): number {
  let low = 0;
  let high = page.length / ENTRY_BYTES - 1;
  while (low <= high) {
    const middle = (low + high) >> 1;
    const found = labelAt(page, middle);
    if (found === label) return middle;
    if (found < label) low = middle + 1;
    else high = middle - 1;
  }
  return -1;
}

/** Levels of which every expanded node is remembered: 2^8 nodes of 64 bytes, 16 KiB a leaf. */
const UPPER_DEPTH = 8;

/**
 * Derives keys of one leaf, remembering the upper nodes it has seen and the path it took last below them: slots in
 * sequence cost one or two hashes each, slots at random four, instead of twelve. What it remembers derives keys, so it
 * is cleared at every puncture.
 */
export class LeafPath {
  #page: LeafPage | null = null;
  /** By label: the children of an upper node, and whether they are known. */
  readonly #upper = new Uint8Array((1 << UPPER_DEPTH) * 2 * SEED_BYTES);
  readonly #isKnown = new Uint8Array(1 << UPPER_DEPTH);
  /** By depth: the label of the node on the last path, and its children. */
  readonly #labels = new Uint16Array(LEAF_DEPTH);
  readonly #lower = new Uint8Array(LEAF_DEPTH * 2 * SEED_BYTES);
  readonly #input = Buffer.alloc(PREFIX.length + SEED_BYTES);

  constructor() {
    PREFIX.copy(this.#input);
  }

  /** The key of slot `index`, or null: the slot is dead. */
  key(page: LeafPage, index: number): Bytes | null {
    if (page !== this.#page) this.#start(page);
    const slot = (1 << LEAF_DEPTH) + index;
    const covering = isWhole(page) ? 1 : coveringLabel(page, index);
    if (covering === null) return null;
    const from = 31 - Math.clz32(covering);
    if (from === LEAF_DEPTH) return seedAt(page, findEntry(page, covering)).slice();
    for (let depth = from; depth < LEAF_DEPTH; depth++) {
      const label = slot >> (LEAF_DEPTH - depth);
      if (this.#has(depth, label)) continue;
      const seed = depth === from ? seedAt(page, findEntry(page, covering)) : this.#child(depth - 1, label);
      this.#expand(depth, label, seed);
    }
    return this.#child(LEAF_DEPTH - 1, slot).slice();
  }

  clear(): void {
    this.#page = null;
    this.#upper.fill(0);
    this.#isKnown.fill(0);
    this.#labels.fill(0);
    this.#lower.fill(0);
    this.#input.fill(0, PREFIX.length);
  }

  #start(page: LeafPage): void {
    this.clear();
    this.#page = page;
  }

  #has(depth: number, label: number): boolean {
    return depth < UPPER_DEPTH ? this.#isKnown[label] === 1 : this.#labels[depth] === label;
  }

  #expand(depth: number, label: number, seed: Uint8Array): void {
    this.#input.set(seed, PREFIX.length);
    const children = hash('sha512', this.#input, 'buffer');
    if (depth < UPPER_DEPTH) {
      this.#upper.set(children, label * 2 * SEED_BYTES);
      this.#isKnown[label] = 1;
    } else {
      this.#lower.set(children, depth * 2 * SEED_BYTES);
      this.#labels[depth] = label;
    }
    children.fill(0);
  }

  /** The seed of the node `label`, from its parent at `depth`. */
  #child(depth: number, label: number): Bytes {
    const [room, parent] = depth < UPPER_DEPTH ? [this.#upper, label >> 1] : [this.#lower, depth];
    const start = (parent * 2 + (label & 1)) * SEED_BYTES;
    return room.subarray(start, start + SEED_BYTES);
  }
}

const damaged = (detail: string): StrongroomError => new StrongroomError('keyring.damaged', detail);
