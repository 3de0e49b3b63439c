import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestBench } from '../testing/test-io.ts';

test('what is only hidden is not said to be deleted or erased', async (t) => {
  const bench = new TestBench(t);
  for (const text of ['one', 'two']) await bench.run(['add', text]);
  const [first = '', second = ''] = bench.server.memoriesIn('default').map(({ id }) => id);
  bench.server.intercept = ({ method, path }) =>
    method === 'DELETE' && path.includes(second) ? { status: 202, body: undefined } : undefined;
  const { code, out, err } = await bench.run(['delete', first, second, '--mode', 'erase']);
  assert.deepEqual([code, out], [0, `${first}\n${second}\n`]);
  assert.match(err, /^Deleted 1 memory\.\nHidden 1 memory; not erased yet: /);
  const json = await bench.run(['delete', second, '--json']);
  assert.deepEqual(JSON.parse(json.out), { id: second, deleted: true, pending: true });
});
