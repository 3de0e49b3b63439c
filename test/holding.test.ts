/** Whoever must keep content is asked on every path that would end it, and then nothing of it ends. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '../src/durations.ts';
import { StrongroomError } from '../src/errors.ts';
import { openStrongroom, type Strongroom } from '../src/strongroom.ts';
import type { DeletionGuard, Ending } from '../src/vaults/deletion-guard.ts';
import { systemContext } from './afterwards.ts';
import { readRows } from './boxes.ts';
import { TestDeployment } from './deployment.ts';

/** Keeps one memory, and whatever it is part of. */
class FakeGuard implements DeletionGuard {
  held: string | null = null;
  readonly asked: Ending[] = [];

  require(_tx: unknown, ending: Ending): Promise<void> {
    this.asked.push(ending);
    const isKept = this.held !== null && (ending.kind !== 'memories' || ending.memories.includes(this.held));
    return isKept ? Promise.reject(new StrongroomError('held')) : Promise.resolve();
  }

  released(_tx: unknown, _vault: string, memories: readonly string[]): Promise<readonly string[]> {
    return Promise.resolve(memories.filter((id) => id !== this.held));
  }
}

async function guarded(
  deployment: TestDeployment,
  guard: FakeGuard,
  work: (open: Strongroom) => Promise<void>,
): Promise<void> {
  const open = await openStrongroom({
    directory: deployment.directory,
    settings: deployment.settings,
    environment: {
      clock: deployment.clock,
      random: (length) => crypto.getRandomValues(new Uint8Array(length)),
      fault: () => undefined,
    },
    log: { info: () => undefined, error: () => undefined },
    onFatal: (error) => assert.fail(String(error)),
    substitutes: { guard: () => guard },
  });
  try {
    await work(open);
  } finally {
    await open.close();
  }
}

test('a held memory survives every path, and its release lets each of them through', async (t) => {
  const deployment = await TestDeployment.make(t);
  const guard = new FakeGuard();
  await guarded(deployment, guard, async (open) => {
    const { memories, erasureRequests: requests, vaultEndings, lifecycle, erasures } = open;
    const context = () => systemContext(open);
    const vault = 'default';
    const expiresAt = new Date(deployment.clock.now() + DAY_MS).toISOString();
    const about = { subject: 'ann', conversation: 'talk', kind: 'kept' };
    const source = await memories.addMemory(await context(), vault, { text: 'source' });
    const input = { text: 'held', derivedFrom: [source.id], expiresAt, ...about };
    const { id } = await memories.addMemory(await context(), vault, input);
    const { organization } = await context();
    const { confirm } = (await requests.request(await context(), {
      target: { vault, filter: { kind: 'kept' } },
      dryRun: true,
    })) as { confirm: string };
    const ask =
      (target: object, more: object = {}) =>
      async () =>
        requests.request(await context(), { target, reason: 'a hold', ...more });
    const paths: Record<string, () => Promise<unknown>> = {
      trash: async () => memories.deleteMemory(await context(), { vault, memory: id }, 'trash', null),
      delete: async () => memories.deleteMemory(await context(), { vault, memory: id }, 'erase', null),
      'delete of its source': async () =>
        memories.deleteMemory(await context(), { vault, memory: source.id }, 'erase', null),
      memory: ask({ memory: id }),
      filter: ask({ vault, filter: { kind: 'kept' } }, { confirm }),
      subject: ask({ subject: 'ann' }),
      conversation: ask({ vault, conversation: 'talk' }),
      vault: ask({ vault }),
      'vault’s trash': async () => vaultEndings.deleteVault(await context(), vault, null),
      organization: ask({ organization }),
    };
    guard.held = id;
    for (const [path, go] of Object.entries(paths)) await assert.rejects(go(), { code: 'held' }, path);
    deployment.clock.advance(2 * DAY_MS);
    await lifecycle.run();
    await erasures.settled();
    const rows = await readRows(open);
    assert.deepEqual(rows.memories.map((row) => row.id).toSorted(), [source.id, id].toSorted());
    assert.deepEqual(rows.erasures, [], 'a refused request leaves nothing');
    for (const { slot } of rows.memory_versions)
      assert.ok(!open.keyring.isErased(slot as Parameters<typeof open.keyring.isErased>[0]));
    guard.held = null;
    await lifecycle.run();
    await erasures.settled();
    assert.deepEqual(
      (await readRows(open)).memories.map((row) => row.id),
      [source.id],
    );
    assert.deepEqual(new Set(guard.asked.map(({ kind }) => kind)), KINDS);
  });
});

const KINDS = new Set(['memories', 'conversation', 'vault', 'subject', 'organization']);

test('an organization whose closing is due waits for what is held, and a vault in the trash does', async (t) => {
  const deployment = await TestDeployment.make(t);
  const guard = new FakeGuard();
  await guarded(deployment, guard, async (open) => {
    const { memories, erasureRequests, vaultEndings, lifecycle, erasures } = open;
    const context = await systemContext(open);
    const { id } = await memories.addMemory(context, 'default', { text: 'held' });
    await vaultEndings.deleteVault(await systemContext(open), 'default', null);
    const target = { organization: context.organization };
    await erasureRequests.request(await systemContext(open), { target, reason: 'a hold' });
    guard.held = id;
    deployment.clock.advance(40 * DAY_MS);
    await lifecycle.run();
    await erasures.settled();
    assert.equal((await readRows(open)).memories.length, 1);
    guard.held = null;
    await lifecycle.run();
    await erasures.settled();
    const rows = await readRows(open);
    assert.deepEqual([rows.memories.length, rows.organizations.length], [0, 0]);
    assert.deepEqual(new Set(rows.erasures.map(({ state }) => state)), new Set(['purged']));
  });
});
