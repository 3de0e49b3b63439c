/** Segments as they follow a vault: what is written anew, what is left, and what a damaged one costs. */
import assert from 'node:assert/strict';
import {
  appendFile,
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { Housekeeping } from '../src/housekeeping.ts';
import { LEAF_SLOTS, type Slot } from '../src/keys/slot.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { TestTimer } from '../src/testing/timer.ts';
import { Leisure } from '../src/vaults/leisure.ts';
import type { Vault } from '../src/vaults/vault.ts';
import { systemContext } from './afterwards.ts';
import { readRows } from './boxes.ts';
import { TestDeployment } from './deployment.ts';

const theVault = async (open: Strongroom): Promise<Vault> => {
  const { organization } = await systemContext(open);
  const vault = await open.vaults.find(organization, 'default');
  assert.ok(vault !== null);
  return vault;
};

/** Adds memories until two leaf pages hold some; answers the ids in each. */
async function twoLeaves(open: Strongroom): Promise<readonly [readonly string[], readonly string[]]> {
  const context = await systemContext(open);
  const few = Array.from({ length: 3 }, (_, n) => ({ text: `first ${n}` }));
  await open.memories.searchMemories(context, 'default', { query: 'anything', limit: 1 });
  const first = await open.memories.addMemories(context, 'default', few);
  // What is left of the leaf page goes to nobody.
  const vault = await theVault(open);
  const { slot } = (await readRows(open)).memory_versions[0] as { slot: number };
  const leaf = Math.floor(slot / LEAF_SLOTS);
  await open.store.write(vault.organization.id, async (tx) => {
    for (let taken = slot; Math.floor(taken / LEAF_SLOTS) === leaf;)
      taken = await open.slots.takeOne(tx, vault.id);
  });
  const second = await open.memories.addMemories(context, 'default', [{ text: 'second' }]);
  return [first.memories.map(({ id }) => id), second.memories.map(({ id }) => id)];
}

test('a segment whose leaf page did not change is kept, and nothing older than the newest save is read beside it', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  await deployment.opened(async (open) => {
    await twoLeaves(open);
    const vault = await theVault(open);
    await open.indexes.save(vault);
    const before = (await readRows(open)).segments;
    assert.equal(before.length, 2);
    const context = await systemContext(open);
    await open.memories.addMemories(context, 'default', [{ text: 'later' }]);
    await open.indexes.save(vault);
    const rows = await readRows(open);
    const [first, second] = [...rows.segments].sort((a, b) => a.leaf - b.leaf);
    assert.ok(first !== undefined && second !== undefined);
    assert.ok(before.some(({ id }) => id === first.id) && !before.some(({ id }) => id === second.id));
    const newest = Math.max(...rows.memories.map(({ change }) => change));
    for (const { through_change } of [first, second]) assert.ok(through_change >= newest);
  });
});

test('a removal changes the segment it was in, and the last one ends it', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  await deployment.opened(async (open) => {
    const [[victim = ''], [last = '']] = await twoLeaves(open);
    const vault = await theVault(open);
    await open.indexes.save(vault);
    const before = (await readRows(open)).segments;
    const context = await systemContext(open);
    for (const memory of [victim, last])
      await open.memories.deleteMemory(context, { vault: 'default', memory }, 'trash', null);
    await open.indexes.save(vault);
    const after = (await readRows(open)).segments;
    assert.equal(after.length, 1);
    const [kept] = after;
    assert.ok(kept !== undefined && !before.some(({ id }) => id === kept.id));
    for (const { slot } of before) assert.ok(open.keyring.isErased(slot as Slot));
    await open.indexes.drop(vault);
    const found = await open.memories.searchMemories(context, 'default', {
      query: 'first second',
      limit: 10,
    });
    assert.equal(found.results.length, 2);
  });
});

