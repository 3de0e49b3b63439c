/** The twin of one-bit codes: making them, moving them, scanning them, and scoring what a scan lets through. */
import { BLOCK_LANES, LAYOUT, type Kernel } from '../kernel/kernel.ts';
import { f32, fourSums, type Memory } from './kernel-twin-memory.ts';

const PARTS = [LAYOUT.blockRows, LAYOUT.blockA, LAYOUT.blockB, LAYOUT.blockE, LAYOUT.blockF] as const;

type CodesKernel = Pick<
  Kernel,
  'encodeBase' | 'encodeCode' | 'moveCode' | 'clearCode' | 'scanChain' | 'glance' | 'rescore'
>;

export function twinOfCodes(room: Memory): CodesKernel {
  return {
    encodeBase(row, middle, padded, lowBits, isEuclidean) {
      const codes = room.codes(row, padded, lowBits);
      const m = room.floats(middle, padded);
      const head = room.floats(row, 5);
      const x = codes.map((code) => code * (head[0] as number));
      // Numbers 0 and 2 of each four go to one sum, 1 and 3 to the other, in float64.
      const sumOf = (term: (x: number, m: number) => number): number => {
        const sums = [0, 0];
        for (let i = 0; i < padded; i += 4)
          for (const lane of [0, 1]) {
            const [a, b] = [i + lane, i + lane + 2].map((j) => term(x[j] as number, m[j] as number));
            sums[lane] = (sums[lane] as number) + ((a as number) + (b as number));
          }
        return (sums[0] as number) + (sums[1] as number);
      };
      const product = sumOf((a, b) => a * b);
      const length = head[2] as number;
      if (isEuclidean === 0) head[4] = product;
      else if (lowBits === 8) head[4] = sumOf((a, b) => (a - b) * (a - b)) / -2;
      else head[4] = product - (length * length + sumOf((_, b) => b * b)) / 2;
    },
    encodeCode(row, centroid, middle, padded, lowBits, block, lane) {
      const scale = room.floats(row, 1)[0] as number;
      const centreScale = room.floats(centroid, 1)[0] as number;
      const c = room.codes(centroid, padded, 0).map((code) => f32(code * centreScale));
      const m = room.floats(middle, padded);
      const r = room
        .codes(row, padded, lowBits)
        .map((code, i) => f32(f32(f32(code * scale) - (m[i] as number)) - (c[i] as number)));
      const sum = (term: (r: number, c: number) => number): number =>
        fourSums(padded, 4, (i) => f32(term(r[i] ?? 0, c[i] ?? 0)));
      const square = sum((x) => x * x);
      const size = sum(Math.abs);
      const b = size > 0 ? f32(square / size) : 0;
      const quarter = fourSums(padded / 4, 4, (i) => ((r[i] ?? 0) < 0 ? -(c[i] ?? 0) : (c[i] ?? 0)));
      const f = f32(sum((x, y) => x * y) - f32(f32(b * quarter) * 4));
      const a = f32(sum((x, y) => x * y) - f32(b * sum((x, y) => (x < 0 ? -y : y))));
      const error2 = f32(f32(f32(f32(b * b) * padded) - square) / (padded - 1));
      room.words(block + LAYOUT.blockRows, BLOCK_LANES)[lane] = row;
      room.floats(block + LAYOUT.blockA, BLOCK_LANES)[lane] =
        a + (room.floats(row + LAYOUT.rowBase, 1)[0] as number);
      room.floats(block + LAYOUT.blockF, BLOCK_LANES)[lane] =
        f + (room.floats(row + LAYOUT.rowBase, 1)[0] as number);
      room.floats(block + LAYOUT.blockB, BLOCK_LANES)[lane] = b;
      room.floats(block + LAYOUT.blockE, BLOCK_LANES)[lane] = Math.sqrt(Math.max(error2, 0));
      room.words(row + LAYOUT.rowPlace, 1)[0] = block + lane;
      for (let group = 0; group < padded / 4; group++)
        writeBits(room, block, lane, group, bitsOf(r.slice(group * 4, group * 4 + 4)));
      return square;
    },
    moveCode(from, fromLane, to, toLane, padded) {
      for (const part of PARTS)
        room.words(to + part, BLOCK_LANES)[toLane] = room.words(from + part, BLOCK_LANES)[fromLane] as number;
      for (let group = 0; group < padded / 4; group++)
        writeBits(room, to, toLane, group, readBits(room, from, fromLane, group));
      const row = room.words(to + LAYOUT.blockRows, BLOCK_LANES)[toLane] as number;
      room.words(row + LAYOUT.rowPlace, 1)[0] = to + toLane;
      this.clearCode(from, fromLane, padded);
    },
    clearCode(block, lane, padded) {
      for (const part of PARTS) room.words(block + part, BLOCK_LANES)[lane] = 0;
      for (let group = 0; group < padded / 4; group++) writeBits(room, block, lane, group, 0);
    },
    scanChain(query, padded, head, blocksMax, own, reach, floor, middle, isHasty, out, bounds) {
      const numbers = { own: f32(own), reach: f32(reach), floor: f32(floor), middle: f32(middle) };
      scanChain(room, { query, padded, head, blocksMax, isHasty, out, bounds, ...numbers });
    },
    glance(query, padded, lowBits, reach, rows, count, bounds) {
      const head = room.floats(query, 8);
      const high = room.bytes(query + LAYOUT.queryNumbers + 4 * padded, padded / 4);
      const factor = f32(f32((head[6] as number) * (head[0] as number)) * (128 * 2 ** lowBits));
      const spread = f32(Math.sqrt(f32((head[7] as number) / padded)));
      const width = f32(f32(f32(reach) * (head[4] as number)) * spread);
      room.words(rows, count).forEach((row, r) => {
        const x = room.signed(row + LAYOUT.rowHead, padded / 4);
        const [scale, , length, , base] = room.floats(row, 5) as unknown as readonly number[];
        const dot = x.reduce((sum, code, i) => sum + code * (high[i] as number), 0);
        const sum = x.reduce((all, code) => all + code, 0);
        const seen = f32(f32(dot) - f32(f32(sum) * 63.5));
        const estimate = f32(f32((scale as number) * factor) * seen);
        room.floats(bounds, count)[r] = f32(estimate + (base as number)) + f32(width * (length as number));
      });
    },
    rescore(query, padded, lowBits, margin, rows, bounds, count, heap) {
      return rescore(room, { query, padded, lowBits, margin: f32(margin), rows, bounds, count, heap });
    },
  };
}

