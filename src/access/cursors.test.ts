import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realEnvironment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { Cursors, type ListBinding } from './cursors.ts';

const key = new Uint8Array(32).fill(7);
const cursors = new Cursors(() => [key], realEnvironment.random);
const binding: ListBinding = {
  organization: 'org_a',
  list: 'memories',
  vault: 'vlt_a',
  query: { filter: { kind: 'fact' } },
};

test('a cursor gives back its position to its own list', () => {
  assert.equal(cursors.open(binding, cursors.seal(binding, 'mem_1')), 'mem_1');
  assert.equal(cursors.open(binding, undefined), null);
});

test('a cursor tells nothing of its position', () => {
  const cursor = cursors.seal(binding, 'mem_1');
  assert.equal(Buffer.from(cursor, 'base64url').includes('mem_1'), false);
  assert.notEqual(cursor, cursors.seal(binding, 'mem_1'));
});

test('a cursor of another list, tenant, vault or filter is refused', () => {
  const cursor = cursors.seal(binding, 'mem_1');
  const others: ListBinding[] = [
    { ...binding, organization: 'org_b' },
    { ...binding, list: 'keys' },
    { ...binding, vault: 'vlt_b' },
    { ...binding, query: { filter: { kind: 'message' } } },
  ];
  for (const other of others) assert.throws(() => cursors.open(other, cursor), isInvalidCursor);
});

test('a cursor with any character changed is refused', () => {
  const cursor = cursors.seal(binding, 'mem_1');
  for (let at = 0; at < cursor.length; at++) {
    const changed = cursor[at] === 'A' ? 'B' : 'A';
    assert.throws(
      () => cursors.open(binding, cursor.slice(0, at) + changed + cursor.slice(at + 1)),
      isInvalidCursor,
    );
  }
  for (const nonsense of ['', '!', 'AAAA', '\u0000', 'é'])
    assert.throws(() => cursors.open(binding, nonsense), isInvalidCursor);
});

const isInvalidCursor = (error: unknown): boolean =>
  error instanceof StrongroomError && error.code === 'cursor.invalid';
