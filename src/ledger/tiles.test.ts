import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { encodeHex, u32, type Bytes } from '../bytes/encoding.ts';
import { consistencyPath, Frontier, inclusionPath, leafHash, treeRoot } from './merkle.ts';
import {
  decodeTile,
  encodeTile,
  growTiles,
  placeOf,
  TILE_WIDTH,
  tileRoot,
  withTiles,
  type TilePlace,
} from './tiles.ts';

const nameOf = ({ level, tile }: TilePlace): string => `${level}/${tile}`;

/** Tiles kept in memory as the store keeps them, and the leaf hashes that stand with the entries. */
class TileShelf {
  readonly tiles = new Map<string, Bytes[]>();
  readonly hashes: Bytes[] = [];

  readonly load = (place: TilePlace): Promise<readonly Bytes[]> => {
    const own = this.tiles.get(nameOf(place));
    const first = place.tile * TILE_WIDTH;
    return Promise.resolve(own ?? (place.level === 0 ? this.hashes.slice(first, first + TILE_WIDTH) : []));
  };

  async add(count: number): Promise<void> {
    const added = Array.from({ length: count }, (_, at) => leafHash(u32(this.hashes.length + at)));
    for (const tile of await growTiles(this.hashes.length, added, this.load)) {
      this.tiles.set(nameOf(tile), decodeTile(encodeTile(tile.hashes)));
    }
    this.hashes.push(...added);
  }
}

test('a tree of 70,000 has the tiles of the specification', async () => {
  const shelf = new TileShelf();
  await shelf.add(70_000);
  const full = (level: number): number =>
    [...shelf.tiles].filter(([name, hashes]) => name.startsWith(`${level}/`) && hashes.length === TILE_WIDTH)
      .length;
  assert.equal(full(0), 273);
  assert.equal(shelf.tiles.has('0/273'), false, 'the unfinished tile of level 0 stands with the entries');
  assert.equal((await shelf.load({ level: 0, tile: 273 })).length, 112);
  assert.equal(full(1), 1);
  assert.equal(shelf.tiles.get('1/1')?.length, 17);
  assert.equal(shelf.tiles.get('2/0')?.length, 1);
  assert.equal(shelf.tiles.size, 273 + 2 + 1);
  const root = await withTiles(shelf.load, (hashOf) => treeRoot(65_536, hashOf));
  assert.deepEqual(root, tileRoot(shelf.tiles.get('1/0')!));
  assert.deepEqual(shelf.tiles.get('2/0')![0], root);
});

test('tiles are the same however the entries came in, and give every root', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 8 }),
      async (groups) => {
        const [shelf, whole] = [new TileShelf(), new TileShelf()];
        const frontier = Frontier.empty();
        for (const count of groups) {
          await shelf.add(count);
          while (frontier.size < shelf.hashes.length) frontier.append(shelf.hashes[frontier.size]!);
          const size = frontier.size;
          assert.deepEqual(await withTiles(shelf.load, (hashOf) => treeRoot(size, hashOf)), frontier.root());
        }
        await whole.add(shelf.hashes.length);
        assert.deepEqual(textOf(shelf), textOf(whole));
      },
    ),
    { numRuns: 8 },
  );
});

test('proofs from tiles are those from the whole tree', async () => {
  const shelf = new TileShelf();
  await shelf.add(1000);
  const direct = (height: number, index: number): Bytes =>
    tileRoot(shelf.hashes.slice(index * 2 ** height, (index + 1) * 2 ** height));
  for (const [n, size] of [
    [0, 1],
    [255, 256],
    [256, 257],
    [3, 999],
    [999, 1000],
    [512, 1000],
    [0, 700],
  ] as const) {
    assert.deepEqual(
      await withTiles(shelf.load, (hashOf) => inclusionPath(n, size, hashOf)),
      inclusionPath(n, size, direct),
    );
    assert.deepEqual(
      await withTiles(shelf.load, (hashOf) => consistencyPath(n, size, hashOf)),
      consistencyPath(n, size, direct),
    );
  }
});

test('a subtree lies whole in one tile', () => {
  assert.deepEqual(placeOf(0, 300), { level: 0, tile: 1, from: 44, to: 45 });
  assert.deepEqual(placeOf(7, 3), { level: 0, tile: 1, from: 128, to: 256 });
  assert.deepEqual(placeOf(8, 3), { level: 1, tile: 0, from: 3, to: 4 });
  assert.deepEqual(placeOf(16, 257), { level: 2, tile: 1, from: 1, to: 2 });
});

test('a tile that holds another number of hashes than it must stops the log from growing', async () => {
  const shelf = new TileShelf();
  await shelf.add(300);
  shelf.tiles.get('1/0')!.push(leafHash(u32(0)));
  await assert.rejects(shelf.add(300), RangeError);
  shelf.tiles.delete('1/0');
  await assert.rejects(shelf.add(300), RangeError);
  await assert.rejects(
    withTiles(shelf.load, (hashOf) => hashOf(8, 0)),
    RangeError,
  );
  assert.throws(() => decodeTile(new Uint8Array(33)), RangeError);
});

const textOf = ({ tiles }: TileShelf): readonly string[] =>
  [...tiles].map(([name, hashes]) => `${name} ${hashes.map(encodeHex).join()}`).toSorted();
