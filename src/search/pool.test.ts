import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test, type TestContext } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { createSearchPool, type SearchPoolOptions } from './pool.ts';
import { NOW, recordOf } from './testing/records.ts';
import type { Hit, SearchPool, SearchRequest, VaultIndex, VaultSettings } from './types.ts';
import { spawnSearchWorker } from './worker-link.ts';

const SETTINGS: VaultSettings = { id: 'vlt_a', metric: 'cosine', dimensions: null };
const ask = (own: Partial<SearchRequest>): SearchRequest => ({ limit: 10, mode: 'text', now: NOW, ...own });
const idsOf = (hits: readonly Hit[]): readonly string[] => hits.map(({ id }) => id);

/** A pool whose workers the test can reach, to end them. */
function openPool(
  t: TestContext,
  own: Partial<SearchPoolOptions> = {},
): { pool: SearchPool; workers: Worker[] } {
  const workers: Worker[] = [];
  const spawn = (): Worker => {
    const worker = spawnSearchWorker();
    workers.push(worker);
    return worker;
  };
  const pool = createSearchPool({ workers: 1, spawn, ...own });
  t.after(() => pool.close());
  return { pool, workers };
}

async function crash(worker: Worker | undefined): Promise<void> {
  assert.ok(worker !== undefined);
  const ended = once(worker, 'exit');
  await worker.terminate();
  await ended;
}

test('calls take effect in the order they are made, without waiting for one another', async (t) => {
  const { pool } = openPool(t);
  const index = await pool.open(SETTINGS);
  const searches: Promise<readonly Hit[]>[] = [];
  const changes: Promise<void>[] = [];
  for (let n = 0; n < 100; n++) {
    changes.push(index.add([recordOf(n, { text: 'guitar', vector: Float32Array.of(1, n) })]));
    if (n > 0) changes.push(index.remove([recordOf(n - 1).id]));
    searches.push(index.search(ask({ query: 'guitar' })));
  }
  await Promise.all(changes);
  (await Promise.all(searches)).forEach((hits, n) => assert.deepEqual(idsOf(hits), [recordOf(n).id]));
});

test('vaults on shared workers know nothing of each other', async (t) => {
  const { pool, workers } = openPool(t, { workers: 2 });
  const open = (n: number) => pool.open({ ...SETTINGS, id: `vlt_${n}` });
  const indexes = await Promise.all([0, 1, 2, 3].map(open));
  assert.equal(workers.length, 2);
  await Promise.all(
    indexes.map((index, n) => index.add([recordOf(n, { text: 'guitar', vector: Float32Array.of(1, n) })])),
  );
  for (const [n, index] of indexes.entries()) {
    const request = ask({ query: 'guitar', vector: Float32Array.of(1, 0), mode: 'hybrid' });
    assert.deepEqual(idsOf(await index.search(request)), [recordOf(n).id]);
  }
});

test('errors arrive with their code and faults, and the caller keeps its vectors', async (t) => {
  const { pool } = openPool(t);
  const index = await pool.open({ ...SETTINGS, dimensions: 2 });
  const good = Float32Array.of(1, 2);
  await assert.rejects(
    index.add([recordOf(0, { vector: good }), recordOf(1, { vector: Float32Array.of(0, 0) })]),
    {
      code: 'request.invalid',
      faults: [{ path: '/records/1/vector', message: 'is zero, which has no direction for the cosine' }],
    },
  );
  assert.deepEqual(good, Float32Array.of(1, 2));
  await assert.rejects(index.search(ask({ mode: 'vector' })), { code: 'request.invalid' });
  await assert.rejects(index.loadSegment(new Uint8Array(3)), { code: 'box.damaged' });
  assert.equal((await index.stats()).records, 0);
});

