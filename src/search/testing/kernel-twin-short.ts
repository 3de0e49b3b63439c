/** The twin of short codes: seeing rows along directions, and making, moving and scanning codes of that. */
import { BLOCK_LANES, LAYOUT, type Kernel } from '../kernel/kernel.ts';
import { f32, fourSums, type Memory } from './kernel-twin-memory.ts';

const STEP = f32(0.335);
const SQUARE_MIN = f32(1e-30);

type ShortKernel = Pick<
  Kernel,
  'project' | 'addProducts' | 'encodeShort' | 'moveShort' | 'clearShort' | 'scanShort'
>;

export function twinOfShortCodes(room: Memory): ShortKernel {
  return {
    project(seven, scale, padded, directions, count, out) {
      const row = room.bytes(seven, padded);
      for (let i = 0; i < count; i++) {
        const at = directions + i * (LAYOUT.rowHead + padded);
        const codes = room.signed(at + LAYOUT.rowHead, padded);
        const sum = room.ints(at + 4, 1)[0] as number;
        const whole = codes.reduce((all, code, j) => all + code * (row[j] as number), 0) - 64 * sum;
        const product = f32(f32(f32(whole) + f32(f32(sum) * 0.5)) * f32(scale));
        room.floats(out, count)[i] = product * (room.floats(at, 1)[0] as number);
      }
    },
    addProducts(x, lanes, weights, count, sums) {
      const from = room.floats(x, lanes);
      for (let i = 0; i < count; i++) {
        const by = room.floats(weights, count)[i] as number;
        const to = room.floats(sums + 4 * i * lanes, lanes);
        from.forEach((value, j) => (to[j] = (to[j] as number) + f32(by * value)));
      }
    },
    encodeShort(row, point, centroid, count, rest, block, lane) {
      const c = room.floats(centroid, count);
      const r = room.floats(point, count).map((value, i) => f32(value - (c[i] as number)));
      const sum = (term: (i: number) => number): number =>
        r.reduce((all, _, i) => f32(all + f32(term(i))), 0);
      const square = sum((i) => (r[i] as number) ** 2);
      const inverse = square > SQUARE_MIN ? f32(1 / f32(STEP * f32(Math.sqrt(f32(square / count))))) : 0;
      const steps = Array.from(r, (value) => Math.max(-8, Math.min(7, Math.floor(f32(value * inverse)))));
      const s = steps.map((step) => step + 0.5);
      const own = sum((i) => (r[i] as number) * (s[i] as number));
      const squares = sum((i) => (s[i] as number) ** 2);
      const inner = sum((i) => (r[i] as number) * (c[i] as number));
      const signed = sum((i) => (s[i] as number) * (c[i] as number));
      const b = own > 0 ? f32(square / own) : 0;
      const lost = Math.max(f32(f32(f32(b * b) * squares) - square), 0);
      const base = room.floats(row + LAYOUT.rowBase, 1)[0] as number;
      const both = inOneWord(b, Math.sqrt(f32(f32(lost / (count - 1)) + f32(rest))));
      room.words(block + LAYOUT.blockShortB, BLOCK_LANES)[lane] = both;
      room.floats(block + LAYOUT.blockShortA, BLOCK_LANES)[lane] =
        f32(inner - f32(floatOf(both) * signed)) + base;
      room.words(room.rowsAt(block), BLOCK_LANES)[lane] = row;
      room.floats(room.rowsAt(block) + LAYOUT.apartSquares, BLOCK_LANES)[lane] = square;
      room.words(row + LAYOUT.rowPlace, 1)[0] = block + lane;
      steps.forEach((step, i) => writeStep(room, { block, lane, count }, i, step + 8));
      return square;
    },
    moveShort(from, fromLane, to, toLane, count) {
      const [source, target] = [partsOf(room, from), partsOf(room, to)];
      source.forEach((part, i) => ((target[i] as Uint32Array)[toLane] = part[fromLane] as number));
      for (let i = 0; i < count; i++)
        writeStep(
          room,
          { block: to, lane: toLane, count },
          i,
          readStep(room, { block: from, lane: fromLane, count }, i),
        );
      const row = room.words(room.rowsAt(to), BLOCK_LANES)[toLane] as number;
      room.words(row + LAYOUT.rowPlace, 1)[0] = to + toLane;
      this.clearShort(from, fromLane, count);
    },
    clearShort(block, lane, count) {
      for (const part of partsOf(room, block)) part[lane] = 0;
      for (let i = 0; i < count; i++) writeStep(room, { block, lane, count }, i, 0);
    },
    scanShort(query, count, lists, listCount, blocksMax, floor, out, bounds) {
      let found = 0;
      const claims = [0, 0, 0, 0];
      for (let n = 0; n < listCount; n++)
        found = scanList(
          room,
          { query, count, blocksMax, floor: f32(floor), out, bounds, claims },
          lists + n * LAYOUT.listBytes,
          found,
        );
      room.words(query + LAYOUT.shortCandidates, 1)[0] = found;
      room.floats(query + LAYOUT.shortClaims, 1)[0] = fourSums(4, 4, (i) => claims[i] as number);
    },
  };
}

