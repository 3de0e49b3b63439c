import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { decodeHex, encodeHex, u32, type Bytes } from '../bytes/encoding.ts';
import {
  consistencyPath,
  EMPTY_ROOT,
  Frontier,
  frontierBytes,
  inclusionPath,
  leafHash,
  nodeHash,
  treeRoot,
  verifyConsistency,
  verifyInclusion,
  type SubtreeHash,
} from './merkle.ts';

// The reference tree of Certificate Transparency's implementations of RFC 6962: eight leaves and the root at each size.
const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

test('the tree has the roots of the reference tree at each size', () => {
  const frontier = Frontier.empty();
  assert.equal(encodeHex(frontier.root()), ROOTS[0]);
  LEAVES.forEach((leaf, at) => {
    frontier.append(leafHash(decodeHex(leaf)));
    assert.equal(encodeHex(frontier.root()), ROOTS[at + 1]);
    assert.equal(frontier.size, at + 1);
  });
});

test('paths are those of the reference tree', () => {
  const tree = treeOf(LEAVES.map((leaf) => leafHash(decodeHex(leaf))));
  const inclusions: readonly (readonly [number, number, readonly string[]])[] = [
    [0, 1, []],
    [
      0,
      8,
      [
        '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
      ],
    ],
    [
      5,
      8,
      [
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      ],
    ],
    [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
    [
      1,
      5,
      [
        '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      ],
    ],
  ];
  for (const [n, size, path] of inclusions)
    assert.deepEqual(inclusionPath(n, size, tree).map(encodeHex), path);
  const consistencies: readonly (readonly [number, number, readonly string[]])[] = [
    [1, 1, []],
    [
      1,
      8,
      [
        '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
      ],
    ],
    [
      6,
      8,
      [
        '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
        'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
        'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
      ],
    ],
    [
      2,
      5,
      [
        '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
        'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      ],
    ],
  ];
  for (const [from, to, path] of consistencies)
    assert.deepEqual(consistencyPath(from, to, tree).map(encodeHex), path);
});

const SIZE = 300;
const HASHES = Array.from({ length: SIZE }, (_, at) => leafHash(u32(at)));
const TREE = treeOf(HASHES);
const ALL_ROOTS = Array.from({ length: SIZE + 1 }, (_, size) => recursiveRoot(HASHES.slice(0, size)));

test('root and frontier are those of the recursive definition, at every size', () => {
  const frontier = Frontier.empty();
  for (let size = 0; size <= SIZE; size++) {
    assert.deepEqual(frontier.root(), ALL_ROOTS[size]);
    assert.deepEqual(treeRoot(size, TREE), ALL_ROOTS[size]);
    assert.deepEqual(frontierBytes(size, TREE), frontier.encode());
    assert.deepEqual(Frontier.decode(size, frontier.encode()).root(), ALL_ROOTS[size]);
    if (size < SIZE) frontier.append(HASHES[size]!);
  }
});

test('every entry is shown to be in every tree that has it', () => {
  for (let size = 1; size <= SIZE; size++) {
    for (let n = 0; n < size; n++) {
      const proof = { n, size, leafHash: HASHES[n]!, path: inclusionPath(n, size, TREE) };
      if (!verifyInclusion(proof, ALL_ROOTS[size]!)) assert.fail(`${n} of ${size}`);
    }
  }
});

test('every tree is shown to be the beginning of every later one', () => {
  for (let to = 0; to <= SIZE; to++) {
    for (let from = 0; from <= to; from++) {
      const path = consistencyPath(from, to, TREE);
      if (!verifyConsistency(headAt(from), headAt(to), path)) assert.fail(`${from} of ${to}`);
    }
  }
});

const sizes = fc.integer({ min: 1, max: SIZE });

test('an altered proof of inclusion fails', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(), (size, anyN, any) => {
      const n = anyN % size;
      const proof = { n, size, leafHash: HASHES[n]!, path: inclusionPath(n, size, TREE) };
      const root = ALL_ROOTS[size]!;
      assert.ok(verifyInclusion(proof, root));
      for (const path of alteredPaths(proof.path, any)) assert.ok(!verifyInclusion({ ...proof, path }, root));
      const others = [n + 1, n - 1, any % size].filter((other) => other !== n);
      for (const other of others)
        assert.ok(!verifyInclusion({ ...proof, n: other }, root), `${n} as ${other}`);
      assert.ok(!verifyInclusion({ ...proof, leafHash: HASHES[(n + 1) % SIZE]! }, root));
      assert.ok(!verifyInclusion(proof, flipped(root, any)));
      if (size > 1) assert.ok(!verifyInclusion(proof, ALL_ROOTS[size - 1]!));
    }),
    { numRuns: 200 },
  );
});

