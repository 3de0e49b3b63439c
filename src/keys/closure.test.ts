import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findIn } from '../../test/closure-attack.ts';
import type { EpochSteps } from './epoch.ts';
import { topKeyOf } from './epoch-file.ts';
import { sealPage } from './page.ts';
import { slotOf } from './slot.ts';
import { scopeOf, subjectOf, Witnessed } from './testing/witnessed.ts';
import { DEPLOYMENT } from './testing/world.ts';
import { findLeaf } from './tree.ts';

async function history(seed: string, sabotage: Partial<EpochSteps> = {}): Promise<Witnessed> {
  const witnessed = await Witnessed.create(seed, sabotage);
  for (let at = 0; at < 24; at++) witnessed.addRecord(`mem_${at}`, slotOf(2 + (at % 2), at), scopeOf(at % 4));
  await witnessed.erase(slotOf(2, 4));
  await witnessed.erase(slotOf(2, 6), slotOf(3, 7));
  await witnessed.erase(slotOf(2, 8));
  await witnessed.erase(subjectOf(1));
  return witnessed;
}

test('from today’s keystore and all that was ever written, nothing opens that was erased, and everything else does', async () => {
  const witnessed = await history('sound');
  await witnessed.keyring.close();
  witnessed.keyring = await witnessed.world.open();
  witnessed.addRecord('mem_late', slotOf(2, 100), scopeOf(2));
  await witnessed.erase(slotOf(3, 11));
  const result = witnessed.attack();
  assert.deepEqual(witnessed.leaks(result), []);
  const dead = witnessed.canaries.filter((canary) => witnessed.isDead(canary)).map(({ name }) => name);
  assert.ok(dead.length >= 9);
  for (const { name } of witnessed.canaries)
    assert.equal(result.opened.has(name), !dead.includes(name), name);
  assert.ok(result.values > 1000 && witnessed.pages.length > 12);
});

const keepLeafKey: EpochSteps['pageKey'] = (random, height, previous) =>
  previous !== null && height === 0 ? previous.slice() : random(32);

const sabotages: { name: string; steps: () => Partial<EpochSteps> }[] = [
  { name: 'the key of a leaf page is kept', steps: () => ({ pageKey: keepLeafKey }) },
  {
    name: 'a puncture does nothing',
    steps: () => ({
      puncture: (page) => page.slice(),
      check: () => undefined,
      reopen: async () => undefined,
    }),
  },
  {
    name: 'an old cell is not wiped',
    steps: () => ({ wipe: async () => undefined, reopen: async () => undefined }),
  },
];

for (const { name, steps } of sabotages) {
  test(`the attack finds it when ${name}`, async () => {
    const witnessed = await history(name, steps());
    assert.notDeepEqual(witnessed.leaks(witnessed.attack()), []);
  });
}

test('the attack finds it when something else is sealed under the root', async () => {
  const sealed: { bytes: Uint8Array; at: number }[] = [];
  const alsoSeal: EpochSteps['alsoSeal'] = (root, draft, before) => {
    const page = findLeaf(before, 2);
    if (typeof page === 'string') return;
    const place = { deployment: DEPLOYMENT, height: 0, index: 2 };
    const bytes = sealPage(topKeyOf(root, DEPLOYMENT), place, page, (length) =>
      new Uint8Array(length).fill(5),
    );
    sealed.push({ bytes, at: draft.add(bytes) });
  };
  const witnessed = await history('sealed', { alsoSeal });
  // The last epoch that punctured leaf 2 is not the newest one: the box is of the epoch that still had its seeds.
  await witnessed.erase(slotOf(2, 10));
  for (const { bytes, at } of sealed) witnessed.addPage(`also/${at}`, bytes, 0, 2);
  assert.notDeepEqual(witnessed.leaks(witnessed.attack()), []);
});

for (const sides of [true, false])
  test(`files beside the root from before ${sides ? 'a rotation of their keys open no more' : 'an epoch that keeps their keys are found'}`, async () => {
    const witnessed = await history(`sides ${sides}`);
    const { world, keyring } = witnessed;
    await keyring.keepNote('old', { text: 'canary-of-an-old-note' });
    await keyring.keepNote('old', null);
    await keyring.keepNote('new', { text: 'canary-of-today' });
    const { epoch, sideGeneration } = keyring;
    await keyring.turn({ sides });
    assert.ok(keyring.epoch > epoch);
    assert.equal(keyring.sideGeneration, sideGeneration + Number(sides));
    const { opened } = witnessed.attack();
    assert.ok(findIn(opened, [Buffer.from('canary-of-today')]).length > 0);
    assert.equal(findIn(opened, [Buffer.from('canary-of-an-old-note')]).length === 0, sides);
    await keyring.close();
    const again = await world.open();
    assert.deepEqual([...again.notes.keys()], ['new']);
    await again.close();
  });
