/**
 * A corrupt, missing, swapped or truncated piece of any kind of backup is refused by its name, and the rest comes back: the
 * same moment by another way where there is one, an older moment, or this one without the rows of that piece.
 */
import assert from 'node:assert/strict';
import { copyFile, cp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { StrongroomError } from '../src/errors.ts';
import type { BackupKind } from '../src/recovery/manifest.ts';
import { idOf, TestDeployment } from './deployment.ts';
import { RestoredCopy } from './recovery.ts';

const MEMORIES = '/v1/vaults/default/memories';

interface Step {
  readonly id: string;
  readonly kind: BackupKind;
  /** A memory that is new in it. */
  readonly memory: string;
}

/** Two ways lead to the newest moment: the second full backup, and the first with the increments since. */
async function history(t: TestContext): Promise<{ deployment: TestDeployment; steps: readonly Step[] }> {
  const deployment = await TestDeployment.start(t);
  const steps: Step[] = [];
  for (const kind of ['full', 'incremental', 'log', 'incremental', 'full', 'log'] as const) {
    const memory = idOf(
      await deployment.must('POST', MEMORIES, { body: { text: `step ${steps.length} ${kind}` } }),
    );
    deployment.clock.advance(1000);
    const { json } = await deployment.must('POST', '/v1/backups', { body: { kind } });
    steps.push({ id: String(json['id']), kind, memory });
  }
  await deployment.stop();
  return { deployment, steps };
}

const DAMAGES: Readonly<Record<string, (piece: string, others: string) => Promise<unknown>>> = {
  corrupt: async (piece) => {
    const bytes = await readFile(piece);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(piece, bytes);
  },
  missing: (piece) => rm(piece),
  swapped: (piece, others) => copyFile(others, piece),
  truncated: async (piece) => truncate(piece, (await readFile(piece)).length - 1),
};

const readable = (copy: RestoredCopy, key: string, steps: readonly Step[]): Promise<readonly boolean[]> =>
  copy.served((call) =>
    Promise.all(
      steps.map(async ({ memory }) => (await call('GET', `${MEMORIES}/${memory}`, { key })).status === 200),
    ),
  );

/** Which of the six backups lose their piece, and what comes of it. */
const LOSSES: readonly {
  readonly lost: readonly number[];
  /** The backup that the newest moment is reached through without the lost ones; null: none. */
  readonly sameMoment: boolean;
  /** How many steps are there at the newest moment that can be reached whole. */
  readonly older: number;
  /** How many are there without the lost rows at the newest moment. */
  readonly skipped: number;
}[] = [
  // The second full one: the first and all increments lead there too.
  { lost: [4], sameMoment: true, older: 6, skipped: 6 },
  // An increment in the middle, or the first full one: the second full one stands for itself.
  { lost: [1], sameMoment: true, older: 6, skipped: 6 },
  { lost: [0], sameMoment: true, older: 6, skipped: 6 },
  // The newest log: nobody else has that moment.
  { lost: [5], sameMoment: false, older: 5, skipped: 5 },
  // Both full ones: what is left says not even whose it is.
  { lost: [0, 4], sameMoment: false, older: 0, skipped: 0 },
];

for (const [damage, spoil] of Object.entries(DAMAGES))
  test(`a ${damage} piece of a full, an incremental or a log backup is refused by name, and the rest is restored`, async (t) => {
    verifies('BCK-02');
    const { deployment, steps } = await history(t);
    for (const { lost, sameMoment, older, skipped } of LOSSES) {
      const where = `${damage} ${lost.map((at) => `${at} ${steps[at]?.kind}`).join(' and ')}`;
      const copy = await RestoredCopy.beside(t, deployment);
      const from = join(copy.directory, '..', 'spoilt');
      await cp(join(deployment.directory, 'backups'), from, { recursive: true });
      const names = lost.map((at) => `${steps[at]?.id}/000001`);
      for (const name of names) await spoil(join(from, name), join(from, `${steps[2]?.id}/000001`));
      const key = deployment.apiKey;
      if (sameMoment) {
        const laid = await copy.restore({ from });
        assert.deepEqual(laid.differences, [], where);
        const isOnTheWay = lost.includes(4);
        assert.deepEqual(
          laid.damage.map(({ file }) => file),
          isOnTheWay ? names : [],
          where,
        );
        continue;
      }
      await assert.rejects(copy.restore({ from }), (error: unknown) => {
        assert.ok(error instanceof StrongroomError && error.code === 'box.damaged', String(error));
        assert.ok(
          names.some((name) => error.message.includes(name)),
          `${where}: ${error.message}`,
        );
        return true;
      });
      if (skipped === 0) {
        await assert.rejects(
          copy.restore({ from, skipDamaged: true }),
          /nothing that is left of it can be opened/,
        );
        continue;
      }
      const lenient = await copy.restore({ from, skipDamaged: true });
      assert.ok(lenient.skipped.length > 0, where);
      for (const { file } of lenient.skipped) assert.ok(names.includes(file), where);
      const there = await readable(copy, key, steps);
      assert.equal(there.filter(Boolean).length >= skipped, true, `${where}: ${String(there)}`);
      if (older === 0) continue;
      const before = await RestoredCopy.beside(t, deployment);
      const at = deployment.clock.now() - 1;
      const laid = await before.restore({ from, at });
      assert.deepEqual([laid.skipped, laid.differences], [[], []], where);
      assert.deepEqual(
        await readable(before, key, steps),
        steps.map((_, step) => step < older),
        where,
      );
    }
  });
