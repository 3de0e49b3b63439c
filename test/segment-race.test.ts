/**
 * Segments against erasures: a part of the index that is being written while one of its records is erased is dead, in
 * whatever step it is. Asked of all bytes by the closure attack, with the twin that must still open.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { SegmentRegistry } from '../src/vaults/segment-registry.ts';
import { systemContext } from './afterwards.ts';
import { Canaries } from './canary.ts';
import { findIn } from './closure-attack.ts';
import { witnessed } from './witness.ts';

/** An erasure that begins while a segment is being written, at one of its steps; answers what of the erased is read. */
async function race(t: TestContext, point: string): Promise<string[]> {
  let erase: (() => void) | null = null;
  const { deployment, witness } = await witnessed(t, (name) => {
    if (name !== point || erase === null) return;
    erase();
    erase = null;
  });
  const canaries = new Canaries();
  const [victim, twin] = [canaries.word('victim'), canaries.word('twin')];
  return deployment.opened(async (open) => {
    const context = await systemContext(open);
    const add = (text: string) => open.memories.addMemory(context, 'default', { text, conversation: 'talk' });
    const { id } = await add(victim);
    await add(twin);
    // So that the segment is made in steps.
    const others = Array.from({ length: 100 }, (_, n) => ({ text: `one of many, ${n}` }));
    await open.memories.addMemories(context, 'default', others);
    await open.memories.searchMemories(context, 'default', { query: 'anything', limit: 1 });
    let erasing: Promise<unknown> = Promise.resolve();
    erase = () =>
      void (erasing = open.memories.deleteMemory(context, { vault: 'default', memory: id }, 'erase', null));
    const vault = await open.vaults.find(context.organization, 'default');
    assert.ok(vault !== null);
    await open.indexes.save(vault);
    assert.equal(erase, null, `${point} has been reached`);
    await erasing;
    witness.seeStore();
    // Before it is closed, because then segments of what has changed are written anew.
    const { opened } = witness.attack();
    assert.ok(findIn(opened, [Buffer.from(twin)]).length > 0, 'the twin is lost');
    return findIn(opened, [Buffer.from(victim)]);
  });
}

for (const point of ['segment.registered', 'segment.read', 'segment.written', 'blob.rename'])
  test(`a segment that is being written at ${point} while one of its records is erased gives nothing back`, async (t) => {
    assert.deepEqual(await race(t, point), []);
  });

test('were segments not to die with what they cover, the attack would find the erased in them', async (t) => {
  const { dyingWith } = SegmentRegistry.prototype;
  SegmentRegistry.prototype.dyingWith = () => [];
  try {
    const found = await race(t, 'segment.written');
    assert.ok(found.length > 0 && found.every((name) => name.startsWith('segments.blob')), found.join(', '));
  } finally {
    SegmentRegistry.prototype.dyingWith = dyingWith;
  }
});