/** Of the words whose low half is the upper half of E that which, read as a float32, is nearest to B. */
function inOneWord(b: number, e: number): number {
  const low = Math.ceil(wordOf(e) / 2 ** 16);
  return Math.floor((wordOf(b) - low + 2 ** 15) / 2 ** 16) * 2 ** 16 + low;
}

const wordOf = (value: number): number => new Uint32Array(Float32Array.of(value).buffer)[0] as number;
const floatOf = (word: number): number => new Float32Array(Uint32Array.of(word).buffer)[0] as number;

/** What is kept of each lane beside its code. */
const partsOf = (room: Memory, block: number): readonly Uint32Array[] =>
  [
    block + LAYOUT.blockShortA,
    block + LAYOUT.blockShortB,
    room.rowsAt(block),
    room.rowsAt(block) + LAYOUT.apartSquares,
  ].map((at) => room.words(at, BLOCK_LANES));

interface Place {
  readonly block: number;
  readonly lane: number;
  readonly count: number;
}

/** Eight numbers of sixteen lanes take 64 bytes: number i is in byte i mod 4 of its lane, low if it is one of the first four. */
function byteOf(room: Memory, { block, lane, count }: Place, i: number): Uint8Array {
  const group = Math.floor(lane / 16) * 8 * count + Math.floor(i / 8) * 64;
  return room.bytes(block + LAYOUT.blockShortHead + group + (lane % 16) * 4 + (i % 4), 1);
}

const readStep = (room: Memory, place: Place, i: number): number =>
  ((byteOf(room, place, i)[0] as number) >> (i % 8 < 4 ? 0 : 4)) & 15;

function writeStep(room: Memory, place: Place, i: number, step: number): void {
  const byte = byteOf(room, place, i);
  const [kept, shift] = i % 8 < 4 ? [0xf0, 0] : [0x0f, 4];
  byte[0] = ((byte[0] as number) & kept) | (step << shift);
}

interface Scan {
  readonly query: number;
  readonly count: number;
  readonly blocksMax: number;
  readonly floor: number;
  readonly out: number;
  readonly bounds: number;
  /** What the errors of candidates are taken to be, summed up by lanes. */
  readonly claims: number[];
}

function scanList(
  room: Memory,
  { query, count, blocksMax, floor, out, bounds, claims }: Scan,
  list: number,
  found: number,
): number {
  const [unit, base] = room.floats(query, 2) as unknown as [number, number];
  const numbers = room.signed(query + LAYOUT.shortNumbers, count);
  const [own, reach, middle] = room.floats(list + LAYOUT.listOwn, 3) as unknown as [number, number, number];
  const isMeasured = room.words(list + LAYOUT.listMeasured, 1)[0] !== 0;
  const squares = [0, 0, 0, 0];
  const fourths = [0, 0, 0, 0];
  let block = room.words(list, 1)[0] as number;
  for (let left = blocksMax; left > 0 && block !== 0; left--) {
    const held = room.words(block + LAYOUT.blockCount, 1)[0] as number;
    for (let lane = 0; lane < held; lane++) {
      const sum = numbers.reduce((all, q, i) => all + q * readStep(room, { block, lane, count }, i), 0);
      const a = room.floats(block + LAYOUT.blockShortA, BLOCK_LANES)[lane] as number;
      const both = room.words(block + LAYOUT.blockShortB, BLOCK_LANES)[lane] as number;
      const signs = f32(f32(f32(sum) * unit) + base);
      const estimate = f32(f32(own + a) + f32(floatOf(both) * signs));
      const claim = f32(floatOf((both % 2 ** 16) * 2 ** 16) * reach);
      const bound = f32(estimate + claim);
      if (isMeasured) {
        const away = f32(estimate - middle);
        const square = f32(away * away);
        squares[lane % 4] = f32((squares[lane % 4] as number) + square);
        fourths[lane % 4] = f32((fourths[lane % 4] as number) + f32(square * square));
      }
      if (!(bound >= floor)) continue;
      claims[lane % 4] = f32((claims[lane % 4] as number) + claim);
      room.words(out, found + 1)[found] = room.words(room.rowsAt(block), BLOCK_LANES)[lane] as number;
      room.floats(bounds, found + 1)[found++] = bound;
    }
    block = room.words(block, 1)[0] as number;
  }
  room.words(list, 1)[0] = block;
  room.floats(list + LAYOUT.listSquares, 1)[0] = fourSums(4, 4, (i) => squares[i] as number);
  room.floats(list + LAYOUT.listFourths, 1)[0] = fourSums(4, 4, (i) => fourths[i] as number);
  return found;
}
