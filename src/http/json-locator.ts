/**
 * Where a JSON text goes wrong: a second, slower reading of a body that was refused, for the sake of a good answer.
 *
 * `JSON.parse` says what it met in words that quote the text and change with the engine; this says it as a JSON Pointer
 * (RFC 6901) and a message of our own. It reads bytes as Latin-1, so that an offset is an offset in the body.
 */
import { view } from '../bytes/encoding.ts';
import type { Fault } from '../errors.ts';

const SPACE = /[ \t\n\r]*/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;
const SCALAR = /(?:-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null)(?![\w.+-])/y;
const NOT_UTF8 = 'is not UTF-8';
const NAME_CHARACTERS_MAX = 100;

export interface Bounds {
  readonly depthMax: number;
  /** Offset at which the bytes are known to be wrong; reading does not go past it. */
  readonly stopAt?: number;
}

/** The first place at which `bytes` is not JSON, is too deep, or reaches `stopAt`; null if none is found. */
export function locateFault(bytes: Uint8Array, bounds: Bounds): Fault | null {
  const text = view(bytes).toString('latin1');
  const locator = new Locator(text, bounds.depthMax, bounds.stopAt ?? Infinity);
  try {
    locator.document();
    return null;
  } catch (stopped) {
    if (stopped instanceof Stopped) return { path: stopped.path, message: stopped.message };
    throw stopped;
  }
}

/** RFC 6901: `~` and `/` are escaped. */
export const pointer = (path: readonly PropertyKey[]): string =>
  path.map((name) => `/${escapeName(name)}`).join('');

const escapeName = (name: PropertyKey): string =>
  String(name).slice(0, NAME_CHARACTERS_MAX).toWellFormed().replaceAll('~', '~0').replaceAll('/', '~1');

class Stopped extends Error {
  readonly path: string;

  constructor(path: string, message: string) {
    super(message);
    this.path = path;
  }
}

class Locator {
  readonly #text: string;
  readonly #depthMax: number;
  readonly #stopAt: number;
  readonly #path: (string | number)[] = [];
  #at = 0;

  constructor(text: string, depthMax: number, stopAt: number) {
    this.#text = text;
    this.#depthMax = depthMax;
    this.#stopAt = stopAt;
  }

  document(): void {
    this.#value(1);
    this.#skip(SPACE);
    if (this.#at < this.#text.length) this.#stop('is followed by something else');
  }

  /** Recurses no deeper than `depthMax`. */
  #value(depth: number): void {
    this.#skip(SPACE);
    const next = this.#text[this.#at];
    if (next === '{' || next === '[') {
      if (depth > this.#depthMax) this.#stop(`is nested more than ${this.#depthMax} deep`);
      this.#at++;
      if (next === '{') this.#object(depth);
      else this.#array(depth);
    } else if (next === '"') {
      this.#string();
    } else if (!this.#skip(SCALAR)) {
      this.#stop(next === undefined ? 'ends before the value does' : 'is not a JSON value');
    }
  }

  #object(depth: number): void {
    if (this.#takes('}')) return;
    do {
      this.#skip(SPACE);
      const from = this.#at;
      if (this.#text[from] !== '"') this.#stop('has a member without a name in quotes');
      this.#string();
      this.#path.push(decodeName(this.#text.slice(from, this.#at)));
      if (!this.#takes(':')) this.#stop('has a name without a value');
      this.#value(depth + 1);
      this.#path.pop();
    } while (this.#takes(','));
    if (!this.#takes('}')) this.#stop('lacks a comma or its closing brace');
  }

  #array(depth: number): void {
    if (this.#takes(']')) return;
    let index = 0;
    do {
      this.#path.push(index++);
      this.#value(depth + 1);
      this.#path.pop();
    } while (this.#takes(','));
    if (!this.#takes(']')) this.#stop('lacks a comma or its closing bracket');
  }

  /** By hand: a regular expression could run out of stack on a string of many megabytes. */
  #string(): void {
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      this.#checkStop(this.#at + 1);
      const code = this.#text.charCodeAt(this.#at);
      if (code === 0x22) {
        this.#at++;
        return;
      }
      if (code < 0x20) this.#stop('holds a control character that is not escaped');
      if (code === 0x5c) {
        if (!this.#skip(ESCAPE)) this.#stop('holds an unknown escape');
        this.#at--;
      }
    }
    this.#stop('ends before the string does');
  }

  #takes(character: string): boolean {
    this.#skip(SPACE);
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #skip(token: RegExp): boolean {
    token.lastIndex = this.#at;
    if (!token.test(this.#text)) {
      this.#checkStop(this.#at + 1);
      return false;
    }
    this.#checkStop(token.lastIndex);
    this.#at = token.lastIndex;
    return true;
  }

  /** Before bytes up to `end` are taken for read. */
  #checkStop(end: number): void {
    if (end > this.#stopAt) throw new Stopped(pointer(this.#path), NOT_UTF8);
  }

  #stop(message: string): never {
    throw new Stopped(pointer(this.#path), this.#at < this.#stopAt ? message : NOT_UTF8);
  }
}

/** The name as its bytes mean it; a name whose bytes are the fault stays as it stands. */
function decodeName(latin1: string): string {
  try {
    return String(JSON.parse(Buffer.from(latin1, 'latin1').toString('utf8')));
  } catch {
    return latin1.slice(1, -1);
  }
}
