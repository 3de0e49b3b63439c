/** The erasure test: after a random history of everything that can happen to it, what was erased is nowhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { History } from './history.ts';

test("after a random history, all bytes ever written and today's keystore give back nothing erased, and everything else", async (t) => {
  const history = await History.run(t, 4, 28);
  const { leaks, losses, opened, values } = history.judge();
  t.diagnostic(
    `${[...history.done].map(([name, count]) => `${name} ${count}`).join(', ')}; ` +
      `${history.witness.pages} pages, ${history.witness.records} boxes, ${opened} opened, ${values} values tried`,
  );
  assert.deepEqual(leaks, []);
  assert.deepEqual(losses, []);
  assert.deepEqual(await history.faults(), []);
  assert.deepEqual(await history.unread(), []);
  const dead = history.all.flatMap(({ versions }) => versions).filter(({ fate }) => fate === 'dead');
  assert.ok(dead.length > 1 && opened > 20 && values > 500);
});
