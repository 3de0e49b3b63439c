/**
 * An erasure that a crash stops: at its fault points the folder is copied as it lies, and each copy is opened as the next
 * process would. It must be there whole or not at all.
 */
import assert from 'node:assert/strict';
import { cpSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { realEnvironment } from '../src/environment.ts';
import { silentLog } from '../src/http/request-log.ts';
import { openStrongroom } from '../src/strongroom.ts';
import { readRows } from './boxes.ts';
import { idOf, temporaryFolder, TestDeployment } from './deployment.ts';
import { checkInvariants } from './invariants.ts';

export const KINDS = {
  memory: ({ memory }) => ({ memory }),
  subject: () => ({ subject: 'ann' }),
  conversation: () => ({ vault: 'default', conversation: 'talk' }),
  vault: () => ({ vault: 'second' }),
  organization: ({ organization }) => ({ organization }),
} satisfies Record<string, (made: { memory: string; organization: string }) => object>;

/** All that is wrong with any copy; one is made at each fault point of which `isLooked` holds. */
export async function crash(
  t: TestContext,
  kind: keyof typeof KINDS,
  isLooked: (point: string) => boolean,
): Promise<{ readonly faults: readonly string[]; readonly points: ReadonlySet<string> }> {
  const folder = await temporaryFolder(t);
  const photos = new Map<string, string>();
  let isLooking = false;
  const deployment: TestDeployment = await TestDeployment.make(t, {
    fault: (name) => {
      if (!isLooking || photos.has(name) || !isLooked(name)) return;
      const photo = join(folder, name);
      cpSync(deployment.directory, photo, { recursive: true, filter: (path) => !path.endsWith('-shm') });
      photos.set(name, photo);
    },
  });
  await deployment.serve();
  const made = await sow(deployment);
  await deployment.must('POST', '/v1/vaults/default/search', { body: { query: 'canary' } });
  const target = KINDS[kind](made);
  const plan = await deployment.must('POST', '/v1/erasures', { body: { target, dryRun: true } });
  const grace = kind === 'organization' ? { graceDays: 0, confirm: plan.json['confirm'] } : {};
  isLooking = true;
  await deployment.must('POST', '/v1/erasures', { body: { target, reason: 'a crash', ...grace } });
  await deployment.stop();
  if (kind === 'organization') await deployment.opened(({ erasures }) => erasures.settled());
  isLooking = false;
  const faults: string[] = [];
  for (const [point, photo] of photos)
    faults.push(
      ...(await developed(deployment, photo, { kind, ...made })).map((fault) => `${point}: ${fault}`),
    );
  assert.ok(photos.size > 0);
  return { faults, points: new Set(photos.keys()) };
}

interface Sown {
  readonly memory: string;
  readonly derived: string;
  readonly twin: string;
  readonly second: string;
  readonly organization: string;
}

async function sow(deployment: TestDeployment): Promise<Sown> {
  await deployment.must('POST', '/v1/vaults', { body: { name: 'second' } });
  const add = async (vault: string, body: object): Promise<string> =>
    idOf(await deployment.must('POST', `/v1/vaults/${vault}/memories`, { body }));
  const memory = await add('default', { text: 'a canary', subject: 'ann', conversation: 'talk' });
  await deployment.must('PATCH', `/v1/vaults/default/memories/${memory}`, {
    body: { text: 'a canary, changed' },
  });
  return {
    memory,
    derived: await add('default', { text: 'derived from a canary', derivedFrom: [memory] }),
    twin: await add('default', { text: 'the twin', subject: 'bob', conversation: 'other' }),
    second: await add('second', { text: 'a canary elsewhere', subject: 'cleo' }),
    organization: String((await deployment.must('GET', '/v1/ledger/checkpoint')).json['log']),
  };
}

/** What is wrong in a copy, opened as the next process would. */
async function developed(
  { settings, clock }: TestDeployment,
  directory: string,
  { kind, ...made }: Sown & { readonly kind: string },
): Promise<string[]> {
  const open = await openStrongroom({
    directory,
    settings,
    environment: { ...realEnvironment, clock },
    log: silentLog,
    onFatal: () => undefined,
  });
  try {
    const faults = await checkInvariants(open, directory);
    const there = new Set((await readRows(open)).memories.map(({ id }) => id));
    const isErased = (await readRows(open)).erasures.length > 0;
    const victims = {
      memory: [made.memory, made.derived],
      subject: [made.memory, made.derived],
      conversation: [made.memory, made.derived],
      vault: [made.second],
      organization: [made.memory, made.derived, made.twin, made.second],
    }[kind];
    for (const id of victims ?? [])
      if (there.has(id) === isErased) faults.push(`${isErased ? 'asked for, and there' : 'lost'}: ${id}`);
    if (kind !== 'organization' && !there.has(made.twin)) faults.push('the twin is lost');
    return faults;
  } finally {
    await open.close();
  }
}
