/** Erasure, rotation and restore together: whatever is replaced or comes back, what was erased does not. */
import assert from 'node:assert/strict';
import { cpSync, rmSync } from 'node:fs';
import { test } from 'node:test';
import { Canaries } from './canary.ts';
import { findIn } from './closure-attack.ts';
import { idOf } from './deployment.ts';
import { RestoredCopy } from './recovery.ts';
import { witnessed } from './witness.ts';

const WAYS = ['memory', 'subject', 'conversation', 'vault', 'filter'] as const;

interface Sown {
  readonly vault: string;
  readonly id: string;
  readonly word: string;
  readonly target: object;
}

test('what was erased stays so when every key is rotated and a backup from before both is restored, and its twin comes back', async (t) => {
  const { deployment, witness } = await witnessed(t);
  const canaries = new Canaries();
  await deployment.serve();
  const sow = async (way: (typeof WAYS)[number], who: string): Promise<Sown> => {
    const name = `${who}-${way}`;
    const vault = idOf(await deployment.must('POST', '/v1/vaults', { body: { name } }));
    const word = canaries.word(name);
    const body = { text: `it says ${word}`, subject: name, conversation: name, kind: name };
    const id = idOf(await deployment.must('POST', `/v1/vaults/${vault}/memories`, { body }));
    const target = {
      memory: { memory: id },
      subject: { subject: name },
      conversation: { vault, conversation: name },
      vault: { vault },
      filter: { vault, filter: { kind: name } },
    }[way];
    return { vault, id, word, target };
  };
  const victims: Sown[] = [];
  const twins: Sown[] = [];
  for (const way of WAYS) {
    victims.push(await sow(way, 'victim'));
    twins.push(await sow(way, 'twin'));
  }
  await deployment.must('POST', '/v1/backups', { body: { kind: 'full' } });
  witness.seeStore();
  /** How many of the victims and of the twins today's keystore opens, in anything that was ever written. */
  const read = (): readonly number[] => {
    const { opened } = witness.attack();
    return [victims, twins].map(
      (of) => of.filter(({ word }) => findIn(opened, [Buffer.from(word)]).length > 0).length,
    );
  };
  const rotate = (retired: 'keep' | 'destroy') =>
    deployment.must('POST', '/v1/rotations', { body: { retired } });

  for (const { target } of victims) {
    const { json } = await deployment.must('POST', '/v1/erasures', { body: { target, dryRun: true } });
    const body = { target, reason: 'asked for', confirm: json['confirm'] };
    await deployment.must('POST', '/v1/erasures', { body });
  }
  await rotate('keep');
  await deployment.stop();
  witness.seeStore();
  const copy = await RestoredCopy.beside(t, deployment, { replicas: ['a', 'b'] });
  await witness.elsewhere(copy.directory, async () => {
    await copy.restore();
    await copy.commit((name) => witness.look(name));
    witness.seeStore();
  });
  rmSync(deployment.directory, { recursive: true, force: true });
  cpSync(copy.directory, deployment.directory, { recursive: true });
  await deployment.serve();
  const statuses = async (of: readonly Sown[]): Promise<number[]> => {
    const answers: number[] = [];
    for (const { vault, id } of of)
      answers.push((await deployment.call('GET', `/v1/vaults/${vault}/memories/${id}`)).status);
    return answers;
  };
  for (const retired of ['keep', 'destroy'] as const) {
    assert.deepEqual(await statuses(victims), Array(WAYS.length).fill(404));
    assert.deepEqual(await statuses(twins), Array(WAYS.length).fill(200));
    await rotate(retired);
  }
  await deployment.stop();
  witness.seeStore();
  assert.deepEqual(read(), [0, WAYS.length]);
});