/** A bit for each number that is not negative. */
const bitsOf = (residuals: readonly number[]): number =>
  residuals.reduce((bits, value, i) => bits | (value < 0 ? 0 : 1 << i), 0);

const byteOf = (room: Memory, block: number, lane: number, group: number): Uint8Array =>
  room.bytes(block + LAYOUT.blockHead + group * 16 + (lane % 16), 1);

const readBits = (room: Memory, block: number, lane: number, group: number): number =>
  ((byteOf(room, block, lane, group)[0] as number) >> (lane < 16 ? 0 : 4)) & 15;

function writeBits(room: Memory, block: number, lane: number, group: number, bits: number): void {
  const byte = byteOf(room, block, lane, group);
  const [kept, shift] = lane < 16 ? [0xf0, 0] : [0x0f, 4];
  byte[0] = ((byte[0] as number) & kept) | (bits << shift);
}

/** A neighbour is rarely as far below the floor as the reach allows, and by a quarter more rarely still. */
const EARLY = 0.75;

interface Scan {
  readonly query: number;
  readonly padded: number;
  readonly head: number;
  readonly blocksMax: number;
  readonly own: number;
  readonly reach: number;
  readonly floor: number;
  readonly middle: number;
  readonly isHasty: number;
  readonly out: number;
  readonly bounds: number;
}

function scanChain(room: Memory, scan: Scan): void {
  const { query, padded, own, reach, floor, middle } = scan;
  const head = room.floats(query, 8);
  const [unit, base] = [head[2] as number, head[3] as number];
  const table = room.bytes(query + LAYOUT.queryNumbers + 6 * padded, 4 * padded);
  const squares = [0, 0, 0, 0];
  const fourths = [0, 0, 0, 0];
  let found = 0;
  let measured = 0;
  let block = scan.head;
  for (let left = scan.blocksMax; left > 0 && block !== 0; left--) {
    const count = room.words(block + LAYOUT.blockCount, 1)[0] as number;
    const a = room.floats(block + LAYOUT.blockA, BLOCK_LANES);
    const b = room.floats(block + LAYOUT.blockB, BLOCK_LANES);
    const e = room.floats(block + LAYOUT.blockE, BLOCK_LANES);
    const sumOf = (lane: number, groups: number): number => {
      let sum = 0;
      for (let group = 0; group < groups; group++)
        sum += table[group * 16 + readBits(room, block, lane, group)] as number;
      return sum;
    };
    const isWhole = scan.isHasty === 0 || (block >> 5) % 8 === 0;
    const boundOf = (lane: number): number => {
      const [baseEarly = 0, factor = 0, missing = 0] = head.subarray(5);
      const f = room.floats(block + LAYOUT.blockF, BLOCK_LANES)[lane] as number;
      const [narrow, wide] = [b[lane] as number, e[lane] as number];
      const signs = f32(f32(f32(sumOf(lane, padded / 16) * unit) + baseEarly) * factor);
      const estimate = f32(f32(own + f) + f32(narrow * signs));
      const error = f32(Math.sqrt(f32(f32(wide * wide) + f32(f32(narrow * narrow) * missing))));
      return f32(estimate + f32(error * f32(reach * EARLY)));
    };
    const isLeft =
      !isWhole && !Array.from({ length: count }, (_, lane) => boundOf(lane) >= floor).some(Boolean);
    if (isWhole) measured += count;
    const looked = isLeft ? 0 : count;
    for (let lane = 0; lane < looked; lane++) {
      const sum = sumOf(lane, padded / 4);
      const signs = f32(f32(sum * unit) + base);
      const estimate = f32(f32(own + (a[lane] as number)) + f32((b[lane] as number) * signs));
      const bound = f32(estimate + f32((e[lane] as number) * reach));
      const away = f32(estimate - middle);
      const square = f32(away * away);
      if (isWhole) {
        squares[lane % 4] = f32((squares[lane % 4] as number) + square);
        fourths[lane % 4] = f32((fourths[lane % 4] as number) + f32(square * square));
      }
      if (!(bound >= floor)) continue;
      const row = room.words(block + LAYOUT.blockRows, BLOCK_LANES)[lane] as number;
      room.words(scan.out, found + 1)[found] = row;
      room.floats(scan.bounds, found + 1)[found++] = bound;
    }
    block = room.words(block, 1)[0] as number;
  }
  room.words(query + LAYOUT.queryNext, 1)[0] = block;
  room.words(query + LAYOUT.queryCandidates, 1)[0] = found;
  room.words(query + LAYOUT.queryMeasured, 1)[0] = measured;
  room.floats(query + LAYOUT.querySquares, 1)[0] = fourSums(4, 4, (i) => squares[i] as number);
  room.floats(query + LAYOUT.queryFourths, 1)[0] = fourSums(4, 4, (i) => fourths[i] as number);
}

