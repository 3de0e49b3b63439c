import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBase64 } from './encoding.ts';
import { decodeFloats, encodeFloats, parseFloats } from './floats.ts';

test('numbers are the same after bytes and after base64, whatever lies before them in memory', () => {
  fc.assert(
    fc.property(fc.float32Array(), fc.nat(7), (numbers, offset) => {
      const bytes = encodeFloats(numbers);
      const moved = new Uint8Array(bytes.length + offset);
      moved.set(bytes, offset);
      assert.deepEqual(decodeFloats(moved.subarray(offset)), new Float32Array(numbers));
      assert.deepEqual(parseFloats(encodeBase64(bytes)), new Float32Array(numbers));
    }),
  );
});

test('the bytes are little-endian IEEE 754', () => {
  assert.deepEqual([...encodeFloats(Float32Array.of(1, -2.5))], [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0]);
});

test('what is no base64, or no whole numbers, is refused', () => {
  for (const text of ['AACAP', 'AACAPw', 'AACAPx==', 'AACAPw==\n', 'AACA-w==', 'AACAPwA=', 'é'])
    assert.throws(() => parseFloats(text), RangeError, text);
  assert.deepEqual([...parseFloats('AACAPw==')], [1]);
});
