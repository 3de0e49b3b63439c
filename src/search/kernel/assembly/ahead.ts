/**
 * Memory that will be needed soon is asked for while there is something else to do: there is no instruction for that in WebAssembly,
 * but a load whose value nobody waits for does the same. It changes no result.
 */

/** What a processor fetches at once. */
const LINE: usize = 64;

export function fetchAhead(from: usize, bytes: usize): void {
  for (const end = from + bytes; from < end; from += LINE) load<u8>(from);
}