interface Rescore {
  readonly query: number;
  readonly padded: number;
  readonly lowBits: number;
  readonly margin: number;
  readonly rows: number;
  readonly bounds: number;
  readonly count: number;
  readonly heap: number;
}

function rescore(room: Memory, { query, padded, lowBits, margin, ...lists }: Rescore): number {
  const head = room.floats(query, 5);
  const [unit, sumOfQuery, queryLength] = [head[0] as number, head[1] as number, head[4] as number];
  const high = room.bytes(query + LAYOUT.queryNumbers + 4 * padded, padded);
  const low = room.bytes(query + LAYOUT.queryNumbers + 5 * padded, padded);
  const steps = 2 ** lowBits;
  const rest = lowBits > 0 ? 0.5 - 0.5 / steps : 0;
  const size = room.words(lists.heap, 2)[1] as number;
  const rows = room.words(lists.rows, lists.count);
  const bounds = room.floats(lists.bounds, lists.count);
  let kept = 0;
  let [scored, off, off2] = [0, 0, 0];
  for (let r = 0; r < lists.count; r++) {
    const best = room.floats(lists.heap + 8, room.words(lists.heap, 1)[0] as number);
    const isFull = best.length === size;
    if (isFull && (bounds[r] as number) < (best[0] as number)) continue;
    const row = rows[r] as number;
    const codes = room.signed(row + LAYOUT.rowHead, padded);
    const times = (q: Uint8Array): number => codes.reduce((sum, code, i) => sum + code * (q[i] as number), 0);
    const coarse = times(high) - 64 * (room.ints(row + 4, 1)[0] as number);
    const scale = f32((room.floats(row, 1)[0] as number) * steps);
    const length = room.floats(row, 3)[2] as number;
    const whole = f32(f32(f32(coarse) * 128) + f32(times(low)));
    const product = f32(scale * f32(f32(unit * whole) + f32(rest * sumOfQuery)));
    const score = f32(product + (room.floats(row + LAYOUT.rowBase, 1)[0] as number));
    const apart = f32(score - (bounds[r] as number));
    scored++;
    off = f32(off + apart);
    off2 = f32(off2 + f32(apart * apart));
    const square = f32(
      f32(f32(f32(queryLength * queryLength) * scale) * scale) + f32(f32(f32(length * length) * unit) * unit),
    );
    const error = f32(margin * f32(Math.sqrt(f32(square * f32(1 / 12)))));
    if (isFull && f32(score + error) < (best[0] as number)) continue;
    rows[kept] = row;
    bounds[kept++] = f32(score + error);
    push(room, lists.heap, f32(score - error), size);
  }
  room.words(query + LAYOUT.queryScored, 1)[0] = scored;
  room.floats(query + LAYOUT.queryApart, 2).set([off, off2]);
  return kept;
}

/** Keeps the largest of what passes through, the least of them first; what else their order is, is the heap's. */
function push(room: Memory, heap: number, value: number, size: number): void {
  const count = room.words(heap, 1)[0] as number;
  const values = room.floats(heap + 8, Math.min(size, count + 1));
  if (count < size) {
    room.words(heap, 1)[0] = count + 1;
    let at = count;
    for (; at > 0 && (values[(at - 1) >> 1] as number) > value; at = (at - 1) >> 1)
      values[at] = values[(at - 1) >> 1] as number;
    values[at] = value;
    return;
  }
  if (value <= (values[0] as number)) return;
  let at = 0;
  for (let child = 1; child < count; child = 2 * at + 1) {
    if (child + 1 < count && (values[child + 1] as number) < (values[child] as number)) child++;
    if ((values[child] as number) >= value) break;
    values[at] = values[child] as number;
    at = child;
  }
  values[at] = value;
}
