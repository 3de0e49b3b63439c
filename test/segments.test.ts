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
import { KeyedSealer } from '../src/keys/record-sealer.ts';
import { LEAF_SLOTS, type Slot } from '../src/keys/slot.ts';
import { xorshift } from '../src/search/vectors/numbers.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { TestTimer } from '../src/testing/timer.ts';
import { Leisure } from '../src/vaults/leisure.ts';
import { People } from '../src/vaults/people.ts';
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

test('the index of a vault stays open while people and conversations are erased, and says what one filled anew says', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  await deployment.opened(async (open) => {
    const context = await systemContext(open);
    const random = xorshift(7);
    const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)] as T;
    const [people, talks] = [
      ['ann', 'bob', 'cat'],
      ['one', 'two', 'three'],
    ];
    const vault = await theVault(open);
    const ids: string[] = [];
    const found = async (): Promise<readonly (readonly unknown[])[]> => {
      const request = { query: 'tea', limit: 100 };
      const { results } = await open.memories.searchMemories(context, 'default', request);
      return results.map(({ id, subject, conversation, version, score }) => [
        id,
        subject,
        conversation,
        version,
        score.toFixed(12),
      ]);
    };
    const add = async (number: number): Promise<void> => {
      const sources = random() < 0.3 ? (await found()).slice(0, 2).map(([id]) => String(id)) : [];
      const { id } = await open.memories.addMemory(context, 'default', {
        text: `tea ${number} ${'and more '.repeat(number % 5)}`,
        ...(random() < 0.5 ? { subject: pick(people) } : {}),
        ...(random() < 0.5 ? { conversation: pick(talks) } : {}),
        ...(sources.length === 0 ? {} : { derivedFrom: sources }),
      });
      ids.push(id);
    };
    const change = async (): Promise<void> => {
      const place = { vault: 'default', memory: pick(ids) };
      const patch = random() < 0.5 ? { subject: pick([...people, null]) } : { conversation: pick(talks) };
      // It may be gone.
      await open.memories
        .updateMemory(context, place, patch, null)
        .catch((error: unknown) => assert.equal((error as { code: unknown }).code, 'not_found'));
    };
    let gone = 0;
    for (const target of [
      { subject: 'ann' },
      { vault: 'default', conversation: 'two' },
      { subject: 'bob' },
      { vault: 'default', conversation: 'one' },
    ]) {
      for (let number = 0; number < 40; number++) await (number % 3 === 2 ? change() : add(number));
      const before = await found();
      const index = await open.indexes.of(vault);
      await open.erasureRequests.request(context, { target, reason: 'asked' });
      const after = await found();
      gone += before.length - after.length;
      assert.equal(await open.indexes.of(vault), index, 'it was not closed');
      await open.indexes.drop(vault);
      assert.deepEqual(await found(), after);
    }
    assert.ok(gone > 40, `${gone} were erased`);
  });
});

test('what is tied to a person by its slot alone is taken out of an open index with them', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  await deployment.opened(async (open) => {
    const context = await systemContext(open);
    for (const subject of ['ann', null, null])
      await open.memories.addMemory(context, 'default', {
        text: 'first',
        ...(subject === null ? {} : { subject }),
      });
    await findsAll(open, 3);
    const { memory_versions: versions, subjects } = await readRows(open);
    const [tied] = versions.filter(({ scope }) => !scope.includes('subject'));
    const { organization, vault, memory, slot } = tied as (typeof versions)[number];
    await open.store.write(context.organization, (tx) =>
      tx.sql
        .insertInto('tied_slots')
        .values({
          organization,
          vault,
          memory,
          slot,
          change: tx.change,
          tied_to: subjects[0]?.slot as number,
        })
        .execute(),
    );
    await open.erasureRequests.request(context, { target: { subject: 'ann' }, reason: 'asked' });
    await findsAll(open, 1);
  });
});

