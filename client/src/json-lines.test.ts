import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { linesOf, parseLine } from './json-lines.ts';

async function* cut(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  let offset = 0;
  for (let i = 0; offset < bytes.length; i += 1) {
    const size = sizes[i % sizes.length] ?? 1;
    yield await Promise.resolve(bytes.subarray(offset, offset + size));
    offset += size;
  }
}

const linesIn = (text: string | Uint8Array, sizes: readonly number[] = [3]): Promise<string[]> =>
  Array.fromAsync(linesOf(cut(typeof text === 'string' ? Buffer.from(text) : text, sizes)));

describe('lines of a stream', () => {
  it('the same values come out however the stream is cut', async () => {
    const values = fc.array(
      fc.record({ id: fc.string({ unit: 'binary' }), n: fc.integer() }, { noNullPrototype: true }),
      {
        maxLength: 20,
      },
    );
    const sizes = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 });
    await fc.assert(
      fc.asyncProperty(values, sizes, async (values, sizes) => {
        const text = values.map((value) => `${JSON.stringify(value)}\n`).join('');
        assert.deepEqual((await linesIn(text, sizes)).map(parseLine), values);
      }),
      { numRuns: 200 },
    );
  });

  it('a stream that is cut anywhere but at the end of a line is an error', async () => {
    const text = '{"a":1}\n{"b":2}\n';
    for (let length = 0; length <= text.length; length += 1) {
      const whole = length % 8 === 0;
      const read = linesIn(text.slice(0, length));
      if (whole) assert.equal((await read).length, length / 8);
      else await assert.rejects(read, { code: 'answer.invalid' });
    }
  });

  it('bytes that are not UTF-8 and lines that are not JSON are errors', async () => {
    await assert.rejects(linesIn(Uint8Array.of(0x22, 0xff, 0x22, 0x0a)), { code: 'answer.invalid' });
    assert.throws(() => parseLine('{"a":'), { code: 'answer.invalid' });
  });

  it('a line without an end does not fill the memory', async () => {
    await assert.rejects(linesIn(new Uint8Array(5 * 1024 * 1024).fill(0x61), [1 << 20]), {
      code: 'answer.invalid',
    });
  });
});