/** What may befall the files of two segments. */
const HARMS: Readonly<Record<string, (one: string, other: string) => Promise<unknown>>> = {
  'one with a flipped byte': async (one) => {
    const bytes = await readFile(one);
    const at = bytes.length >> 1;
    await writeFile(one, bytes.fill((bytes[at] as number) ^ 1, at, at + 1));
  },
  'one cut short by a byte': async (one) => writeFile(one, (await readFile(one)).subarray(0, -1)),
  'one cut to half': async (one) => truncate(one, (await readFile(one)).length >> 1),
  'one with a byte too many': (one) => appendFile(one, Uint8Array.of(0)),
  'an empty one': (one) => truncate(one),
  'one that is gone': (one) => rm(one),
  'one that the disk does not give': async (one) => {
    await rm(one);
    await symlink(one, one);
  },
  'two that changed places': async (one, other) => {
    await rename(one, `${one}.x`);
    await rename(other, one);
    await rename(`${one}.x`, other);
  },
  'two that are one': async (one, other) => copyFile(other, one),
};

test('segments that were damaged in any way are named, left out and written anew while the server runs, and no memory is lost', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  await deployment.opened(async (open) => {
    await twoLeaves(open);
    const vault = await theVault(open);
    await open.indexes.save(vault);
    const context = await systemContext(open);
    const search = async (): Promise<unknown> =>
      open.memories.searchMemories(context, 'default', { query: 'first second', limit: 10 });
    const expected = await search();
    const folder = join(deployment.directory, 'blobs', 'segments');
    for (const [what, harm] of Object.entries(HARMS)) {
      const [one = '', other = ''] = (await readdir(folder)).toSorted();
      await harm(join(folder, one), join(folder, other));
      deployment.logged.length = 0;
      await open.indexes.drop(vault);
      assert.deepEqual(await search(), expected, what);
      const log = deployment.logged.join('');
      assert.ok(log.includes(one), `${what}: ${one} is not named`);
      assert.equal(log.includes(other), what.startsWith('two that changed'), `${what}: ${log}`);
      await open.indexes.save(vault);
      const after = await readdir(folder);
      assert.ok(after.length === 2 && !after.includes(one), `${what}: ${after.join()}`);
      deployment.logged.length = 0;
      await open.indexes.drop(vault);
      assert.deepEqual(await search(), expected, `after ${what}`);
      assert.equal(deployment.logged.join('').includes('damaged'), false, `after ${what}`);
    }
  });
});

test('a segment that the disk does not give up keeps nobody from searching, saving or starting, and goes when it can', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  const folder = join(deployment.directory, 'blobs', 'segments');
  let stuck = '';
  const search = async (open: Strongroom): Promise<void> => {
    const { results } = await open.memories.searchMemories(await systemContext(open), 'default', {
      query: 'first second',
      limit: 10,
    });
    assert.equal(results.length, 4);
  };
  await deployment.opened(async (open) => {
    await twoLeaves(open);
    const vault = await theVault(open);
    await open.indexes.save(vault);
    const [one = ''] = (await readdir(folder)).toSorted();
    stuck = one;
    await rm(join(folder, one));
    await mkdir(join(folder, one, 'in the way'), { recursive: true });
    await open.indexes.drop(vault);
    await search(open);
    await open.indexes.save(vault);
    assert.ok(deployment.logged.join('').includes(stuck));
  });
  await deployment.opened(async (open) => {
    await search(open);
    const { segments } = await readRows(open);
    assert.ok(
      segments.some(({ id }) => id === stuck),
      'it is still known, so that it is tried again',
    );
    assert.equal(open.keyring.isErased(segments.find(({ id }) => id === stuck)?.slot as Slot), true);
  });
  await rm(join(folder, stuck), { recursive: true });
  await writeFile(join(folder, stuck), 'what may be deleted');
  await deployment.opened(async (open) => {
    await search(open);
    assert.equal((await readRows(open)).segments.length, 2);
    assert.equal((await readdir(folder)).includes(stuck), false);
  });
});

const liveSegments = async (open: Strongroom): Promise<readonly string[]> =>
  (await readRows(open)).segments.filter(({ state }) => state === 'live').map(({ id }) => id);

