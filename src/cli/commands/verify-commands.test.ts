import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { ClaimResult, ClaimVerdict, SabotageOutcome, Verification } from '@strongroom/client';
import { standingOf } from '../../assurance/standing.ts';
import { CLAIMS } from '../../assurance/table/claims.ts';
import { ageText } from '../show/claims.ts';
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

test('a pass is shown with its age and what it does not prove, and progress while it runs', async (t) => {
  const pass = result('CRY-01', 'pass', { ...checked, notProven: 'That all else holds.', mend: 'mend' });
  const { code, out, err } = await bench(t, [pass, result('BCK-01', 'not_claimed', { reason: 'None.' })]).run(
    ['verify'],
  );
  assert.equal(code, 0);
  assert.match(err, /^1\/1 scan: CRY-01\nRecorded in the ledger as ver_\w+\.\nKept with --json > FILE, /);
  assert.equal(
    out,
    'CLAIM   VERDICT   CHECKED     PROMISE\n' +
      'CRY-01  pass      just now    What CRY-01 promises.\n        Not proven: that all else holds.\n\n' +
      '1 pass, 1 not claimed of 2 claims.\nOnly a pass is held.\n',
  );
});

test('how old a result is reads at a glance', () => {
  assert.deepEqual([undefined, 0, 42, 61, 7300, 200_000].map(ageText), [
    'never',
    'just now',
    '42 s ago',
    '1 min ago',
    '2 h ago',
    '2 d ago',
  ]);
});

test('a failure stands last, with what would mend it as it is called here, and ends with 3, whatever else there is', async (t) => {
  const fail = result('CRY-01', 'fail', {
    ...checked,
    faults: ['it is broken'],
    mend: 'strongroom doctor --data DIR',
  });
  const { code, out } = await bench(t, [
    fail,
    result('AUD-01', 'error', checked),
    result('KEY-01', 'pass', checked),
  ]).run(['verify'], { variables: { npm_lifecycle_event: 'strongroom' } });
  assert.equal(code, 3);
  assert.deepEqual(
    out.split('\n').flatMap((line) => /^([A-Z]{3}-\d\d) /.exec(line)?.[1] ?? []),
    ['KEY-01', 'AUD-01', 'CRY-01'],
  );
  assert.match(
    out,
    /CRY-01 {2}FAIL .*\n {8}! it is broken\n {8}To mend it: npm run -s strongroom -- doctor --data DIR\n/,
  );
});

test('what could not be finished ends with 5, and so does a claim by name that is not claimed', async (t) => {
  for (const verdict of ['error', 'stale'] as const) {
    const { code } = await bench(t, [result('CRY-01', verdict, checked)]).run(['verify']);
    assert.equal(code, 5, verdict);
  }
  const none = [result('BCK-01', 'not_claimed', { reason: 'None.' })];
  assert.equal((await bench(t, none).run(['verify', '--claim', 'bck-01'])).code, 5);
  assert.equal((await bench(t, []).run(['verify'])).code, 5);
});

test('what the server cannot do has not been checked: 5; a wrong question is 2 and a wrong key 4', async (t) => {
  const answers: readonly [number, string, number][] = [
    [503, 'ledger.unavailable', 5],
    [503, 'busy', 5],
    [429, 'rate.limited', 5],
    [403, 'access.refused', 5],
    [500, 'internal', 5],
    [400, 'request.invalid', 2],
    [401, 'auth.invalid', 4],
  ];
  for (const [status, code, expected] of answers) {
    const made = new TestBench(t);
    const problem = { type: 'x', title: 'No', status, code };
    made.server.intercept = () => ({ status, body: problem });
    const ran = await made.run(['verify', '--claim', 'AUD-01']);
    assert.equal(ran.code, expected, code);
    assert.ok(ran.err.includes(code === 'request.invalid' ? 'No' : code), ran.err);
  }
  const cut = bench(t, []);
  cut.server.intercept = () => ({
    status: 200,
    body: ['{"type":"progress","check":"scan","place":"live","number":1,"of":2,"claims":[]}\n'],
  });
  assert.equal((await cut.run(['verify'])).code, 5);
});

test('a half-built claim is shown as half', async (t) => {
  const half = result('TEN-01', 'partial', { ...checked, missing: 'timing' });
  const { code, out } = await bench(t, [half]).run(['verify', '--family', 'ten']);
  assert.equal(code, 0);
  assert.match(out, /\nTEN-01 {2}partial .*\n {8}Not checked: timing\n/);
});

test('details say what was looked at and measured', async (t) => {
  const pass = result('CRY-03', 'pass', {
    ...checked,
    covered: 5,
    parameters: { days: 14 },
    measured: { cipher: 'X' },
  });
  const { out } = await bench(t, [pass]).run(['verify', '--details']);
  assert.match(out, /\n {8}Looked at 5, on the running server: days 14, cipher X\n/);
});

test('every claim of the table fits a terminal of eighty columns, whatever became of it', async (t) => {
  const results = CLAIMS.map((claim, at) => {
    const verdict = (['pass', 'fail', 'error', 'stale', 'partial'] as const)[at % 5] ?? 'pass';
    const standing = standingOf(claim, undefined, { nowMs: 0, build: '' });
    const faults = verdict === 'fail' ? ['x'.repeat(200)] : [];
    return standing.verdict === 'not_claimed' ? standing : { ...standing, ...checked, verdict, faults };
  });
  const made = bench(t, results);
  for (const command of [['verify', '--details'], ['claims']]) {
    const { out } = await made.run(command, { outColumns: 80, variables: { NO_COLOR: '1' } });
    assert.ok(out.split('\n').length > 100);
    for (const line of out.split('\n')) assert.ok(line.length < 80, line);
  }
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
  assert.deepEqual([seen.code, seen.out.split('\n')[0]], [0, 'RED     scan, plain']);
  const unseen = await bench(t, [], [{ ...outcome, turned: [], caught: false }]).run([
    'verify',
    '--sabotage',
    'CRY-01',
  ]);
  assert.deepEqual([unseen.code, unseen.out.split('\n')[0]], [3, 'UNSEEN  scan, plain']);
  assert.match(unseen.out, /Turned red: nothing; had to: CRY-01/);
});

test('what would be ignored is refused', async (t) => {
  for (const flags of [
    ['--offline', 'x', '--claim', 'CRY-01'],
    ['--offline', 'x', '--sabotage', 'CRY-01'],
    ['--sabotage', 'CRY-01', '--family', 'CRY'],
    ['--vkey', 'x'],
  ])
    assert.equal((await bench(t, []).run(['verify', ...flags])).code, 2, flags.join(' '));
});

test('the page of claims shows every promise as a sentence with how it stands', async (t) => {
  const { code, out } = await bench(t, [
    result('CRY-01', 'pass', checked),
    result('BCK-01', 'not_claimed', { reason: 'There are no backups.' }),
  ]).run(['claims']);
  assert.equal(code, 0);
  assert.equal(
    out,
    'Encryption\n\nCRY-01  What CRY-01 promises.\n        Held, checked just now.\n\n' +
      'Backups\n\nBCK-01  What BCK-01 promises.\n        Not claimed. There are no backups.\n\n' +
      '1 pass, 1 not claimed of 2 claims.\nOnly a pass is held.\n',
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
