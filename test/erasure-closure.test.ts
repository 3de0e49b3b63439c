/**
 * Every way of erasing, against somebody who has every byte that was ever written and today's keystore: nothing of what was
 * erased opens, in the text of a record, a version, a segment or a name; and the twin of each still does.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Destruction } from '../src/store/destruction.ts';
import { systemContext } from './afterwards.ts';
import { Canaries } from './canary.ts';
import { findIn } from './closure-attack.ts';
import { witnessed } from './witness.ts';

const WAYS = ['memory', 'subject', 'conversation', 'vault', 'filter'] as const;

interface Words {
  readonly victims: readonly string[];
  readonly twins: readonly string[];
}

/** What the attack reads of the victims, and which twins it does not. */
async function attacked(t: TestContext): Promise<{ read: readonly string[]; lost: readonly string[] }> {
  const { deployment, witness } = await witnessed(t);
  const canaries = new Canaries();
  const words: { victims: string[]; twins: string[] } = { victims: [], twins: [] };
  await deployment.opened(async (open) => {
    const context = () => systemContext(open);
    /** Everything that a memory can be: changed, named later, derived from, in a segment. */
    const sow = async (of: keyof Words, way: string) => {
      const word = (what: string): string => {
        const made = canaries.word(`${of} of ${way}: ${what}`);
        words[of].push(made);
        return made;
      };
      const { id: vault } = await open.vaults.createVault(await context(), { name: word('vault') });
      // Of the others, the vault and its name live on.
      if (way !== 'vault') words[of].pop();
      const add = async (input: object): Promise<string> =>
        (await open.memories.addMemory(await context(), vault, { text: '', kind: way, ...input })).id;
      const names = { subject: word('subject'), conversation: word('conversation') };
      const memory = await add({ text: word('first text') });
      // Its row goes with the change below; whoever made a copy before has it.
      witness.seeStore();
      await add({ text: word('derived'), derivedFrom: [memory] });
      await open.memories.updateMemory(
        await context(),
        { vault, memory },
        { text: word('text'), ...names },
        null,
      );
      // Only one way of erasing ends a name by itself.
      if (way !== 'subject') words[of].splice(words[of].indexOf(names.subject), 1);
      if (way !== 'conversation' && way !== 'vault')
        words[of].splice(words[of].indexOf(names.conversation), 1);
      await open.memories.searchMemories(await context(), vault, { query: 'anything', limit: 1 });
      return { vault, memory, ...names };
    };
    const victims = new Map<string, Awaited<ReturnType<typeof sow>>>();
    for (const way of WAYS) {
      victims.set(way, await sow('victims', way));
      await sow('twins', way);
    }
    await open.indexes.saveAll();
    witness.seeStore();
    for (const way of WAYS) {
      const { vault, memory, subject, conversation } = victims.get(way) ?? assert.fail();
      const target = {
        memory: { memory },
        subject: { subject },
        conversation: { vault, conversation },
        vault: { vault },
        filter: { vault, filter: { kind: way } },
      }[way];
      const plan = await open.erasureRequests.request(await context(), { target, dryRun: true });
      const confirm = 'confirm' in plan ? plan.confirm : '';
      await open.erasureRequests.request(await context(), { target, reason: 'an attack', confirm });
      witness.seeStore();
    }
    await open.erasures.settled();
  });
  witness.seeStore();
  const { opened } = witness.attack();
  const isRead = (word: string): boolean => findIn(opened, [Buffer.from(word)]).length > 0;
  return { read: words.victims.filter(isRead), lost: words.twins.filter((word) => !isRead(word)) };
}

test('nothing of what was erased in any way opens, and every twin does', async (t) => {
  assert.deepEqual(await attacked(t), { read: [], lost: [] });
});

test('were only the first slot of each erasure destroyed, the attack would read the rest', async (t) => {
  const { order, carryOut } = Destruction.prototype;
  Destruction.prototype.order = function first(tx, slots, reason, id) {
    return order.call(this, tx, slots.slice(0, 1), reason, id);
  };
  Destruction.prototype.carryOut = function first(request) {
    return carryOut.call(this, { ...request, slots: request.slots.slice(0, 1) });
  };
  try {
    assert.ok((await attacked(t)).read.length > 0);
  } finally {
    Object.assign(Destruction.prototype, { order, carryOut });
  }
});