test('an altered proof of consistency fails', () => {
  fc.assert(
    fc.property(sizes, fc.nat(), fc.nat(), (to, anyFrom, any) => {
      const from = 1 + (anyFrom % to);
      const path = consistencyPath(from, to, TREE);
      assert.ok(verifyConsistency(headAt(from), headAt(to), path));
      for (const altered of alteredPaths(path, any)) {
        assert.ok(!verifyConsistency(headAt(from), headAt(to), altered), `${from} of ${to}`);
      }
      const forged = { size: from, root: flipped(ALL_ROOTS[from]!, any) };
      assert.ok(!verifyConsistency(forged, headAt(to), path));
      assert.ok(!verifyConsistency(headAt(from), { size: to, root: flipped(ALL_ROOTS[to]!, any) }, path));
      if (from < to) assert.ok(!verifyConsistency(headAt(to), headAt(from), path), 'backwards');
    }),
    { numRuns: 200 },
  );
});

test('a tree in which one entry differs is not the beginning of the other', () => {
  const forked = [...HASHES.slice(0, 99), leafHash(u32(12345)), ...HASHES.slice(100)];
  const other = { size: 200, root: recursiveRoot(forked.slice(0, 200)) };
  assert.ok(verifyConsistency(headAt(99), other, consistencyPath(99, 200, treeOf(forked))));
  for (const from of [100, 128, 150, 199]) {
    assert.ok(!verifyConsistency(headAt(from), other, consistencyPath(from, 200, treeOf(forked))));
    assert.ok(!verifyConsistency(headAt(from), other, consistencyPath(from, 200, TREE)));
  }
});

test('what is no entry, tree or frontier is refused', () => {
  assert.throws(() => inclusionPath(5, 5, TREE), RangeError);
  assert.throws(() => inclusionPath(-1, 5, TREE), RangeError);
  assert.throws(() => consistencyPath(6, 5, TREE), RangeError);
  for (const [size, bytes] of [
    [1, 0],
    [0, 32],
    [3, 32],
    [3, 65],
    [-1, 0],
    [0.5, 0],
  ] as const) {
    assert.throws(() => Frontier.decode(size, new Uint8Array(bytes)), RangeError);
  }
  const { n, size } = { n: 0, size: 0 };
  assert.ok(!verifyInclusion({ n, size, leafHash: EMPTY_ROOT, path: [] }, EMPTY_ROOT));
});

test('sizes beyond 32 bits are no different', () => {
  const size = 2 ** 40 + 5;
  // A tree of one leaf again and again: a subtree's hash depends on its height alone.
  const byHeight = [leafHash(u32(7))];
  for (let height = 0; height < 40; height++) byHeight.push(nodeHash(byHeight[height]!, byHeight[height]!));
  const hashOf: SubtreeHash = (height) => byHeight[height]!;
  const n = 2 ** 40 + 3;
  const proof = { n, size, leafHash: hashOf(0, n), path: inclusionPath(n, size, hashOf) };
  assert.ok(verifyInclusion(proof, treeRoot(size, hashOf)));
  assert.ok(!verifyInclusion({ ...proof, n: n - 2 ** 32 }, treeRoot(size, hashOf)));
  const frontier = Frontier.decode(size, frontierBytes(size, hashOf));
  assert.deepEqual(frontier.root(), treeRoot(size, hashOf));
});

const headAt = (size: number): { size: number; root: Bytes } => ({ size, root: ALL_ROOTS[size]! });

/** RFC 6962, 2.1, word for word and with another hash function's interface. */
function recursiveRoot(hashes: readonly Bytes[]): Bytes {
  if (hashes.length === 0) return new Uint8Array(createHash('sha256').digest());
  if (hashes.length === 1) return hashes[0]!;
  const k = 2 ** (Math.ceil(Math.log2(hashes.length)) - 1);
  const hash = createHash('sha256').update(Uint8Array.of(1));
  return new Uint8Array(
    hash
      .update(recursiveRoot(hashes.slice(0, k)))
      .update(recursiveRoot(hashes.slice(k)))
      .digest(),
  );
}

/** Perfect subtrees by the recursive definition. */
function treeOf(hashes: readonly Bytes[]): SubtreeHash {
  const known = new Map<string, Bytes>();
  return (height, index) =>
    known.getOrInsertComputed(`${height}/${index}`, () =>
      recursiveRoot(hashes.slice(index * 2 ** height, (index + 1) * 2 ** height)),
    );
}

function alteredPaths(path: readonly Bytes[], any: number): readonly (readonly Bytes[])[] {
  const one = HASHES[any % SIZE]!;
  const altered: Bytes[][] = [
    [...path, one],
    [one, ...path],
  ];
  if (path.length > 0) {
    const at = any % path.length;
    altered.push(
      path.slice(1),
      path.slice(0, -1),
      path.toSpliced(at, 1),
      path.toSpliced(at, 1, flipped(path[at]!, any)),
    );
  }
  if (path.length > 1) altered.push(path.toReversed());
  return altered;
}

function flipped(hash: Uint8Array, any: number): Bytes {
  const changed = new Uint8Array(hash);
  changed[any % 32]! ^= 1 << (any % 8);
  return changed;
}
