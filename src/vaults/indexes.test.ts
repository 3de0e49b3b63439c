import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createSearchPool } from '../search/pool.ts';
import { NOW, recordOf } from '../search/testing/records.ts';
import type { VaultIndex } from '../search/types.ts';
import type { Store, Tx } from '../store/store.ts';
import { VaultIndexes } from './indexes.ts';
import type { Segments } from './segments.ts';
import type { Vault } from './vault.ts';

const vaultOf = (id: string): Vault =>
  ({ id, metric: 'cosine', dimensions: null, organization: { id: 'org' } }) as unknown as Vault;

/** Indexes of vaults of which nothing is stored yet. */
function openIndexes(t: TestContext, memoryBytesMax: number): VaultIndexes {
  const pool = createSearchPool({ workers: 1 });
  t.after(() => pool.close());
  return new VaultIndexes({
    store: { read: () => Promise.resolve([]) } as unknown as Store,
    sealer: {} as never,
    pool,
    segments: {
      load: () => Promise.resolve({ leaves: new Set(), throughChange: null }),
    } as unknown as Segments,
    names: () => Promise.resolve({} as never),
    memoryBytesMax,
    onError: (error) => assert.fail(String(error)),
  });
}

/** A transaction that is committed as soon as it says anything. */
const committing = {
  defer: (flusher: { committed(items: readonly { item: unknown }[]): void }, item: unknown) =>
    flusher.committed([{ item }]),
} as unknown as Tx;

const isOpen = (index: VaultIndex): Promise<boolean> =>
  index.search({ mode: 'text', query: 'x', limit: 1, now: NOW }).then(
    () => true,
    () => false,
  );

test('above the memory budget the vaults that rested longest are closed, never the one in use', async (t) => {
  const kilobytes = 700;
  const indexes = openIndexes(t, 2.5 * kilobytes * 1024);
  const opened: VaultIndex[] = [];
  const fill = async (id: string): Promise<VaultIndex> => {
    await indexes.of(vaultOf(id));
    const added = Array.from({ length: kilobytes / 4 }, (_, n) =>
      recordOf(n, { vector: new Float32Array(1024).fill(n + 1) }),
    );
    indexes.change(committing, vaultOf(id), { added });
    return indexes.of(vaultOf(id));
  };
  for (const id of ['a', 'b', 'c']) opened.push(await fill(id));
  assert.deepEqual(await Promise.all(opened.map(isOpen)), [false, true, true]);
  // What was closed opens when it is used again, and then another one has rested longest.
  const again = await fill('a');
  assert.deepEqual(await Promise.all([...opened.slice(1), again].map(isOpen)), [false, true, true]);
});

test('a new vault’s index is open from its first addition on, and that of an older vault when it is asked for', async (t) => {
  const indexes = openIndexes(t, Number.POSITIVE_INFINITY);
  indexes.expect(vaultOf('new'));
  for (const id of ['new', 'old']) {
    await indexes.room(vaultOf(id));
    indexes.change(committing, vaultOf(id), { added: [recordOf(1, { text: 'guitar' })] });
  }
  const isSame = ['new', 'old'].map(
    (id) => indexes.removalMark(vaultOf(id)) === indexes.removalMark(vaultOf(id)),
  );
  assert.deepEqual(isSame, [true, false], 'only an open index has a mark of its own');
  const index = await indexes.of(vaultOf('new'));
  assert.equal((await index.search({ mode: 'text', query: 'guitar', limit: 1, now: NOW })).length, 1);
  await indexes.drop(vaultOf('new'));
  await indexes.room(vaultOf('new'));
  assert.notEqual(indexes.removalMark(vaultOf('new')), indexes.removalMark(vaultOf('new')), 'expected once');
});

test('a vault larger than the whole budget is served all the same', async (t) => {
  const indexes = openIndexes(t, 1024);
  const index = await indexes.of(vaultOf('a'));
  indexes.change(committing, vaultOf('a'), {
    added: [recordOf(1, { vector: new Float32Array(4096).fill(1) })],
  });
  assert.equal(await indexes.of(vaultOf('a')), index);
  assert.equal(await isOpen(index), true);
});

test('thousands of small vaults stay open within the budget, and under a small one only those used last', async (t) => {
  const count = 600;
  const roomy = openIndexes(t, 256 * 1024 * 1024);
  const tight = openIndexes(t, 4 * 1024 * 1024);
  for (let n = 0; n < count; n++) for (const indexes of [roomy, tight]) await indexes.of(vaultOf(`v${n}`));
  assert.equal(roomy.size, count);
  assert.ok(roomy.bytes / count < 64 * 1024, `${roomy.bytes / count} bytes for an empty vault`);
  assert.ok(tight.bytes <= 4 * 1024 * 1024 && tight.size < count);
  const last = await tight.of(vaultOf(`v${count - 1}`));
  assert.equal(await isOpen(last), true);
  // What was closed opens again.
  assert.equal(await isOpen(await tight.of(vaultOf('v0'))), true);
});
