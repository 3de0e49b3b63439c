import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { ClaimResult, ClaimVerdict, SabotageOutcome, Verification } from '@strongroom/client';
import { TestBench } from '../testing/test-io.ts';

const result = (id: string, verdict: ClaimVerdict, more: Partial<ClaimResult> = {}): ClaimResult => ({
  id,
  family: id.slice(0, 3),
  sentence: `What ${id} promises.`,
  verdict,
  held: verdict === 'pass',
  method: 'T',
  supports: { soc2: [], iso27001: [], gdpr: [], hipaa: [], ccpa: [] },
  parameters: {},
  faults: [],
  ...more,
});

function bench(t: TestContext, results: ClaimResult[], sabotages?: SabotageOutcome[]): TestBench {
  const made = new TestBench(t);
  const verification: Verification = {
    id: 'ver_00000000000000000000000001',
    deployment: 'strongroom/00',
    build: 'strongroom-0.0.0',
    startedAt: '2026-11-21T10:00:00.000Z',
    finishedAt: '2026-11-21T10:00:01.000Z',
    ran: results.filter(({ checkedAt }) => checkedAt !== undefined).map(({ id }) => id),
    results,
    ...(sabotages === undefined ? {} : { sabotages }),
    evidence: { digests: {}, digest: 'ab', n: 1, leaf: 'e30=', proof: 'p', verifierKey: 'k' },
  };
  const progress = { type: 'progress', check: 'scan', place: 'live', number: 1, of: 1, claims: ['CRY-01'] };
  made.server.intercept = ({ path }) =>
    path === '/v1/verifications'
      ? {
          status: 200,
          body: [progress, { type: 'verification', verification }].map(
            (event) => `${JSON.stringify(event)}\n`,
          ),
        }
      : undefined;
  return made;
}

const checked = { checkedAt: '2026-11-21T10:00:00.000Z', ageSeconds: 0, place: 'live', covered: 1 } as const;

test('a pass is shown with what it does not prove, and progress while it runs', async (t) => {
  const pass = result('CRY-01', 'pass', { ...checked, notProven: 'All else.', mend: 'mend' });
  const { code, out, err } = await bench(t, [pass, result('BCK-01', 'not_claimed', { reason: 'None.' })]).run(
    ['verify'],
  );
  assert.equal(code, 0);
  assert.equal(err, '1/1 scan (live): CRY-01\n');
  assert.equal(
    out,
    'pass     CRY-01 What CRY-01 promises. (live, now)\n         does not prove: All else.\n\n' +
      'ver_00000000000000000000000001: 1 pass, 1 not claimed of 2 claims. Only a pass is held.\n',
  );
});

test('a failure is shown with what would mend it, and ends with 3, whatever else there is', async (t) => {
  const fail = result('CRY-01', 'fail', { ...checked, faults: ['it is broken'], mend: 'strongroom mend' });
  const { code, out } = await bench(t, [fail, result('AUD-01', 'error', checked)]).run(['verify']);
  assert.equal(code, 3);
  assert.match(out, /FAIL {5}CRY-01 .*\n {9}it is broken\n {9}to mend it: strongroom mend\n/);
});

test('what could not be finished ends with 5, and so does a claim by name that is not claimed', async (t) => {
  for (const verdict of ['error', 'stale'] as const) {
    const { code } = await bench(t, [result('CRY-01', verdict, checked)]).run(['verify']);
    assert.equal(code, 5, verdict);
  }
  const none = [result('BCK-01', 'not_claimed', { reason: 'None.' })];
  assert.equal((await bench(t, none).run(['verify', '--claim', 'BCK-01'])).code, 5);
  assert.equal((await bench(t, []).run(['verify'])).code, 5);
});

test('a half-built claim is shown as half', async (t) => {
  const half = result('TEN-01', 'partial', { ...checked, missing: 'timing' });
  const { code, out } = await bench(t, [half]).run(['verify', '--family', 'TEN']);
  assert.equal(code, 0);
  assert.match(out, /^PARTIAL {2}TEN-01 .*\n {9}not checked: timing\n/);
});

test('a sabotage that its check does not see ends with 3', async (t) => {
  const outcome = {
    check: 'scan',
    name: 'plain',
    breaks: 'Sealing.',
    expected: ['CRY-01'],
    turned: ['CRY-01'],
    caught: true,
    faults: ['found'],
  };
  const seen = await bench(t, [], [outcome]).run(['verify', '--sabotage', 'CRY-01']);
  assert.deepEqual([seen.code, seen.out.split('\n')[0]], [0, 'RED      scan, plain: Sealing.']);
  const unseen = await bench(t, [], [{ ...outcome, turned: [], caught: false }]).run([
    'verify',
    '--sabotage',
    'CRY-01',
  ]);
  assert.deepEqual([unseen.code, unseen.out.split('\n')[0]], [3, 'UNSEEN   scan, plain: Sealing.']);
});

test('the page of claims shows every promise as a sentence with how it stands', async (t) => {
  const { code, out } = await bench(t, [
    result('CRY-01', 'pass', checked),
    result('BCK-01', 'not_claimed', { reason: 'There are no backups.' }),
  ]).run(['claims']);
  assert.equal(code, 0);
  assert.equal(
    out,
    'Encryption\n\n  CRY-01 What CRY-01 promises.\n         held, checked now\n\n' +
      'Backups\n\n  BCK-01 What BCK-01 promises.\n         not claimed\n         There are no backups.\n\n',
  );
});

test('what is no bundle is a usage error, and an altered one ends with 3', async (t) => {
  const made = bench(t, [result('CRY-01', 'pass', checked)]);
  writeFileSync(join(made.directory, 'text'), 'hello');
  writeFileSync(join(made.directory, 'other.json'), '{"id": 1}');
  for (const file of ['missing', 'text', 'other.json'])
    assert.equal((await made.run(['verify', '--offline', file])).code, 2, file);
  const { out } = await made.run(['verify', '--json']);
  writeFileSync(join(made.directory, 'bundle.json'), out);
  const { code, out: said } = await made.run(['verify', '--offline', 'bundle.json']);
  assert.equal(code, 3);
  assert.match(said, /^ALTERED {2}head is not what was recorded\n/);
});
