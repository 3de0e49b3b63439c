/**
 * The tree's hashes in tiles of 256 (c2sp.org/tlog-tiles): what proofs of any entry at any size are made from.
 *
 *     tile (level, number) = up to 256 hashes of 32 bytes, laid end to end
 *       level 0: leaf hashes number × 256 …
 *       level l: roots of the full tiles number × 256 … of level l - 1
 *
 * Stored are the full tiles of level 0 and every tile above, which grows by one hash each time a tile below it is full.
 * The unfinished tile of level 0 is not stored: its hashes stand with the entries.
 */
import { concat, type Bytes } from '../bytes/encoding.ts';
import { HASH_BYTES } from '../crypto/hash.ts';
import { nodeHash, type SubtreeHash } from './merkle.ts';

export const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;

export interface TilePlace {
  readonly level: number;
  readonly tile: number;
}

export interface Tile extends TilePlace {
  readonly hashes: readonly Bytes[];
}

/** The hashes a tile holds so far; at level 0, those of the entries after the last full tile. */
export type LoadTile = (place: TilePlace) => Promise<readonly Bytes[]>;

/** The tiles that change when `added` leaf hashes follow the `size` there are: whole contents, to be written over. */
export async function growTiles(
  size: number,
  added: readonly Bytes[],
  load: LoadTile,
): Promise<readonly Tile[]> {
  const tiles: Tile[] = [];
  let below = added;
  for (let level = 0, start = size; below.length > 0; level++, start = Math.floor(start / TILE_WIDTH)) {
    const full: Bytes[] = [];
    let taken = 0;
    while (taken < below.length) {
      const tile = Math.floor((start + taken) / TILE_WIDTH);
      const held = (start + taken) % TILE_WIDTH;
      const fresh = below.slice(taken, taken + TILE_WIDTH - held);
      taken += fresh.length;
      const isFull = held + fresh.length === TILE_WIDTH;
      if (!isFull && level === 0) break;
      const before = held === 0 ? [] : await load({ level, tile });
      if (before.length !== held)
        throw new RangeError(`tile ${level}/${tile} holds ${before.length} hashes, not ${held}`);
      const hashes = [...before, ...fresh];
      tiles.push({ level, tile, hashes });
      if (isFull) full.push(tileRoot(hashes));
    }
    below = full;
  }
  return tiles;
}

/** Where the subtree of 2^height leaves with that index lies: its tile, and which of the tile's hashes it is made of. */
export function placeOf(
  height: number,
  index: number,
): TilePlace & { readonly from: number; readonly to: number } {
  const level = Math.floor(height / TILE_HEIGHT);
  const width = 2 ** (height % TILE_HEIGHT);
  const first = index * width;
  const from = first % TILE_WIDTH;
  return { level, tile: Math.floor(first / TILE_WIDTH), from, to: from + width };
}

/**
 * Runs a computation over subtree hashes with the tiles it needs. It is run twice: once to learn which tiles they are,
 * once with these at hand.
 */
export async function withTiles<Result>(
  load: LoadTile,
  compute: (hashOf: SubtreeHash) => Result,
): Promise<Result> {
  const needed = new Map<string, TilePlace>();
  compute((height, index) => {
    const { level, tile } = placeOf(height, index);
    needed.set(`${level}/${tile}`, { level, tile });
    return NOTHING;
  });
  const loaded = new Map<string, readonly Bytes[]>();
  for (const [name, place] of needed) loaded.set(name, await load(place));
  return compute((height, index) => {
    const { level, tile, from, to } = placeOf(height, index);
    const hashes = loaded.get(`${level}/${tile}`)?.slice(from, to) ?? [];
    if (hashes.length !== to - from) throw new RangeError(`tile ${level}/${tile} ends before hash ${to}`);
    return tileRoot(hashes);
  });
}

const NOTHING = new Uint8Array(HASH_BYTES);

/** The root over a power of two of hashes. */
export function tileRoot(hashes: readonly Bytes[]): Bytes {
  let row = hashes;
  while (row.length > 1) {
    const above: Bytes[] = [];
    for (let at = 0; at < row.length; at += 2) above.push(nodeHash(row[at]!, row[at + 1]!));
    row = above;
  }
  return row[0]!;
}

export const encodeTile = (hashes: readonly Bytes[]): Bytes => concat(...hashes);

export function decodeTile(bytes: Uint8Array): Bytes[] {
  if (bytes.length % HASH_BYTES !== 0) throw new RangeError('not a tile');
  const hashes: Bytes[] = [];
  for (let at = 0; at < bytes.length; at += HASH_BYTES)
    hashes.push(new Uint8Array(bytes.slice(at, at + HASH_BYTES)));
  return hashes;
}
