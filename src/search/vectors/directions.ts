/**
 * Learns the few directions in which a vault's vectors vary most, and whether codes made of them would be better than one bit for each number.
 *
 * Orthogonal iteration on rows taken at random, anew for each round, so that nothing of a row is kept; then rows are compared with each other, in
 * all their numbers and in the directions alone, and what differs says how far estimates would be off. The directions are turned among
 * themselves at random at last, so that all carry alike and one step of rounding suits them all. They are in memory only, like
 * centroids. All of it in slices of half a millisecond, about; the fixed seed and the rows determine the outcome.
 */
import { LAYOUT } from '../kernel/kernel.ts';
import { xorshift } from './numbers.ts';
import { DIRECTIONS_MAX, type VectorRoom } from './room.ts';
import type { Rows } from './rows.ts';
import { Table } from './table.ts';
import { ASKING, Trial, type Seer } from './trial.ts';

/** How many directions may be chosen. */
const CHOICES = [16, 24, 32, 48, 64, 96, DIRECTIONS_MAX] as const;
const ROUNDS = 3;
const ROUND_ROWS = 512;
const SLICE_ROWS = 8;
const SLICE_DIRECTIONS = 4;
const ORDER_ROWS = 128;
/** Of directions fewer than in use so far, only so many times as few are worth the change. */
const WORTH = 0.7;

export interface Directions {
  readonly count: number;
  /** The part of a vector's square that lies across, and in how many directions as good as any it is spread. */
  readonly share: number;
  readonly freedom: number;
  /** The part that what lies across has in how far estimates are off. */
  readonly doubt: number;
  /** As rows without low bits, one behind the other. */
  write(at: number): void;
}

export type Learned =
  | { readonly kind: 'keep' }
  | { readonly kind: 'signs' }
  | ({ readonly kind: 'directions' } & Directions);

/** The short codes in use so far, or null. */
export type Current = { readonly count: number; readonly see: Seer } | null;

export class Learner {
  readonly #room: VectorRoom;
  readonly #rows: Rows;
  readonly #current: Current;
  readonly #work: Generator<void, Learned>;
  #tables: Table[] = [];
  readonly #random = xorshift(7);

  constructor(room: VectorRoom, rows: Rows, current: Current) {
    this.#room = room;
    this.#rows = rows;
    this.#current = current;
    this.#work = this.#learn();
  }

  /** Does a slice; answers what was learned once all is done. */
  step(): Learned | null {
    const { done, value } = this.#work.next();
    if (done !== true) return null;
    this.close();
    return value;
  }

