/**
 * The WebAssembly kernel: distances of one query to many rows, over one memory.
 *
 * `kernel.wasm` is made from assembly/index.ts and committed; a test builds it anew and compares. To build it:
 *
 *     npx asc --config src/search/kernel/assembly/asconfig.json
 *
 * ../testing/kernel-twin.ts is the same in TypeScript, bit for bit.
 */
import { readFileSync } from 'node:fs';

/** Offsets are bytes into the memory; `lanes` is the length of a row in float32 numbers, a multiple of 4. */
export interface Kernel {
  dots(query: number, rows: number, count: number, lanes: number, out: number): void;
  squaredDistances(query: number, rows: number, count: number, lanes: number, out: number): void;
}

export const KERNEL_FILE = new URL('./kernel.wasm', import.meta.url);

export const PAGE_BYTES = 65_536;
/** 4 GiB: what 32-bit offsets reach. */
export const PAGES_MAX = 65_536;

export function openKernel(memory: WebAssembly.Memory): Kernel {
  const module = new WebAssembly.Module(readFileSync(KERNEL_FILE));
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return instance.exports as unknown as Kernel;
}
