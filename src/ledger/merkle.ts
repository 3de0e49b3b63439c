/**
 * The Merkle tree of RFC 6962, section 2.1 (the same in RFC 9162): hashes, the frontier that grows a tree, proofs and
 * their verification.
 *
 * Everything here is pure. Sizes go up to 2^53, so halves are taken by division; bitwise operations end at 2^31.
 */
import { hash } from 'node:crypto';
import { concat, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { HASH_BYTES, sha256 } from '../crypto/hash.ts';

const LEAF_MARK = Uint8Array.of(0);

export const EMPTY_ROOT: Bytes = sha256(new Uint8Array(0));

export const leafHash = (leaf: Uint8Array): Bytes => sha256(concat(LEAF_MARK, leaf));

// Filled and hashed within one synchronous call, so nobody sees it half-written.
const pair = new Uint8Array(1 + 2 * HASH_BYTES);
pair[0] = 1;

export function nodeHash(left: Uint8Array, right: Uint8Array): Bytes {
  pair.set(left, 1);
  pair.set(right, 1 + HASH_BYTES);
  return new Uint8Array(hash('sha256', pair, 'buffer'));
}

/**
 * A tree as the roots of its perfect subtrees, largest (leftmost) first: one for each bit set in the size. Enough to
 * append and to give the root.
 */
export class Frontier {
  #size: number;
  readonly #peaks: Bytes[];

  private constructor(size: number, peaks: Bytes[]) {
    this.#size = size;
    this.#peaks = peaks;
  }

  static empty(): Frontier {
    return new Frontier(0, []);
  }

  /** From `encode()`; a RangeError if the bytes cannot be those of a tree of that size. */
  static decode(size: number, bytes: Uint8Array): Frontier {
    if (!Number.isSafeInteger(size) || size < 0 || bytes.length !== peakCount(size) * HASH_BYTES) {
      throw new RangeError(`not the frontier of a tree of ${size}`);
    }
    const peaks: Bytes[] = [];
    for (let at = 0; at < bytes.length; at += HASH_BYTES)
      peaks.push(new Uint8Array(bytes.slice(at, at + HASH_BYTES)));
    return new Frontier(size, peaks);
  }

  get size(): number {
    return this.#size;
  }

  append(leafHash: Bytes): void {
    let carry = leafHash;
    for (let rest = this.#size; rest % 2 === 1; rest = half(rest))
      carry = nodeHash(this.#peaks.pop()!, carry);
    this.#peaks.push(carry);
    this.#size++;
  }

  root(): Bytes {
    return this.#peaks.length === 0
      ? EMPTY_ROOT
      : this.#peaks.reduceRight((right, left) => nodeHash(left, right));
  }

  /** The peaks end to end, 32 bytes each, leftmost first. */
  encode(): Bytes {
    return concat(...this.#peaks);
  }
}

/** The hash of the perfect subtree of 2^height leaves that begins at leaf index × 2^height. */
export type SubtreeHash = (height: number, index: number) => Bytes;

/** The root of the first `size` leaves. */
export const treeRoot = (size: number, hashOf: SubtreeHash): Bytes =>
  size === 0 ? EMPTY_ROOT : rangeHash(0, size, hashOf);

/** `Frontier.encode()` of the tree of the first `size` leaves. */
export function frontierBytes(size: number, hashOf: SubtreeHash): Bytes {
  const peaks: Bytes[] = [];
  for (let height = Math.ceil(Math.log2(size + 1)), from = 0; height >= 0; height--) {
    const width = 2 ** height;
    if (from + width > size) continue;
    peaks.push(hashOf(height, from / width));
    from += width;
  }
  return concat(...peaks);
}

/** Hashes from the leaf's sibling up to the root's child (RFC 6962, 2.1.1). */
export function inclusionPath(n: number, size: number, hashOf: SubtreeHash): Bytes[] {
  if (!(0 <= n && n < size)) throw new RangeError(`no entry ${n} in a tree of ${size}`);
  const path = (from: number, to: number): Bytes[] => {
    if (to - from === 1) return [];
    const middle = from + split(to - from);
    return n < middle
      ? [...path(from, middle), rangeHash(middle, to, hashOf)]
      : [...path(middle, to), rangeHash(from, middle, hashOf)];
  };
  return path(0, size);
}

/** Hashes that show the tree of `from` to be the beginning of the tree of `to` (RFC 6962, 2.1.2). */
export function consistencyPath(from: number, to: number, hashOf: SubtreeHash): Bytes[] {
  if (!(0 <= from && from <= to)) throw new RangeError(`no tree of ${from} in a tree of ${to}`);
  if (from === 0 || from === to) return [];
  const path = (start: number, end: number, isWhole: boolean): Bytes[] => {
    if (from === end) return isWhole ? [] : [rangeHash(start, end, hashOf)];
    const middle = start + split(end - start);
    return from <= middle
      ? [...path(start, middle, isWhole), rangeHash(middle, end, hashOf)]
      : [...path(middle, end, false), rangeHash(start, middle, hashOf)];
  };
  return path(0, to, true);
}

/** The root of leaves `from` … `to`, where `from` is where the tree over `to` leaves splits. */
function rangeHash(from: number, to: number, hashOf: SubtreeHash): Bytes {
  const count = to - from;
  const left = split(count);
  if (count === 1 || left * 2 === count) return hashOf(Math.log2(count), from / count);
  return nodeHash(rangeHash(from, from + left, hashOf), rangeHash(from + left, to, hashOf));
}

export interface Inclusion {
  readonly n: number;
  readonly size: number;
  readonly leafHash: Bytes;
  readonly path: readonly Bytes[];
}

/** RFC 9162, 2.1.3.2. */
export function verifyInclusion({ n, size, leafHash, path }: Inclusion, root: Uint8Array): boolean {
  if (!(0 <= n && n < size)) return false;
  let place = n;
  let last = size - 1;
  let hash = leafHash;
  for (const sibling of path) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      hash = nodeHash(sibling, hash);
      while (place % 2 === 0 && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      hash = nodeHash(hash, sibling);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 && isEqual(hash, root);
}

export interface TreeHead {
  readonly size: number;
  readonly root: Uint8Array;
}

/** Whether the path shows that the tree of `from` is the beginning of the tree of `to` (RFC 9162, 2.1.4.2). */
export function verifyConsistency(from: TreeHead, to: TreeHead, path: readonly Bytes[]): boolean {
  if (from.size > to.size) return false;
  if (from.size === to.size) return path.length === 0 && isEqual(from.root, to.root);
  if (from.size === 0) return path.length === 0 && isEqual(from.root, EMPTY_ROOT);
  let place = from.size - 1;
  let last = to.size - 1;
  while (place % 2 === 1) [place, last] = [half(place), half(last)];
  // The old tree's own root begins the path where that tree is perfect.
  const [first, ...rest] = place === 0 ? [from.root, ...path] : path;
  if (first === undefined) return false;
  let oldRoot: Uint8Array = first;
  let newRoot: Uint8Array = first;
  for (const sibling of rest) {
    if (last === 0) return false;
    if (place % 2 === 1 || place === last) {
      oldRoot = nodeHash(sibling, oldRoot);
      newRoot = nodeHash(sibling, newRoot);
      while (place % 2 === 0 && place !== 0) [place, last] = [half(place), half(last)];
    } else {
      newRoot = nodeHash(newRoot, sibling);
    }
    [place, last] = [half(place), half(last)];
  }
  return last === 0 && isEqual(oldRoot, from.root) && isEqual(newRoot, to.root);
}

const half = (value: number): number => Math.floor(value / 2);

/** The largest power of two below `count`; one leaf is never split. */
function split(count: number): number {
  let power = 1;
  while (power * 2 < count) power *= 2;
  return power;
}

function peakCount(size: number): number {
  let count = 0;
  for (let rest = size; rest > 0; rest = half(rest)) count += rest % 2;
  return count;
}
