import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { createSearchPool } from '../search/pool.ts';
import { NOW, recordOf } from '../search/testing/records.ts';
import type { IndexedRecord, IndexFiller, VaultIndex } from '../search/types.ts';
import type { Store, Tx } from '../store/store.ts';
import { VaultIndexes } from './indexes.ts';
import type { Segments } from './segments.ts';
import type { Vault } from './vault.ts';

const vaultOf = (id: string): Vault =>
  ({ id, metric: 'cosine', dimensions: null, organization: { id: 'org' } }) as unknown as Vault;

/** Indexes of vaults of which nothing is stored but these records. */
function openIndexes(
  t: TestContext,
  memoryBytesMax: number,
  recordsOf: (vault: Vault) => readonly IndexedRecord[] = () => [],
): VaultIndexes {
  const pool = createSearchPool({ workers: 1 });
  t.after(() => pool.close());
  return new VaultIndexes({
    store: { read: () => Promise.resolve([]) } as unknown as Store,
    sealer: {} as never,
    pool,
    segments: {
      load: async (vault: Vault, filler: IndexFiller) => {
        await filler.add(recordsOf(vault));
        return { leaves: new Set(), throughChange: null, isCurrent: true };
      },
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
  // So it has if it was opened earlier, and used since.
  assert.equal(await indexes.of(vaultOf('c')), opened[2]);
  await fill('b');
  assert.deepEqual(await Promise.all([opened[2] as VaultIndex, again].map(isOpen)), [true, false]);
});

test('a new vault’s index is open from its first addition on, and that of an older vault when it is asked for', async (t) => {
  const indexes = openIndexes(t, Number.POSITIVE_INFINITY);
  indexes.expect(vaultOf('new'));
  for (const id of ['new', 'old']) {
    await indexes.room(vaultOf(id));
    indexes.change(committing, vaultOf(id), { added: [recordOf(1, { text: 'guitar' })] });
  }
  assert.equal(indexes.size, 1, 'only that of the new vault');
  const index = await indexes.of(vaultOf('new'));
  assert.equal((await index.search({ mode: 'text', query: 'guitar', limit: 1, now: NOW })).length, 1);
  await indexes.drop(vaultOf('new'));
  await indexes.room(vaultOf('new'));
  assert.equal(indexes.size, 0, 'expected once');
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
  const tight = openIndexes(t, 1024 * 1024);
  for (let n = 0; n < count; n++) for (const indexes of [roomy, tight]) await indexes.of(vaultOf(`v${n}`));
  assert.equal(roomy.size, count);
  assert.ok(roomy.bytes / count < 8 * 1024, `${roomy.bytes / count} bytes for an empty vault`);
  assert.ok(tight.bytes <= 1024 * 1024 && tight.size < count);
  const last = await tight.of(vaultOf(`v${count - 1}`));
  assert.equal(await isOpen(last), true);
  // What was closed opens again.
  assert.equal(await isOpen(await tight.of(vaultOf('v0'))), true);
});

test('searches that go across many more vaults than may be open are all answered, each from its own vault', async (t) => {
  const [count, memories, atOnce] = [60, 10, 16];
  const recordsOf = ({ id }: Vault): readonly IndexedRecord[] =>
    Array.from({ length: memories }, (_, n) => recordOf(n, { id: `${id} ${n}`, text: `guitar ${id}` }));
  const indexes = openIndexes(t, 64 * 1024, recordsOf);
  let most = 0;
  // Each lane goes through all vaults from another one on, so that some are asked twice at once and most have been closed.
  const search = async (lane: number): Promise<void> => {
    for (let step = 0; step < count; step++) {
      const vault = vaultOf(`v${(lane * 7 + step) % count}`);
      const { answer } = await indexes.ask(vault, (index) =>
        index.search({ mode: 'text', query: 'guitar', limit: 50, now: NOW }),
      );
      assert.deepEqual(
        answer.map(({ id }) => id).sort(),
        recordsOf(vault).map(({ id }) => id),
      );
      most = Math.max(most, indexes.size);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, (_, lane) => search(lane)));
  assert.ok(most < count, `${most} were open at once`);
  assert.ok(indexes.bytes <= 64 * 1024, `${indexes.bytes} bytes are open in the end`);
});

test('an index that is closed while it is asked is asked again where it opens next, and what it said is not current', async (t) => {
  const indexes = openIndexes(t, Number.POSITIVE_INFINITY, () => [recordOf(1, { text: 'guitar' })]);
  let asked = 0;
  const { answer, isCurrent } = await indexes.ask(vaultOf('a'), async (index) => {
    if (++asked === 1) await indexes.drop(vaultOf('a'));
    return index.search({ mode: 'text', query: 'guitar', limit: 1, now: NOW });
  });
  assert.deepEqual([asked, answer.length, isCurrent()], [2, 1, true]);
  indexes.change(committing, vaultOf('a'), { removed: [recordOf(1).id] });
  assert.equal(isCurrent(), false);
  await indexes.drop(vaultOf('a'));
  assert.equal(isCurrent(), false);
});

test('an index that is closed again while it is being opened opens once more when it is asked', async (t) => {
  const indexes = openIndexes(t, Number.POSITIVE_INFINITY, () => [recordOf(1, { text: 'guitar' })]);
  const vault = vaultOf('a');
  await indexes.of(vault);
  // Two erasures, one after the other, and searches in between.
  const first = indexes.drop(vault);
  indexes.of(vault).catch(() => undefined);
  const second = indexes.drop(vault);
  await first;
  const { answer } = await indexes.ask(vault, (index) =>
    index.search({ mode: 'text', query: 'guitar', limit: 1, now: NOW }),
  );
  assert.equal(answer.length, 1);
  await second;
});

test('a search is answered although its index is closed many times while it asks', async (t) => {
  const indexes = openIndexes(t, Number.POSITIVE_INFINITY, () => [recordOf(1, { text: 'guitar' })]);
  let closed = 0;
  const { answer } = await indexes.ask(vaultOf('a'), async (index) => {
    if (++closed <= 10) await indexes.drop(vaultOf('a'));
    return index.search({ mode: 'text', query: 'guitar', limit: 1, now: NOW });
  });
  assert.deepEqual([closed, answer.length], [11, 1]);
});
