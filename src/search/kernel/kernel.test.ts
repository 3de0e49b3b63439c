import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import * as fc from 'fast-check';
import { KERNEL_FILE, openKernel, type Kernel } from './kernel.ts';
import { openTwin } from '../testing/kernel-twin.ts';

const QUERY = 0;
const ROWS = 16 * 1024;
const OUT = 48 * 1024;

/** Runs the function of both over the same numbers and answers the bits of what they wrote. */
function runBoth(
  name: keyof Kernel,
  lanes: number,
  numbers: Float32Array,
): readonly [Uint32Array, Uint32Array] {
  const count = numbers.length / lanes - 1;
  const run = (open: (memory: WebAssembly.Memory) => Kernel): Uint32Array => {
    const memory = new WebAssembly.Memory({ initial: 1 });
    new Float32Array(memory.buffer, QUERY, lanes).set(numbers.subarray(0, lanes));
    new Float32Array(memory.buffer, ROWS, count * lanes).set(numbers.subarray(lanes));
    const kernel = open(memory);
    if (name === 'dots') kernel.dots(QUERY, ROWS, count, lanes, OUT);
    else kernel.squaredDistances(QUERY, ROWS, count, lanes, OUT);
    return new Uint32Array(memory.buffer, OUT, count).slice();
  };
  return [run(openKernel), run(openTwin)];
}

const rows = fc
  .record({ lanes: fc.integer({ min: 1, max: 40 }).map((n) => n * 4), count: fc.integer({ min: 1, max: 6 }) })
  .chain(({ lanes, count }) =>
    fc.record({
      lanes: fc.constant(lanes),
      numbers: fc.float32Array({
        minLength: lanes * (count + 1),
        maxLength: lanes * (count + 1),
        noNaN: true,
        noDefaultInfinity: true,
      }),
    }),
  );

for (const name of ['dots', 'squaredDistances'] as const) {
  test(`the kernel's ${name} equal their twin's bit for bit`, () => {
    fc.assert(
      fc.property(rows, ({ lanes, numbers }) => {
        const [kernel, twin] = runBoth(name, lanes, numbers);
        // An overflow may end in a NaN, of which there are many.
        const plain = (bits: Uint32Array) => Array.from(new Float32Array(bits.buffer), String);
        assert.deepEqual(plain(kernel), plain(twin));
        const isNumber = new Float32Array(kernel.buffer).every((value) => !Number.isNaN(value));
        if (isNumber) assert.deepEqual(kernel, twin);
      }),
      { numRuns: 300 },
    );
  });
}

test('a twin that adds in another order is told apart', () => {
  const numbers = Float32Array.from({ length: 64 }, (_, i) => Math.fround(Math.sin(i + 1) * 10 ** (i % 7)));
  const [kernel] = runBoth('dots', 32, numbers);
  let sum = 0;
  for (let i = 0; i < 32; i++)
    sum = Math.fround(sum + Math.fround((numbers[i] ?? 0) * (numbers[32 + i] ?? 0)));
  assert.notEqual(new Float32Array(kernel.buffer)[0], sum);
});

test('the committed kernel is what its source compiles to', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'strongroom-kernel-'));
  t.after(() => rm(folder, { recursive: true }));
  const asc = fileURLToPath(new URL('../bin/asc.js', import.meta.resolve('assemblyscript/asc')));
  const config = fileURLToPath(new URL('./assembly/asconfig.json', import.meta.url));
  const outFile = relative(process.cwd(), join(folder, 'kernel.wasm'));
  await promisify(execFile)(process.execPath, [asc, '--config', config, '--outFile', outFile]);
  assert.deepEqual(await readFile(join(folder, 'kernel.wasm')), await readFile(KERNEL_FILE));
});
