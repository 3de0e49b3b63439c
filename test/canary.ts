/**
 * Canaries: words, numbers and vectors that occur nowhere else, and the search for them in raw bytes, in every
 * encoding in which content could have slipped out: UTF-8, UTF-16 of both orders, hexadecimal, base64 at each of its
 * three alignments in both alphabets; floats and times as binary numbers and as digits.
 *
 * All words share one random mark, so that one pass over the bytes looks for all of them.
 */
import { randomBytes } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Needle {
  readonly what: string;
  readonly encoding: string;
  readonly bytes: Buffer;
}

export interface Hit {
  readonly file: string;
  readonly what: string;
  readonly encoding: string;
}

/** Bytes to be searched, under the name a hit is reported by. */
export interface Haystack {
  readonly file: string;
  readonly bytes: Buffer;
}

const ALPHABET = 'abcdefghijklmnopqrstuvwxyz';

export class Canaries {
  readonly #mark = `cnry${Array.from(randomBytes(10), (byte) => ALPHABET[byte % ALPHABET.length]).join('')}`;
  readonly #fields: string[] = [];
  readonly #needles: Needle[] = textNeedles('a word', this.#mark);

  /** A word for a field: letters and digits only, so that it is taken wherever a word is. */
  word(field: string): string {
    return `${this.#mark}${this.#fields.push(field) - 1}x`;
  }

  has(text: string): boolean {
    return text.includes(this.#mark);
  }

  /** Content that cannot be a word of ours: an address, a key. */
  text(what: string, text: string): string {
    this.#needles.push(...textNeedles(what, text));
    return text;
  }

  /** Also looked for as an index may keep it: of length one, and as doubles. */
  vector(what: string, dimensions: number): number[] {
    const bytes = randomBytes(dimensions * 4);
    const vector = Array.from({ length: dimensions }, (_, at) =>
      Math.fround(bytes.readInt32LE(at * 4) / 2 ** 31),
    );
    const length = Math.hypot(...vector);
    const forms = { 'as given': vector, 'of length one': vector.map((value) => Math.fround(value / length)) };
    for (const [form, values] of Object.entries(forms)) {
      const [first = 0, second = 0, third = 0] = values;
      const inOrder = (order: 'LE' | 'BE') =>
        Buffer.concat(
          [first, second, third].map((value) => number(4, (buffer) => buffer[`writeFloat${order}`](value))),
        );
      const doubles = Buffer.concat(
        [first, second].map((value) => number(8, (buffer) => buffer.writeDoubleLE(value))),
      );
      this.#needles.push(
        { what, encoding: `float32 LE ${form}`, bytes: inOrder('LE') },
        { what, encoding: `float32 BE ${form}`, bytes: inOrder('BE') },
        { what, encoding: `float64 LE ${form}`, bytes: doubles },
        { what, encoding: `digits ${form}`, bytes: Buffer.from(String(Math.abs(first))) },
      );
    }
    return vector;
  }

  /** A moment that only content mentions, as RFC 3339. */
  time(what: string): string {
    const at = Date.UTC(1931, 0, 1) + (randomBytes(4).readUInt32LE() % 1_000_000_000);
    const big = Buffer.alloc(8);
    big.writeBigInt64BE(BigInt(at));
    this.#needles.push(
      { what, encoding: 'digits', bytes: Buffer.from(String(at)) },
      { what, encoding: 'RFC 3339', bytes: Buffer.from(new Date(at).toISOString()) },
      { what, encoding: 'integer BE', bytes: big.subarray(2) },
      { what, encoding: 'integer LE', bytes: Buffer.from(big).reverse().subarray(0, 6) },
      { what, encoding: 'float64 LE', bytes: number(8, (buffer) => buffer.writeDoubleLE(at)) },
    );
    return new Date(at).toISOString();
  }

  get needles(): readonly Needle[] {
    return this.#needles;
  }

  /** One hit for each needle and file; words by the field they were sown in, where the bytes still say which. */
  search({ file, bytes }: Haystack): Hit[] {
    const hits = this.#needles.filter((needle) => bytes.includes(needle.bytes));
    return hits.flatMap(({ what, encoding }) =>
      what === 'a word' && encoding === 'utf8'
        ? this.#fieldsIn(bytes).map((field) => ({ file, what: field, encoding }))
        : [{ file, what, encoding }],
    );
  }

  #fieldsIn(bytes: Buffer): string[] {
    const found = new Set<string>();
    const word = new RegExp(`${this.#mark}(\\d+)x`, 'y');
    const text = bytes.toString('latin1');
    for (let at = text.indexOf(this.#mark); at >= 0; at = text.indexOf(this.#mark, at + 1)) {
      word.lastIndex = at;
      found.add(this.#fields[Number(word.exec(text)?.[1] ?? -1)] ?? 'a word that was cut');
    }
    return [...found];
  }
}

/** All files below a folder, as they are at this moment; one that goes while it is looked at is no hit. */
export async function filesBelow(folder: string): Promise<Haystack[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const read = await Promise.all(
    files.map(async (file) => {
      const bytes = await readFile(file).catch((error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return null;
        throw error;
      });
      return bytes === null ? [] : [{ file: file.slice(folder.length + 1), bytes }];
    }),
  );
  return read.flat();
}

function textNeedles(what: string, text: string): Needle[] {
  const utf8 = Buffer.from(text, 'utf8');
  const littleEndian = Buffer.from(text, 'utf16le');
  const needle = (encoding: string, bytes: Buffer): Needle => ({ what, encoding, bytes });
  return [
    needle('utf8', utf8),
    needle('utf16le', littleEndian),
    needle('utf16be', Buffer.from(littleEndian).swap16()),
    needle('hex', Buffer.from(utf8.toString('hex'))),
    needle('HEX', Buffer.from(utf8.toString('hex').toUpperCase())),
    ...[0, 1, 2].flatMap((shift) =>
      (['base64', 'base64url'] as const).map((alphabet) =>
        needle(`${alphabet} +${shift}`, base64At(utf8, shift, alphabet)),
      ),
    ),
  ];
}

/** The characters that are the same whatever stands before and after, when `shift` bytes stand before. */
function base64At(bytes: Buffer, shift: number, alphabet: 'base64' | 'base64url'): Buffer {
  const whole = Buffer.concat([Buffer.alloc(shift), bytes]).toString(alphabet);
  const from = Math.ceil((shift * 8) / 6);
  const until = Math.floor(((shift + bytes.length) * 8) / 6);
  return Buffer.from(whole.slice(from, until));
}

function number(length: number, write: (buffer: Buffer) => unknown): Buffer {
  const buffer = Buffer.alloc(length);
  write(buffer);
  return buffer;
}