test('when a worker ends, waiting calls reject as retryable and its vaults are filled anew', async (t) => {
  const causes: unknown[] = [];
  const { pool, workers } = openPool(t, { onLost: (cause) => causes.push(cause) });
  const stored = [recordOf(1, { text: 'guitar' })];
  let fills = 0;
  const index = await pool.open(SETTINGS, async (filler) => {
    fills++;
    await filler.add(stored);
  });
  stored.push(recordOf(2, { text: 'guitar' }));
  await index.add(stored.slice(1));

  const waiting = Array.from({ length: 50 }, () => index.search(ask({ query: 'guitar' })));
  const settled = Promise.allSettled(waiting);
  await Promise.resolve();
  await crash(workers[0]);
  const after = await index.search(ask({ query: 'guitar' }));
  assert.deepEqual(idsOf(after), [recordOf(2).id, recordOf(1).id]);
  const rejected = (await settled).filter((result) => result.status === 'rejected');
  assert.ok(rejected.length > 0);
  for (const { reason } of rejected) {
    assert.equal(reason.code, 'search.unavailable');
    assert.equal(reason.retryable, true);
  }
  assert.equal(fills, 2);
  assert.equal(causes.length, 1);
  assert.equal(workers.length, 2);
});

test('a vault that nothing can fill is never searched empty after its worker ended', async (t) => {
  const { pool, workers } = openPool(t);
  const index = await pool.open(SETTINGS);
  await index.add([recordOf(1, { text: 'guitar' })]);
  await crash(workers[0]);
  await assert.rejects(index.search(ask({ query: 'guitar' })), { code: 'search.unavailable' });
  await index.close();
  const again = await pool.open(SETTINGS);
  assert.deepEqual(await again.search(ask({ query: 'guitar' })), []);
});

test('a vault whose filling fails says so, does not answer, and is tried again by the next call', async (t) => {
  const { pool, workers } = openPool(t);
  let isBroken = false;
  const index = await pool.open(SETTINGS, async (filler) => {
    if (isBroken) throw new Error('the store is away');
    await filler.add([recordOf(1, { text: 'guitar' })]);
  });
  isBroken = true;
  await crash(workers[0]);
  await assert.rejects(index.search(ask({ query: 'guitar' })), /the store is away/);
  isBroken = false;
  assert.deepEqual(idsOf(await index.search(ask({ query: 'guitar' }))), [recordOf(1).id]);
});

test('a vault whose filling ends its worker again and again is left alone, and its neighbour lives', async (t) => {
  const { pool, workers } = openPool(t);
  const neighbour = await pool.open({ ...SETTINGS, id: 'vlt_b' }, (filler) =>
    filler.add([recordOf(1, { text: 'piano' })]),
  );
  let isPoisoned = false;
  const index = await pool.open(SETTINGS, async () => {
    if (isPoisoned) await crash(workers.at(-1));
  });
  isPoisoned = true;
  await crash(workers[0]);
  for (let n = 0; n < 6; n++)
    await assert.rejects(index.search(ask({ query: 'x' })), { code: 'search.unavailable' });
  assert.ok(workers.length <= 5, `${workers.length} workers`);
  assert.deepEqual(idsOf(await neighbour.search(ask({ query: 'piano' }))), [recordOf(1).id]);
});

test('calls made while a vault is being filled wait for it', async (t) => {
  const { pool, workers } = openPool(t);
  const stored = [recordOf(1, { text: 'guitar' })];
  let release: () => void = () => undefined;
  let gate: Promise<void> = Promise.resolve();
  const index = await pool.open(SETTINGS, async (filler) => {
    await gate;
    await filler.add(stored);
  });
  gate = new Promise((resolve) => (release = resolve));
  await crash(workers[0]);
  const removal = index.remove([recordOf(1).id]);
  const search = index.search(ask({ query: 'guitar' }));
  release();
  await removal;
  assert.deepEqual(await search, []);
});

test('too many waiting searches are refused as busy, additions never', async (t) => {
  const { pool } = openPool(t);
  const index = await pool.open(SETTINGS);
  const searches = Array.from({ length: 1200 }, () => index.search(ask({ query: 'guitar' })));
  const additions = Array.from({ length: 50 }, (_, n) => index.add([recordOf(n, { text: 'guitar' })]));
  const refused = (await Promise.allSettled(searches)).filter((result) => result.status === 'rejected');
  assert.ok(refused.length > 0 && refused.length < 1200);
  for (const { reason } of refused) assert.equal(reason.code, 'busy');
  await Promise.all(additions);
  assert.equal((await index.stats()).records, 50);
});

