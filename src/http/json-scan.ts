/**
 * A first look at the bytes of a JSON body (RFC 8259): how deep it is nested, in one linear pass, before anything is
 * built from it. An attacker controls every byte, so the cost must not depend on what they say: each byte is seen a
 * bounded number of times, and nothing recurses.
 */

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_BRACKET = 0x5b;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
/** `[` and `{`, and `]` and `}`, differ in this bit only. */
const BRACE_BIT = 0x20;

/** Shorter lists of numbers are not worth the look ahead; a look reaches one window, and no two looks begin within a stride. */
const STRIDE = 512;
const WINDOW = 128 * 1024;

/** Whether brackets and braces outside of strings are ever open more than `depthMax` at a time. */
export function isNestedDeeper(bytes: Uint8Array, depthMax: number): boolean {
  let depth = 0;
  let lookFrom = 0;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x40) {
      if (byte === QUOTE) at = endOfString(bytes, at);
      continue;
    }
    const kind = byte | BRACE_BIT;
    if (kind === CLOSE_BRACE) depth--;
    else if (kind === OPEN_BRACE) {
      if (++depth > depthMax) return true;
      if (byte === OPEN_BRACKET && at >= lookFrom) {
        // Vectors are most of what is sent: a long list that holds neither strings nor lists is skipped at memchr's speed.
        lookFrom = at + STRIDE;
        at = endOfNumbers(bytes, at);
      }
    }
  }
  return false;
}

/** The closing quote of the string that opens at `at`, or the last byte. */
function endOfString(bytes: Uint8Array, at: number): number {
  const lookFrom = at + STRIDE;
  for (at++; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) at++;
    else if (at === lookFrom) {
      // A long one, as a vector in base64 is: without escapes it ends at the next quote, which is looked for once, at memchr's speed.
      const end = bytes.indexOf(QUOTE, at);
      const rest = bytes.subarray(at, end < 0 ? bytes.length : end);
      if (!rest.includes(BACKSLASH)) return at + rest.length;
    }
  }
  return at;
}

/** The last byte before the end of the list that opens at `at`, if it is long and flat; else `at`. */
function endOfNumbers(bytes: Uint8Array, at: number): number {
  const window = bytes.subarray(at + 1, at + WINDOW);
  const length = window.indexOf(0x5d);
  if (length < STRIDE) return at;
  const list = window.subarray(0, length);
  const isFlat = !list.includes(QUOTE) && !list.includes(OPEN_BRACKET) && !list.includes(OPEN_BRACE);
  // A stray closing brace would have been counted: leave such a list to the slow path.
  return isFlat && !list.includes(CLOSE_BRACE) ? at + length : at;
}
