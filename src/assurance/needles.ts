/**
 * What a canary looks like in raw bytes, in every encoding in which content could slip out: text as UTF-8, UTF-16 of both
 * orders, hexadecimal, and base64 at each of its three alignments in both alphabets; vectors as floats, as bytes, and in the
 * forms in which an index holds them.
 */
import { createHash } from 'node:crypto';
import { heldForms } from '../search/vectors/forms.ts';
import type { Haystack } from './world.ts';

export interface Needle {
  readonly what: string;
  readonly encoding: string;
  readonly bytes: Buffer;
}

export interface Hit {
  readonly name: string;
  readonly what: string;
  readonly encoding: string;
}

/** Long enough that nothing is found by chance. */
const NUMBERS = 3;
const BYTES = 16;

export function textNeedles(what: string, text: string): readonly Needle[] {
  return byteNeedles(what, Buffer.from(text, 'utf8')).concat(
    (['utf16le', 'utf16be'] as const).map((encoding) => ({ what, encoding, bytes: utf16(text, encoding) })),
  );
}

/** Bytes as they are and as the texts that stand for them. */
export function byteNeedles(what: string, bytes: Buffer): Needle[] {
  const hex = bytes.toString('hex');
  const shifted = [0, 1, 2].flatMap((shift) =>
    (['base64', 'base64url'] as const).map((alphabet) => ({
      what,
      encoding: `${alphabet} +${shift}`,
      bytes: base64At(bytes, shift, alphabet),
    })),
  );
  return [
    { what, encoding: 'bytes', bytes },
    { what, encoding: 'hex', bytes: Buffer.from(hex) },
    { what, encoding: 'HEX', bytes: Buffer.from(hex.toUpperCase()) },
    ...shifted,
  ];
}

/** As given and of length one, as numbers and as an index may keep them. */
export function vectorNeedles(what: string, vector: readonly number[]): readonly Needle[] {
  return [...numberNeedles(what, vector), ...indexNeedles(what, vector)];
}

/** Whole numbers of eight bits, and rows and codes of vectors that were rotated by public signs. */
function indexNeedles(what: string, vector: readonly number[]): readonly Needle[] {
  const most = vector.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
  const eight = Int8Array.from(vector, (value) => Math.round((value / most) * 127));
  const forms = [
    { name: 'int8', bytes: new Uint8Array(eight.buffer) },
    ...heldForms(Float32Array.from(vector)),
  ];
  return forms.map(({ name, bytes }) => ({
    what,
    encoding: name,
    bytes: Buffer.from(name.includes('block') ? bytes : bytes.subarray(0, BYTES)),
  }));
}

function numberNeedles(what: string, vector: readonly number[]): readonly Needle[] {
  const length = Math.hypot(...vector);
  const forms = { 'as given': vector, 'of length one': vector.map((value) => value / length) };
  return Object.entries(forms).flatMap(([form, values]) =>
    (['LE', 'BE'] as const).flatMap((order) => [
      { what, encoding: `float32 ${order} ${form}`, bytes: floats(values, 4, order) },
      { what, encoding: `float64 ${order} ${form}`, bytes: floats(values, 8, order) },
    ]),
  );
}

/** A secret itself, and what a hash without a key makes of it: whoever has that can try guesses. */
export function secretNeedles(what: string, text: string): readonly Needle[] {
  return [
    ...textNeedles(what, text),
    ...['sha1', 'sha256', 'sha512', 'md5'].flatMap((name) =>
      byteNeedles(`${name} of ${what}`, createHash(name).update(text).digest()),
    ),
  ];
}

/** Many needles looked for at once: where two bytes begin none of them, nothing else is compared. */
export class NeedleSearch {
  readonly #needles: readonly Needle[];
  readonly #begins = new Uint8Array(1 << 16);
  readonly #byBeginning: ReadonlyMap<number, readonly Needle[]>;

  constructor(needles: readonly Needle[]) {
    this.#needles = needles;
    this.#byBeginning = Map.groupBy(needles, ({ bytes }) => beginningAt(bytes, 0));
    for (const beginning of this.#byBeginning.keys()) this.#begins[beginning] = 1;
  }

  get size(): number {
    return this.#needles.length;
  }

  get longest(): number {
    return this.#needles.reduce((most, { bytes }) => Math.max(most, bytes.length), 0);
  }

  /** One hit for each needle. */
  hitsIn({ name, bytes }: Haystack): Hit[] {
    const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const found = new Set<Needle>();
    const begins = this.#begins;
    const { length } = bytes;
    let beginning = 0;
    for (let at = 0; at < length; at++) {
      beginning = ((beginning << 8) | bytes[at]!) & 0xffff;
      if (begins[beginning] === 0 || at === 0) continue;
      for (const needle of this.#byBeginning.get(beginning) ?? [])
        if (isAt(buffer, at - 1, needle)) found.add(needle);
    }
    return Array.from(found, ({ what, encoding }) => ({ name, what, encoding }));
  }

  /** Whether each needle is found when it lies in the middle of other bytes: a search that finds nothing must be able to. */
  get findsAll(): boolean {
    return this.#needles.every((needle) => {
      const planted = Buffer.concat([Buffer.alloc(97, 0x5a), needle.bytes, Buffer.alloc(31, 0xa5)]);
      return this.hitsIn({ name: 'planted', bytes: planted }).some(
        ({ what, encoding }) => what === needle.what && encoding === needle.encoding,
      );
    });
  }
}

const beginningAt = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

const isAt = (buffer: Buffer, at: number, { bytes }: Needle): boolean =>
  at + bytes.length <= buffer.length &&
  // The third byte rules out nearly all that begin alike.
  buffer[at + 2] === bytes[2] &&
  buffer.compare(bytes, 0, bytes.length, at, at + bytes.length) === 0;

function utf16(text: string, order: 'utf16le' | 'utf16be'): Buffer {
  const little = Buffer.from(text, 'utf16le');
  return order === 'utf16le' ? little : little.swap16();
}

/** The characters that are the same whatever stands before and after, when `shift` bytes stand before. */
function base64At(bytes: Buffer, shift: number, alphabet: 'base64' | 'base64url'): Buffer {
  const whole = Buffer.concat([Buffer.alloc(shift), bytes]).toString(alphabet);
  const from = Math.ceil((shift * 8) / 6);
  const until = Math.floor(((shift + bytes.length) * 8) / 6);
  return Buffer.from(whole.slice(from, until));
}

function floats(values: readonly number[], width: 4 | 8, order: 'LE' | 'BE'): Buffer {
  const bytes = Buffer.alloc(NUMBERS * width);
  const write = width === 4 ? (`writeFloat${order}` as const) : (`writeDouble${order}` as const);
  for (let at = 0; at < NUMBERS; at++) bytes[write](values[at] ?? 0, at * width);
  return bytes;
}
