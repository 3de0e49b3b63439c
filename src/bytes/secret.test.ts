import assert from 'node:assert/strict';
import { test } from 'node:test';
import { format, inspect } from 'node:util';
import { isEqual } from './equal.ts';
import { Secret } from './secret.ts';

test('a secret prints as [redacted] wherever it is put', () => {
  const secret = new Secret('correct horse');
  const shown = [
    String(secret),
    secret.toString(),
    JSON.stringify({ secret }),
    inspect({ secret }, { showHidden: true, depth: 9 }),
    format('%s %o %j', secret, secret, secret),
    new Error('x', { cause: secret }).cause?.toString() ?? '',
  ];
  for (const text of shown) {
    assert.match(text, /\[redacted\]/);
    assert.doesNotMatch(text, /horse|68 6f 72 73 65/);
  }
  assert.equal(secret.reveal(), 'correct horse');
});

test('secrets are equal if their texts are', () => {
  assert.ok(new Secret('a').equals(new Secret('a')));
  assert.ok(!new Secret('a').equals(new Secret('b')));
  assert.ok(!new Secret('a').equals(new Secret('aa')));
});

test('bytes are equal if each of them is', () => {
  assert.ok(isEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 2)));
  assert.ok(!isEqual(Uint8Array.of(1, 2), Uint8Array.of(1, 3)));
  assert.ok(!isEqual(Uint8Array.of(1, 2), Uint8Array.of(1)));
  assert.ok(isEqual(new Uint8Array(0), new Uint8Array(0)));
});