/** A vault of two leaf pages of which one has been saved at leisure, the other not yet. */
async function halfSaved(
  t: TestContext,
  use: (open: Strongroom, saving: Promise<void>, timer: TestTimer) => Promise<void>,
  fault: (point: string) => void = () => undefined,
): Promise<void> {
  const deployment = await TestDeployment.start(t, { fault });
  await deployment.stop();
  await deployment.opened(async (open) => {
    await twoLeaves(open);
    const timer = new TestTimer();
    const saving = open.indexes.saveAll(new Leisure({ timer, elapsed: () => 0 }));
    while (timer.waits.length === 0) await turn();
    assert.equal((await liveSegments(open)).length, 1);
    await use(open, saving, timer);
  });
  assert.equal(deployment.logged.join('').includes('filled anew'), false);
}

const findsAll = async (open: Strongroom, count: number): Promise<void> => {
  const request = { query: 'first second later', limit: 10 };
  const { results } = await open.memories.searchMemories(await systemContext(open), 'default', request);
  assert.equal(results.length, count);
};

test('what is saved at leisure is saved at once when somebody waits for it, with what came meanwhile', async (t) => {
  let begun = 0;
  const use = async (open: Strongroom, saving: Promise<void>, timer: TestTimer): Promise<void> => {
    await open.memories.addMemory(await systemContext(open), 'default', { text: 'later' });
    await open.indexes.saveAll();
    await saving;
    assert.equal(timer.waits.length, 1);
    assert.equal((await liveSegments(open)).length, 2);
    // Each leaf page once: one who saves waits for who saves already.
    assert.equal(begun, 2);
    const vault = await theVault(open);
    await open.indexes.drop(vault);
    await findsAll(open, 5);
  };
  await halfSaved(t, use, (point) => {
    if (point === 'segment.registered') begun++;
  });
});

test('a segment dies with every conversation whose memories lie in its leaf page, wherever in it', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  await deployment.opened(async (open) => {
    const context = await systemContext(open);
    const vault = await theVault(open);
    await open.memories.searchMemories(context, 'default', { query: 'anything', limit: 1 });
    for (let talk = 0; talk < 6; talk++) {
      await open.memories.addMemory(context, 'default', {
        text: `talk ${talk}`,
        conversation: `talk ${talk}`,
      });
      // So that the next lies far behind it.
      await open.store.write(vault.organization.id, async (tx) => {
        for (let n = 0; n < 600; n++) await open.slots.takeOne(tx, vault.id);
      });
    }
    await open.indexes.save(vault);
    const { segments, conversations } = await readRows(open);
    const ranges = segments.flatMap(({ cover }) => JSON.parse(cover) as [number, number][]);
    for (const { id, slot } of conversations)
      assert.ok(
        ranges.some(([from, to]) => from <= slot && slot <= to),
        `${id} at ${slot} is not in ${JSON.stringify(ranges)}`,
      );
    assert.deepEqual([segments.length, conversations.length], [1, 6]);
  });
});

test('an index that is closed while its saving rests is saved when it is next open', async (t) => {
  await halfSaved(t, async (open, saving, timer) => {
    await open.indexes.drop(await theVault(open));
    timer.pass();
    await saving;
    assert.equal((await liveSegments(open)).length, 1);
    await findsAll(open, 4);
    await open.indexes.saveAll();
    assert.equal((await liveSegments(open)).length, 2);
  });
});

test('chores of the hour do not wait for segments, and come to their end when the server stops', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  await deployment.opened(async (open) => {
    await twoLeaves(open);
    const timer = new TestTimer();
    const housekeeping = new Housekeeping({
      open,
      clock: deployment.clock,
      timer,
      renewTls: () => Promise.resolve(),
      pruneLogs: () => undefined,
      verify: () => undefined,
      onError: (error) => assert.fail(String(error)),
    });
    await housekeeping.hour();
    while (timer.waits.length === 0) await turn();
    // The one before has not come to its end.
    await housekeeping.hour();
    await housekeeping.close();
    assert.deepEqual([timer.waits.length, (await liveSegments(open)).length], [1, 2]);
  });
});