  close(): void {
    for (const table of this.#tables) table.close();
    this.#tables = [];
  }

  *#learn(): Generator<void, Learned> {
    const choices = CHOICES.filter((count) => count <= this.#rows.padded / 2);
    const most = choices.at(-1) as number;
    const open = (): Table => {
      const table = new Table(this.#room, this.#rows.padded, most);
      this.#tables.push(table);
      return table;
    };
    let [basis, next] = [open(), open()];
    for (let i = 0; i < most; i++) this.#fillAtRandom(basis.at(i));
    for (let round = 0; round < ROUNDS; round++) {
      next.clear();
      for (let done = 0; done < ROUND_ROWS; done += SLICE_ROWS) {
        yield;
        for (let i = 0; i < SLICE_ROWS; i++) this.#addRow(this.#rowAtRandom(), basis, next);
      }
      [basis, next] = [next, basis];
      yield* this.#straighten(basis);
    }
    const trial = yield* this.#try((row) => this.#see(row, basis));
    const order = yield* this.#orderOf(basis);
    let plan: readonly number[] | undefined;
    for (const count of choices) {
      yield;
      plan = order.slice(0, count);
      if (trial.isEnough(plan)) break;
      plan = undefined;
    }
    if (yield* this.#isCurrentGood(plan?.length ?? Number.POSITIVE_INFINITY)) return { kind: 'keep' };
    if (plan === undefined) return { kind: 'signs' };
    yield* this.#turn(basis, next, plan);
    yield;
    const [share, freedom] = [trial.share(plan), trial.freedom(plan)];
    yield;
    const doubt = trial.doubt(plan);
    const write = written(this.#room, next, plan.length);
    return { kind: 'directions', count: plan.length, share, freedom, doubt, write };
  }

  /** Whether what is in use says enough, with not many more directions than so few. */
  *#isCurrentGood(count: number): Generator<void, boolean> {
    const current = this.#current;
    if (current === null) return count === Number.POSITIVE_INFINITY;
    if (count <= WORTH * current.count) return false;
    const trial = yield* this.#try(current.see);
    return trial.isEnough(numbers(current.count));
  }

  *#try(see: Seer): Generator<void, Trial> {
    const trial = new Trial();
    for (let n = 0; n < ASKING; n++) {
      yield;
      yield* trial.ask(this.#room, this.#rows, this.#rowAtRandom, see);
    }
    return trial;
  }

  /** Makes rows of unit length at right angles to each other (Gram and Schmidt, twice over). */
  *#straighten(table: Table): Generator<void, void> {
    for (let time = 0; time < 2; time++)
      for (let i = 0; i < table.count; i++) {
        if (i % SLICE_DIRECTIONS === 0) yield;
        // Where nothing is left, any direction will do.
        if (!this.#scaleToUnit(table.at(i))) {
          this.#fillAtRandom(table.at(i));
          this.#scaleToUnit(table.at(i));
        }
        table.takeOutBelow(i, this.#room.scratch.out);
      }
  }

  #scaleToUnit(at: number): boolean {
    const { floats } = this.#room;
    const x = floats.subarray(at / 4, at / 4 + this.#rows.padded);
    let square = 0;
    let most = 0;
    for (let i = 0; i < x.length; i++) most = Math.max(most, Math.abs(x[i] as number));
    if (!(most > 0 && Number.isFinite(most))) return false;
    for (let i = 0; i < x.length; i++) {
      x[i] = (x[i] as number) / most;
      square += (x[i] as number) ** 2;
    }
    const by = 1 / Math.sqrt(square);
    for (let i = 0; i < x.length; i++) x[i] = (x[i] as number) * by;
    return true;
  }

  #fillAtRandom(at: number): void {
    const { floats } = this.#room;
    for (let i = 0; i < this.#rows.padded; i++) floats[at / 4 + i] = this.#random() - 0.5;
  }

  #addRow(row: number, basis: Table, sums: Table): void {
    const { kernel, scratch } = this.#room;
    this.#place(row, scratch.vector);
    basis.products(scratch.vector, basis.count, scratch.out);
    sums.eachChunk((at, first, count) =>
      kernel.addProducts(scratch.vector, this.#rows.padded, scratch.out + 4 * first, count, at),
    );
  }

  /** Decodes a row, seen from the middle. */
  #place(row: number, at: number): void {
    const { kernel, floats } = this.#room;
    const { padded, lowBits, middle } = this.#rows;
    kernel.decodeRow(row, padded, lowBits, at);
    for (let i = 0; i < padded; i++)
      floats[at / 4 + i] = (floats[at / 4 + i] as number) - (floats[middle / 4 + i] as number);
  }

  readonly #rowAtRandom = (): number => this.#rows.addressOf(Math.floor(this.#random() * this.#rows.count));

  #see(row: number, basis: Table): Float32Array {
    const { scratch } = this.#room;
    this.#place(row, scratch.vector);
    basis.products(scratch.vector, basis.count, scratch.out);
    return this.#room.floats.slice(scratch.out / 4, scratch.out / 4 + basis.count);
  }

  /** The directions, those first that rows vary most in. */
  *#orderOf(basis: Table): Generator<void, readonly number[]> {
    const energy = new Float64Array(basis.count);
    for (let n = 0; n < ORDER_ROWS; n++) {
      if (n % SLICE_ROWS === 0) yield;
      this.#see(this.#rowAtRandom(), basis).forEach((value, i) => {
        energy[i] = (energy[i] as number) + value * value;
      });
    }
    return numbers(basis.count).toSorted((a, b) => (energy[b] as number) - (energy[a] as number));
  }

  /** Turns the directions chosen among themselves, into `out`. */
  *#turn(basis: Table, out: Table, order: readonly number[]): Generator<void, void> {
    const turn: Float64Array[] = [];
    while (turn.length < order.length) {
      if (turn.length % SLICE_DIRECTIONS === 0) yield;
      turn.push(unitBeside(turn, order.length, () => this.#random() - 0.5));
    }
    out.clear();
    for (const [to, weights] of turn.entries()) {
      if (to % SLICE_DIRECTIONS === 0) yield;
      const { floats } = this.#room;
      const x = out.at(to) / 4;
      for (const [j, from] of order.entries()) {
        const by = weights[j] as number;
        const other = basis.at(from) / 4;
        for (let i = 0; i < this.#rows.padded; i++)
          floats[x + i] = (floats[x + i] as number) + by * (floats[other + i] as number);
      }
    }
  }
}

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i);

/** A row of length 1 at right angles to others, at random. */
function unitBeside(others: readonly Float64Array[], count: number, random: () => number): Float64Array {
  const row = Float64Array.from({ length: count }, random);
  for (let time = 0; time < 2; time++)
    for (const other of others) {
      let by = 0;
      for (let i = 0; i < count; i++) by += (row[i] as number) * (other[i] as number);
      for (let i = 0; i < count; i++) row[i] = (row[i] as number) - by * (other[i] as number);
    }
  const length = Math.hypot(...row);
  return length > 1e-6 ? row.map((value) => value / length) : unitBeside(others, count, random);
}

/** Encodes directions now, and gives a function that copies them. */
function written(room: VectorRoom, table: Table, count: number): (at: number) => void {
  const { kernel, scratch } = room;
  const { lanes } = table;
  const stride = LAYOUT.rowHead + lanes;
  const all = new Uint8Array(count * stride);
  for (let i = 0; i < count; i++) {
    kernel.encodeRow(table.at(i), lanes, 0, scratch.row);
    all.set(room.bytes.subarray(scratch.row, scratch.row + stride), i * stride);
  }
  return (at) => room.bytes.set(all, at);
}