test('an index that is filled while somebody is being erased says nothing of them', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  await deployment.opened(async (open) => {
    const context = await systemContext(open);
    const vault = await theVault(open);
    const { forgetSubject, forgetConversation } = People.prototype;
    const fill = async (): Promise<void> => {
      await open.indexes.drop(vault);
      await open.indexes.of(vault);
    };
    // Before and after the name goes, in the middle of the erasure's transaction.
    People.prototype.forgetSubject = async function (...given) {
      await fill();
      await forgetSubject.apply(this, given);
      await fill();
    };
    People.prototype.forgetConversation = async function (...given) {
      await fill();
      await forgetConversation.apply(this, given);
      await fill();
    };
    t.after(() => Object.assign(People.prototype, { forgetSubject, forgetConversation }));
    for (const own of [{ subject: 'ann' }, { conversation: 'talk' }, {}])
      await open.memories.addMemory(context, 'default', { text: 'first', ...own });
    await findsAll(open, 3);
    await open.erasureRequests.request(context, { target: { subject: 'ann' }, reason: 'asked' });
    await findsAll(open, 2);
    const target = { vault: 'default', conversation: 'talk' };
    await open.erasureRequests.request(context, { target, reason: 'asked' });
    await findsAll(open, 1);
  });
});

const MANY = 400;

async function withMany(
  t: TestContext,
  use: (open: Strongroom, vault: Vault) => Promise<void>,
): Promise<void> {
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  await deployment.opened(async (open) => {
    const many = Array.from({ length: MANY }, (_, n) => ({ text: `first ${n}` }));
    await open.memories.addMemories(await systemContext(open), 'default', many);
    await use(open, await theVault(open));
  });
}

/** Reads a vault from its records; something is done in each turn of the event loop until that is over. */
async function fillAnew(open: Strongroom, vault: Vault, inEachTurn: () => void): Promise<void> {
  await open.indexes.drop(vault);
  const seen = { isFull: false };
  const filling = open.indexes.of(vault).finally(() => (seen.isFull = true));
  for (; !seen.isFull; await turn()) inEachTurn();
  await filling;
}

test('while a vault is read from its records everybody else has a turn after each of them', async (t) => {
  await withMany(t, async (open, vault) => {
    const { at } = KeyedSealer.prototype;
    let opened = 0;
    t.after(() => Object.assign(KeyedSealer.prototype, { at }));
    KeyedSealer.prototype.at = function (record) {
      opened++;
      return at.call(this, record);
    };
    let [before, most] = [0, 0];
    await fillAnew(open, vault, () => {
      most = Math.max(most, opened - before);
      before = opened;
    });
    assert.ok(opened >= MANY && most <= 2, `${opened} opened, up to ${most} in one turn`);
  });
});

test('a vault is read from its records in few portions, unless somebody searches another one meanwhile', async (t) => {
  await withMany(t, async (open, vault) => {
    const context = await systemContext(open);
    await open.store.write(context.organization, (tx) => open.vaults.create(tx, vault, { name: 'other' }));
    const other = await open.vaults.find(context.organization, 'other');
    assert.ok(other !== null);
    await open.indexes.of(other);
    const read = open.store.read.bind(open.store);
    let reads = 0;
    open.store.read = ((...asked: Parameters<typeof read>) => {
      reads++;
      return read(...asked);
    }) as typeof read;
    const readsBeside = async (asked: Vault): Promise<number> => {
      reads = 0;
      const asking: Promise<unknown>[] = [];
      await fillAnew(open, vault, () => asking.push(open.indexes.ask(asked, (index) => index.stats())));
      await Promise.all(asking);
      return reads;
    };
    const own = await readsBeside(vault);
    const others = await readsBeside(other);
    assert.ok(
      own < 15 && others > 3 * own,
      `${own} reads beside searches of its own, ${others} beside others`,
    );
  });
});

test('a segment that erasures overtake is begun again, and left for the next time where they do not end', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.stop();
  await deployment.opened(async (open) => {
    const write = open.segments.write.bind(open.segments);
    let overtaken = 0;
    open.segments.write = (...given) => (overtaken-- > 0 ? Promise.resolve('overtaken') : write(...given));
    await twoLeaves(open);
    overtaken = 3;
    await open.indexes.saveAll();
    assert.equal((await liveSegments(open)).length, 2);
    await open.memories.addMemory(await systemContext(open), 'default', { text: 'later' });
    overtaken = Number.POSITIVE_INFINITY;
    const before = await liveSegments(open);
    await open.indexes.saveAll();
    assert.deepEqual(await liveSegments(open), before);
    overtaken = 0;
    await open.indexes.saveAll();
    assert.notDeepEqual(await liveSegments(open), before);
  });
});
