import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { encodeBase64 } from '../bytes/encoding.ts';
import { encodeFloats } from '../bytes/floats.ts';
import { StrongroomError } from '../errors.ts';
import { decodeBody, decodeVector, encodeBody, toFloat32 } from './memory-content.ts';

test('a vector comes back bit for bit', () => {
  fc.assert(
    fc.property(fc.float32Array({ minLength: 2, maxLength: 64, noNaN: true }), (vector) => {
      const bytes = encodeFloats(vector);
      assert.deepEqual(Array.from(decodeVector(bytes)), Array.from(vector));
      // Also where the bytes do not begin at a multiple of four.
      const shifted = new Uint8Array(bytes.length + 1);
      shifted.set(bytes, 1);
      assert.deepEqual(Array.from(decodeVector(shifted.subarray(1))), Array.from(vector));
    }),
  );
});

test('a list of numbers and base64 of them as float32 are the same vector', () => {
  fc.assert(
    fc.property(fc.array(fc.double({ noNaN: true, min: -1e38, max: 1e38 })), (numbers) => {
      const list = toFloat32(numbers);
      assert.deepEqual(toFloat32(encodeBase64(encodeFloats(Float32Array.from(numbers)))), list);
      assert.deepEqual(list, Float32Array.from(numbers));
    }),
  );
});

test('a body comes back with everything in it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.jsonValue(), (text, value) => {
      const body = { text, metadata: JSON.parse(JSON.stringify({ value })), at: 5, kind: 'fact' };
      assert.deepEqual(decodeBody(encodeBody(body)), body);
    }),
  );
});

test('a broken body or vector is damage, not an answer', () => {
  const isDamage = (error: unknown): boolean =>
    error instanceof StrongroomError && error.code === 'box.damaged';
  assert.throws(() => decodeVector(new Uint8Array(7)), isDamage);
  assert.throws(() => decodeBody(Uint8Array.of(0xff, 0xfe)), isDamage);
  assert.throws(() => decodeBody(new Uint8Array()), isDamage);
});
