import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StrongroomError } from '../errors.ts';
import { checkVectors, draftMemories, patchMemory } from './memory-input.ts';
import type { OpenedMemory } from './memory-row.ts';
import type { Vault } from './vault.ts';

const NOW = Date.UTC(2026, 0, 1);
const vault = { metric: 'cosine', dimensions: null } as Vault;

test('each message becomes a memory that says who spoke', () => {
  const drafts = draftMemories(
    [
      {
        conversation: 'chat-7',
        messages: [
          { role: 'user', content: 'Hello', name: 'Ann', at: '2026-05-07T10:00:00Z' },
          { role: 'assistant', content: 'Hi' },
        ],
      },
    ],
    true,
    NOW,
  );
  assert.deepEqual(
    drafts.map(({ body, conversation, path }) => ({ ...body, conversation, path })),
    [
      {
        text: 'Hello',
        metadata: { role: 'user' },
        speaker: 'Ann',
        at: Date.UTC(2026, 4, 7, 10),
        kind: 'message',
        conversation: 'chat-7',
        path: '/memories/0/messages/0',
      },
      {
        text: 'Hi',
        speaker: 'assistant',
        kind: 'message',
        conversation: 'chat-7',
        path: '/memories/0/messages/1',
      },
    ],
  );
});

test('a vector that the vault cannot hold is refused with its place', () => {
  const first = { text: 'a', vector: [1, 0, 0] };
  assert.equal(checkVectors(vault, draftMemories([first, { text: 'b' }], true, NOW)), 3);
  assertFault(
    () => checkVectors(vault, draftMemories([first, { vector: [1, 0] }], true, NOW)),
    '/memories/1/vector',
  );
  assertFault(() => checkVectors(vault, draftMemories([{ vector: [0, 0, 0] }], false, NOW)), '/vector');
  assertFault(() => checkVectors({ ...vault, dimensions: 2 }, draftMemories([first], false, NOW)), '/vector');
});

test('a vector of zeros is a point where distance is not an angle', () => {
  assert.equal(
    checkVectors({ ...vault, metric: 'euclidean' }, draftMemories([{ vector: [0, 0] }], false, NOW)),
    2,
  );
});

test('what expires in the past is refused with its place', () => {
  assertFault(
    () => draftMemories([{ text: 'a', expiresAt: '2025-01-01T00:00:00Z' }], false, NOW),
    '/expiresAt',
  );
  assertFault(
    () => draftMemories([{ text: 'a', expiresAt: '2026-01-01T00:00:00Z' }], false, NOW),
    '/expiresAt',
  );
});

test('a patch keeps what it does not name and removes what it names null', () => {
  const current = {
    body: { text: 'old', kind: 'fact', speaker: 'Ann', metadata: { a: 1 } },
    vector: Float32Array.of(1, 2),
    row: { expires_at: 5 },
  } as unknown as OpenedMemory;
  const names = { subject: 'ann', conversation: null };
  const draft = patchMemory(current, names, { text: 'new', speaker: null }, NOW);
  assert.deepEqual(draft.body, { text: 'new', kind: 'fact', metadata: { a: 1 } });
  assert.deepEqual([draft.vector, draft.subject, draft.expiresAt], [current.vector, 'ann', 5]);
  assertFault(() => patchMemory(current, names, { text: null, vector: null }, NOW), '');
});

function assertFault(work: () => unknown, path: string): void {
  assert.throws(
    work,
    (error) =>
      error instanceof StrongroomError && error.code === 'request.invalid' && error.faults[0]?.path === path,
  );
}
