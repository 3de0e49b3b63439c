import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sentVector } from './vector.ts';

test('a vector travels as base64 of its float32 numbers, whichever form it was given in', () => {
  const expected = 'AAAAPwAAwL/NzMw9';
  assert.equal(sentVector([0.5, -1.5, 0.1]), expected);
  assert.equal(sentVector(Float32Array.of(0.5, -1.5, 0.1)), expected);
  assert.equal(sentVector(Float32Array.of(9, 0.5, -1.5, 0.1).subarray(1)), expected);
  assert.equal(sentVector(expected), expected);
});

test('what the server must refuse travels as it is, so that the refusal says where it is', () => {
  for (const bad of [
    [1, Number.NaN],
    [1, 1e39],
    [1, '2'],
    [1, null],
    [1, undefined],
  ])
    assert.deepEqual(sentVector(bad as number[]), bad);
});

test('an engine without base64 of its own sends the same', () => {
  const own = Object.getOwnPropertyDescriptor(Uint8Array.prototype, 'toBase64');
  const vectors = [[], [0.5], [0.5, -1.5], [0.5, -1.5, 0.1], Array.from({ length: 64 }, (_, at) => at / 7)];
  const sent = vectors.map(sentVector);
  try {
    Reflect.deleteProperty(Uint8Array.prototype, 'toBase64');
    assert.deepEqual(vectors.map(sentVector), sent);
  } finally {
    // eslint-disable-next-line no-extend-native -- it is put back
    if (own !== undefined) Object.defineProperty(Uint8Array.prototype, 'toBase64', own);
  }
});
