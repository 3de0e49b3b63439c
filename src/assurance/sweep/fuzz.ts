/**
 * Hostile variations of a request that would be granted: bodies, ids in the path and query parameters. What may come of
 * them is open (some are valid by chance); that the answer is a declared one, and is written down, is not.
 */
import { encodeHex } from '../../bytes/encoding.ts';
import type { Random } from '../../environment.ts';
import type { Ask } from '../ask.ts';

export interface Fuzzed {
  /** Says what was done, so that a fault can be repeated: `body /text: a long text`. */
  readonly what: string;
  readonly request: Ask;
}

/** JSON text in place of a value, by what it is. */
const VALUES: readonly (readonly [string, string])[] = [
  ['null', 'null'],
  ['true', 'true'],
  ['a negative number', '-1'],
  ['a fraction', '0.5'],
  ['a number beyond all numbers', '1e999'],
  ['a number beyond what is exact', '90071992547409931'],
  ['an empty text', '""'],
  ['a NUL', '"a\\u0000b"'],
  ['half a surrogate pair', '"\\ud800"'],
  ['letters that turn the line around', '"\\u202eabc"'],
  ['a long text', JSON.stringify('ab '.repeat(40_000))],
  ['SQL', JSON.stringify(`'; drop table memories; --`)],
  ['a path', '"../../etc/passwd"'],
  ['an empty list', '[]'],
  ['a list of lists', '[[[[[[[[]]]]]]]]'],
  ['a long list', JSON.stringify(Array.from({ length: 2000 }, () => 'x'))],
  ['an empty object', '{}'],
  ['the prototype', '{"__proto__": {"admin": true}, "constructor": 1}'],
];

/** Texts for a place in the URL. None is a dot segment, which a URL would resolve to another route. */
const TEXTS: readonly (readonly [string, string])[] = [
  ['a NUL', '\0'],
  ['a slash', 'a/b'],
  ['a line break', 'a\r\nx-injected: 1'],
  ['letters that turn the line around', '\u202eabc'],
  ['a long text', 'x'.repeat(700)],
  ['SQL', `' or 1=1 --`],
  ['the prototype', '__proto__'],
  ['a pattern', '%'],
  ['a number', '-1'],
  ['an id of another kind', 'era_00000000000000000000000000'],
];

const QUERY_NAMES = ['limit', 'cursor', 'include', 'mode', 'filter', 'after', 'subject', 'size', 'order'];

/** `count` variations, by chance. */
export function fuzz(request: Ask, count: number, random: Random): readonly Fuzzed[] {
  const ways = [...(hasBody(request) ? [inBody, inBody, garbled] : []), inPath, inQuery];
  return Array.from({ length: count }, () => pick(ways, random)(request, random)).filter(
    (fuzzed) => fuzzed !== null,
  );
}

type Way = (request: Ask, random: Random) => Fuzzed | null;

const hasBody = ({ method, body }: Ask): boolean => method !== 'GET' && body !== undefined;

/** One member replaced, one added, or the whole. */
const inBody: Way = (request, random) => {
  const [what, text] = pick(VALUES, random);
  const members = Object.entries((request.body ?? {}) as Record<string, unknown>);
  const names = [...members.map(([name]) => name), 'metadata', 'unknown', ''];
  const name = pick(names, random);
  const others = members.filter(([own]) => own !== name);
  const parts = others.map(([own, value]) => `${JSON.stringify(own)}:${JSON.stringify(value)}`);
  const raw = name === '' ? text : `{${[...parts, `${JSON.stringify(name)}:${text}`].join(',')}}`;
  return { what: `body /${name}: ${what}`, request: { ...request, raw } };
};

/** The text itself is damaged: cut off, a byte changed, or twice. */
const garbled: Way = (request, random) => {
  const text = JSON.stringify(request.body);
  const at = number(text.length, random);
  const ways: readonly (readonly [string, string])[] = [
    ['cut off', text.slice(0, at)],
    ['damaged', `${text.slice(0, at)}${encodeHex(random(2))}${text.slice(at + 1)}`],
    ['twice', text + text],
    ['with one name twice', text.replace('{', `${text.slice(0, -1)},`)],
  ];
  const [what, raw] = pick(ways, random);
  return { what: `body ${what} at ${at}`, request: { ...request, raw } };
};

/** One id of the path replaced; null where there is none. */
const inPath: Way = (request, random) => {
  const [path = '', query] = request.path.split('?');
  const parts = path.split('/');
  const places = parts.flatMap((part, at) => (/^[a-z]{3}_[0-9a-z]{26}$|^\d+$/.test(part) ? [at] : []));
  if (places.length === 0) return null;
  const [what, text] = pick(TEXTS, random);
  const changed = parts.with(pick(places, random), encodeURIComponent(text)).join('/');
  return {
    what: `path: ${what}`,
    request: { ...request, path: query === undefined ? changed : `${changed}?${query}` },
  };
};

const inQuery: Way = (request, random) => {
  const name = pick(QUERY_NAMES, random);
  const [what, text] = pick(TEXTS, random);
  const joint = request.path.includes('?') ? '&' : '?';
  return {
    what: `query ${name}: ${what}`,
    request: { ...request, path: `${request.path}${joint}${name}=${encodeURIComponent(text)}` },
  };
};

function pick<T>(from: readonly T[], random: Random): T {
  const found = from[number(from.length, random)];
  if (found === undefined) throw new RangeError('nothing to choose from');
  return found;
}

/** From 0 up to `end`, which it never reaches; near enough to even for this. */
function number(end: number, random: Random): number {
  const [high = 0, low = 0] = random(2);
  return Math.floor(((high * 256 + low) / 65_536) * end);
}