test('closing a vault gives its memory back, and it answers no more', async (t) => {
  const { pool } = openPool(t);
  const fill = async (id: string): Promise<VaultIndex> => {
    const index = await pool.open({ ...SETTINGS, id });
    await index.add(
      Array.from({ length: 900 }, (_, n) => recordOf(n, { vector: new Float32Array(768).fill(n + 1) })),
    );
    return index;
  };
  const first = await fill('vlt_a');
  const { vectorBytes } = await first.stats();
  assert.ok(vectorBytes >= 900 * 768 * 4 && vectorBytes < 2 * 900 * 768 * 4, `${vectorBytes}`);
  await first.close();
  await first.close();
  await assert.rejects(first.search(ask({ query: 'x' })), { code: 'search.unavailable' });
  await assert.rejects(first.add([recordOf(1)]), { code: 'search.unavailable' });
  const second = await fill('vlt_a');
  assert.deepEqual(await second.search(ask({ query: 'x' })), []);
});

test('a vault of ten memories takes kilobytes', async (t) => {
  const { pool } = openPool(t);
  const index = await pool.open(SETTINGS);
  await index.add(
    Array.from({ length: 10 }, (_, n) =>
      recordOf(n, { text: 'a few words of text', vector: new Float32Array(64).fill(1) }),
    ),
  );
  const { vectorBytes, textBytes, recordBytes } = await index.stats();
  assert.ok(vectorBytes + textBytes + recordBytes < 32 * 1024);
});

test('segments travel: exported by one vault, loaded by another, whatever becomes of the memory their bytes were in', async (t) => {
  const { pool } = openPool(t);
  const one = await pool.open(SETTINGS);
  await one.add([recordOf(1, { text: 'guitar' }), recordOf(5000, { text: 'guitar' })]);
  assert.deepEqual(await one.leaves(), [0, 1]);
  const other = await pool.open({ ...SETTINGS, id: 'vlt_b' }, async (filler) => {
    const { bytes } = await one.exportSegment(1);
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length + 5)).subarray(5);
    shared.set(bytes);
    assert.deepEqual(await filler.loadSegment(shared), { isCurrent: true });
    shared.fill(255);
  });
  assert.deepEqual(idsOf(await other.search(ask({ query: 'guitar' }))), [recordOf(5000).id]);
});

test('a search that comes while a large segment is made does not wait for it', async (t) => {
  const { pool } = openPool(t);
  const index = await pool.open(SETTINGS);
  await index.add(Array.from({ length: 2000 }, (_, n) => recordOf(n, { text: `number${n} of many` })));
  let isMade = false;
  const making = index.exportSegment(0).then((segment) => {
    isMade = true;
    return segment;
  });
  assert.equal((await index.search(ask({ query: 'number7' }))).length, 1);
  assert.equal(isMade, false);
  assert.equal((await making).cover.length, 2000);
});

test('a segment that is being made when its index is closed, or its worker ends, is refused', async (t) => {
  const { pool, workers } = openPool(t);
  const fill = async (id: string): Promise<VaultIndex> => {
    const records = Array.from({ length: 2000 }, (_, n) => recordOf(n, { text: `number${n} of many` }));
    return pool.open({ ...SETTINGS, id }, (filler) => filler.add(records));
  };
  const refused = { code: 'search.unavailable' };
  const closed = await fill('vlt_a');
  const making = assert.rejects(closed.exportSegment(0), refused);
  await closed.close();
  await making;
  const lost = await fill('vlt_b');
  const refusal = assert.rejects(lost.exportSegment(0), refused);
  await crash(workers[0]);
  await refusal;
  assert.equal((await lost.exportSegment(0)).cover.length, 2000);
});

test('a vault cannot be opened twice, nor in a closed pool', async (t) => {
  const { pool } = openPool(t);
  const index = await pool.open(SETTINGS);
  await assert.rejects(pool.open(SETTINGS), RangeError);
  await pool.close();
  await assert.rejects(pool.open(SETTINGS), { code: 'search.unavailable' });
  await assert.rejects(index.stats(), { code: 'search.unavailable' });
});

test('a filling that fails at the first opening leaves nothing open', async (t) => {
  const { pool } = openPool(t);
  await assert.rejects(
    pool.open(SETTINGS, async () => Promise.reject(new Error('no store'))),
    /no store/,
  );
  const index = await pool.open(SETTINGS);
  assert.equal((await index.stats()).records, 0);
});
