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
import { test } from 'node:test';
import { LEAF_SLOTS, type Slot } from '../src/keys/slot.ts';
import type { Strongroom } from '../src/strongroom.ts';
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
