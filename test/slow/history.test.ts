/**
 * The erasure test at length, and what shows that it can fail: each known way to get it wrong, one at a time, in a short
 * history. Others are tried elsewhere: what only the keyring can get wrong where it is tested alone
 * (src/keys/closure.test.ts, keystore-exhaustive.test.ts), segments in segment-race.test.ts.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { soundSteps, type EpochSteps } from '../../src/keys/epoch.ts';
import { ACTS, History } from '../history.ts';

const STEPS = Number(process.env['STRONGROOM_HISTORY_STEPS'] ?? 120);
/** Another history beside the first, to look for what nobody thought of. */
const MORE = process.env['STRONGROOM_HISTORY_SEED'];
const SEEDS = [1, ...(MORE === undefined ? [] : [Number(MORE)])];

async function judged(t: TestContext, seed: number, steps: number, acts = ACTS) {
  const history = await History.run(t, seed, steps, acts);
  const judgement = history.judge();
  const { opened, values } = judgement;
  t.diagnostic(
    `seed ${seed}: ${[...history.done].map(([name, count]) => `${name} ${count}`).join(', ')}; ` +
      `${history.witness.pages} pages, ${history.witness.records} boxes, ${history.witness.files} files of backups, archives and exports, ${opened} opened, ${values} values tried`,
  );
  return { history, ...judgement };
}

for (const seed of SEEDS)
  test(`after ${STEPS} steps of history, seed ${seed}, nothing erased is given back, and nothing else is lost`, async (t) => {
    const { history, leaks, losses, values } = await judged(t, seed, STEPS);
    assert.deepEqual(leaks, []);
    assert.deepEqual(losses, []);
    assert.deepEqual(await history.faults(), []);
    assert.deepEqual(await history.unread(), []);
    const fates = history.all.flatMap(({ versions }) => versions.map(({ fate }) => fate));
    assert.ok(fates.filter((fate) => fate === 'dead').length > STEPS / 10 && values > 1000);
    assert.ok(fates.includes('living'));
    if (seed === 1)
      assert.deepEqual(
        ACTS.filter(({ name }) => !history.done.has(name)),
        [],
      );
  });

/** Without crashes and restarts, so that what the next opening would mend stays as it is. */
const PLAIN = ACTS.filter(({ name }) => /^(add|change|erase|search|revoke a key)$/.test(name));

const keepLeafKey: EpochSteps['pageKey'] = (random, height, previous) =>
  previous !== null && height === 0 ? previous.slice() : random(32);

/** A puncture that does nothing is no history: the erasure waits for its slots to die. It is found where the keyring is alone. */
const SABOTAGES: Readonly<Record<string, Partial<EpochSteps>>> = {
  'the key of a leaf page is kept': { pageKey: keepLeafKey },
  'an old cell is not wiped': { wipe: () => Promise.resolve(), reopen: () => Promise.resolve() },
};

for (const [name, steps] of Object.entries(SABOTAGES))
  test(`a history in which ${name} is found out`, async (t) => {
    const whole = { ...soundSteps };
    Object.assign(soundSteps, steps);
    try {
      const { leaks } = await judged(t, 2, 24, PLAIN);
      assert.ok(leaks.length > 0);
    } finally {
      Object.assign(soundSteps, whole);
    }
  });
