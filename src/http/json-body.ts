/**
 * The parser of request bodies and of JSON in a query: bytes in, a plain value out, or a refusal that says where.
 *
 * What it lets through (RFC 8259, I-JSON of RFC 7493 in part): UTF-8 without replacement, at most `jsonDepthMax` deep,
 * strings and names well-formed, numbers finite, no member named `__proto__`. Of two members of one name the last counts.
 * Invariant: depth is known before anything is built, so that nothing here or later can exhaust the stack.
 */
import { decodeUtf8 } from '../bytes/encoding.ts';
import { StrongroomError, type ErrorCode, type Fault } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { locateFault, pointer } from './json-locator.ts';
import { isNestedDeeper } from './json-scan.ts';

/** @throws StrongroomError `request.malformed` (not JSON) or `request.invalid` (JSON that is not taken). */
export function parseJson(bytes: Uint8Array): unknown {
  const depthMax = LIMITS.jsonDepthMax;
  if (isNestedDeeper(bytes, depthMax)) throw refused('request.invalid', bytes, 'the JSON is nested too deep');
  const text = decodeOrRefuse(bytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // The engine's message quotes the text; ours only points at it.
    throw refused('request.malformed', bytes, 'the body is not well-formed JSON');
  }
  checkValue(value, []);
  return value;
}

function decodeOrRefuse(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes);
  } catch {
    const stopAt = firstInvalidByte(bytes);
    const fault = locateFault(bytes, { depthMax: LIMITS.jsonDepthMax, stopAt });
    throw new StrongroomError('request.malformed', {
      detail: `the body is not UTF-8 at byte ${stopAt}`,
      faults: fault === null ? [] : [fault],
    });
  }
}

/** The offset after the longest prefix that can begin a UTF-8 text. */
function firstInvalidByte(bytes: Uint8Array): number {
  let valid = 0;
  let invalid = bytes.length;
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >> 1;
    if (isUtf8Prefix(bytes.subarray(0, middle))) valid = middle;
    else invalid = middle;
  }
  return valid;
}

function isUtf8Prefix(bytes: Uint8Array): boolean {
  try {
    // Streaming forgives a character cut short at the end, and that only.
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function refused(code: ErrorCode, bytes: Uint8Array, detail: string): StrongroomError {
  const fault = locateFault(bytes, { depthMax: LIMITS.jsonDepthMax });
  return new StrongroomError(code, { detail, faults: fault === null ? [] : [fault] });
}

/** Refuses what `JSON.parse` takes and nothing later should have to think of. Recursion is bounded by the depth. */
function checkValue(value: unknown, path: (string | number)[]): void {
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw faulty(path, 'is a number too large to be held');
  } else if (typeof value === 'string') {
    if (!value.isWellFormed()) throw faulty(path, 'holds a lone surrogate');
  } else if (Array.isArray(value)) {
    checkItems(value, path);
  } else if (typeof value === 'object' && value !== null) {
    for (const name of Object.keys(value)) checkMember(value as Record<string, unknown>, name, path);
  }
}

function checkItems(items: readonly unknown[], path: (string | number)[]): void {
  for (let index = finiteFrom(items); index < items.length; index++) {
    path.push(index);
    checkValue(items[index], path);
    path.pop();
  }
}

/**
 * How many finite numbers the list begins with: most of what is sent is vectors, which need no path. A function of its own, which
 * sees no other lists, so that no number is put into an object to be looked at.
 */
function finiteFrom(items: readonly unknown[]): number {
  if (typeof items[0] !== 'number') return 0;
  let count = 0;
  while (count < items.length && Number.isFinite(items[count])) count++;
  return count;
}

function checkMember(object: Record<string, unknown>, name: string, path: (string | number)[]): void {
  // As a name it would change what the object is wherever it is copied member by member.
  if (name === '__proto__') throw faulty(path, 'has a member named __proto__');
  if (!name.isWellFormed()) throw faulty(path, 'has a name that holds a lone surrogate');
  path.push(name);
  checkValue(object[name], path);
  path.pop();
}

function faulty(path: readonly PropertyKey[], message: string): StrongroomError {
  const fault: Fault = { path: pointer(path), message };
  return new StrongroomError('request.invalid', { faults: [fault] });
}
