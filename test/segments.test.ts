/** Segments as they follow a vault: what is written anew, what is left, and what a damaged one costs. */
import assert from 'node:assert/strict';
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
