/**
 * The terms of a segment as they lie in its bytes: for each of the records that hold it, in the order of the terms' bytes, so that
 * one is found by halving and nothing has to be read before.
 */
export type Counts = Uint8Array | Uint16Array | Uint32Array;

export interface TermColumns {
  readonly names: Buffer;
  readonly nameEnds: Uint32Array;
  /** For each term where its records end among `rows` and `counts`. */
  readonly ends: Uint32Array;
  readonly rows: Uint16Array;
  readonly counts: Counts;
  /** For each record how many words it has. */
  readonly words: Uint32Array;
}

export class TermPart {
  readonly rows: Uint16Array;
  readonly counts: Counts;
  readonly words: Uint32Array;
  readonly #names: Buffer;
  readonly #nameEnds: Uint32Array;
  readonly #ends: Uint32Array;

  constructor({ names, nameEnds, ends, rows, counts, words }: TermColumns) {
    this.#names = names;
    this.#nameEnds = nameEnds;
    this.#ends = ends;
    this.rows = rows;
    this.counts = counts;
    this.words = words;
  }

  /** Terms. */
  get count(): number {
    return this.#ends.length;
  }

  /** Records. */
  get records(): number {
    return this.words.length;
  }

  get bytes(): number {
    return (
      this.#names.length + this.rows.byteLength + this.counts.byteLength + 8 * (this.count + this.records)
    );
  }

  nameOf(term: number): string {
    return this.#names.toString('utf8', this.#nameFrom(term), this.#nameEnds[term]);
  }

  /** Where the records of a term begin among `rows` and `counts`, and where they end. */
  fromOf(term: number): number {
    return term === 0 ? 0 : (this.#ends[term - 1] as number);
  }

  endOf(term: number): number {
    return this.#ends[term] as number;
  }

  /** The number of a term, or -1. */
  find(name: string): number {
    const wanted = Buffer.from(name);
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >> 1;
      const order = this.#names.compare(
        wanted,
        0,
        wanted.length,
        this.#nameFrom(middle),
        this.#nameEnds[middle],
      );
      if (order === 0) return middle;
      if (order < 0) low = middle + 1;
      else high = middle;
    }
    return -1;
  }

  /** Whether all names are within theirs, and every term has records, each once. */
  isSound(): boolean {
    const [rows, ends, records] = [this.rows, this.#ends, this.records];
    let at = 0;
    let nameEnd = 0;
    for (let term = 0; term < ends.length; term++) {
      const end = ends[term] as number;
      if (end <= at || end > rows.length || (this.#nameEnds[term] as number) < nameEnd) return false;
      nameEnd = this.#nameEnds[term] as number;
      let before = -1;
      for (; at < end; at++) {
        const row = rows[at] as number;
        if (row <= before) return false;
        before = row;
      }
      if (before >= records) return false;
    }
    return at === rows.length && nameEnd === this.#names.length;
  }

  #nameFrom(term: number): number {
    return term === 0 ? 0 : (this.#nameEnds[term - 1] as number);
  }
}
