/** Claims, checks, sabotages and tests are one list: nothing is promised that nothing checks, and no check goes unproven. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { CHECKS } from '../src/assurance/checks.ts';
import { claimed, withParameters, type Claim } from '../src/assurance/claim.ts';
import { scanCheck } from '../src/assurance/checks/scan.ts';
import { observe } from '../src/assurance/runner.ts';
import { trySabotage } from '../src/assurance/sabotage.ts';
import { claimWith, CLAIMS } from '../src/assurance/table/claims.ts';
import { combine } from '../src/assurance/standing.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';
import type { World } from '../src/assurance/world.ts';
import { realEnvironment } from '../src/environment.ts';
import { scratchWorlds } from '../src/worlds.ts';
import { settingsOf } from './deployment.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const built = CLAIMS.filter(({ state }) => state.kind !== 'not_claimed').map(({ id }) => id);

test('the table holds every claim once, each with a reason where it is not built', () => {
  assert.equal(new Set(CLAIMS.map(({ id }) => id)).size, CLAIMS.length);
  assert.equal(CLAIMS.length, 86);
  for (const { id, sentence, state } of CLAIMS) {
    assert.ok(sentence.endsWith('.') && !sentence.endsWith('..'), id);
    if (state.kind === 'not_claimed') assert.ok(state.reason.length > 10, id);
    else assert.ok(state.notProven.length > 10 && state.mend.length > 10 && state.hoursFresh > 0, id);
    if (state.kind === 'partial') assert.ok(state.missing.length > 5, id);
  }
});

test('every built claim has a check and no other has one', () => {
  const checked = new Set(CHECKS.flatMap(({ claims }) => claims));
  assert.deepEqual([...checked].sort(), [...built].sort());
});

test('every claim of every check can be turned red by a sabotage', () => {
  for (const { name, claims, sabotages } of CHECKS) {
    const turned = new Set(sabotages.flatMap(({ turns }) => turns));
    assert.deepEqual([...turned].sort(), [...claims].sort(), name);
    assert.equal(new Set(sabotages.map((sabotage) => sabotage.name)).size, sabotages.length, name);
  }
});

test('every built claim is defended by a test that says so, and no test cites another', async () => {
  const cited = await citedIn(root);
  assert.deepEqual([...cited].sort(), [...built].sort());
});

test('a claim that is not built cannot be cited', () => {
  assert.throws(() => verifies('BCK-06'), RangeError);
  assert.throws(() => verifies('XXX-99'), RangeError);
});

test('no value lies beyond its floor, and every parameter is in its sentence', () => {
  const row = {
    id: 'NET-99',
    sentence: 'Within {seconds} s.',
    examines: '',
    method: 'T',
    supports: ['', '', '', '', ''],
    state: { kind: 'not_claimed', reason: 'a test' },
  } as const;
  const seconds = { value: 5, floor: 10, better: 'less' } as const;
  const claim: Claim = claimed({ ...row, parameters: { seconds } });
  assert.equal(withParameters(claim, { seconds: 10 }).parameters['seconds']?.value, 10);
  assert.throws(() => withParameters(claim, { seconds: 11 }), RangeError);
  assert.throws(() => withParameters(claim, { minutes: 1 }), RangeError);
  assert.throws(() => claimed({ ...row, parameters: { seconds: { ...seconds, value: 11 } } }), RangeError);
  assert.throws(() => claimed({ ...row, sentence: 'At once.', parameters: { seconds } }), RangeError);
});

// One of each kind of check here; all of them in the slow tests.
for (const [check, name] of [
  ['scan', 'plain-sealer'],
  ['sweep', 'silent-refusals'],
  ['ledger', 'rewritten-entry'],
  ['listener', 'older-version'],
  ['egress', 'call-home'],
] as const)
  test(`a scratch instance with the sabotage ${name} turns exactly its claims red`, async () => {
    const found = CHECKS.find((each) => each.name === check);
    const sabotage = found?.sabotages.find((each) => each.name === name);
    assert.ok(found !== undefined && sabotage !== undefined);
    const claims = new Map(found.claims.flatMap((id) => [[id, claimWith(id)] as const]));
    const open = scratchWorlds({
      settings: settingsOf({ tls: 'on' }),
      environment: realEnvironment,
      version: '0.0.0',
    });
    const known = new Map(
      [...claims].flatMap(([id, claim]) => (claim === undefined ? [] : [[id, claim] as const])),
    );
    const outcome = await trySabotage({ check: found, sabotage }, known, open);
    assert.ok(outcome.caught, `${outcome.turned.join()} ${outcome.faults.join('\n')}`);
  });

test('a scan that reads other files than those that are written fails instead of finding nothing', async () => {
  const settings = settingsOf({ tls: 'on' });
  const world = await scratchWorlds({ settings, environment: realEnvironment, version: '0.0.0' })({});
  try {
    const elsewhere: World = {
      ...world,
      written: async function* () {
        yield await Promise.resolve({ name: 'a file', bytes: new Uint8Array(1_000) });
      },
    };
    const open = () => Promise.resolve(elsewhere);
    const judge = await observe(scanCheck, { live: open, scratch: open });
    for (const id of ['CRY-01', 'KEY-01'] as const) {
      const claim = claimWith(id);
      assert.ok(claim !== undefined);
      const { verdict, faults } = combine([judge(claim)]);
      assert.equal(verdict, 'fail', id);
      assert.match(faults.join(), /not in the files that were read/);
    }
  } finally {
    await world.close();
  }
});

async function citedIn(folder: string): Promise<Set<string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const cited = new Set<string>();
  for (const entry of entries) {
    const path = join(entry.parentPath, entry.name);
    if (!entry.name.endsWith('.test.ts') || /node_modules|\/dist\//.test(path)) continue;
    for (const [, id] of (await readFile(path, 'utf8')).matchAll(/^ +verifies\('([A-Z]{3}-\d\d)'\);$/gm))
      if (id) cited.add(id);
  }
  return cited;
}
