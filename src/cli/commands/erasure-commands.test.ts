import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Erasure, ErasurePlan } from '@strongroom/client';
import { SigningKey } from '../../crypto/signature.ts';
import { introduce } from '../../ledger/ledger-keys.ts';
import { encodeVkey, verifierKey } from '../../ledger/note.ts';
import { EXPORT } from '../testing/fake-server.ts';
import { TestBench } from '../testing/test-io.ts';

const AT = '2026-11-21T10:00:00.000Z';
const ID = 'era_00000000000000000000000001';
const ERASURE: Erasure = {
  id: ID,
  kind: 'subject',
  state: 'destroyed',
  target: 'sub_00000000000000000000000001',
  cause: 'request',
  requestedBy: 'key_00000000000000000000000001',
  requestedAt: AT,
  hiddenAt: AT,
  destroyedAt: AT,
  removed: 0,
  keys: 1,
};
const PLAN: ErasurePlan = { dryRun: true, kind: 'subject', count: 3, confirm: 'sealed', expiresAt: AT };

/** Answers erasures, and keeps the bodies that were sent. */
function bench(t: TestContext): {
  run: TestBench['run'];
  made: TestBench;
  sent: unknown[];
  keptBy: string[];
} {
  const made = new TestBench(t);
  const sent: unknown[] = [];
  const keptBy: string[] = [];
  made.server.intercept = ({ method, path, body }) => {
    if (!path.startsWith('/v1/erasures') && !path.startsWith('/v1/certificate')) return undefined;
    sent.push(body);
    if (path === '/v1/certificate-key') return { status: 200, body: { verifierKey: 'the key' } };
    if (path.endsWith('/recipients'))
      return {
        status: 200,
        body: {
          recipients: [{ how: 'export', principal: ERASURE.requestedBy, lastAt: AT }],
          exports: [EXPORT],
        },
      };
    if (path.endsWith('/certificate'))
      return { status: 200, body: { certificate: '{"signed":true}\n', verifierKey: 'the key' } };
    if (method === 'GET' && path === '/v1/erasures')
      return { status: 200, body: { erasures: [ERASURE], next: null } };
    if (body?.['dryRun'] === true)
      return { status: 200, body: keptBy.length === 0 ? PLAN : { ...PLAN, keptBy } };
    return { status: method === 'POST' && path === '/v1/erasures' ? 202 : 200, body: ERASURE };
  };
  return { run: (argv, options) => made.run(argv, options), made, sent, keptBy };
}

test('erase says what would go, and erases only what was meant', async (t) => {
  const { run, sent, keptBy } = bench(t);
  const dry = await run(['erase', '--subject', 'ann', '--dry-run']);
  assert.deepEqual([dry.code, dry.out], [0, 'the subject with 3 memories would go\n']);
  keptBy.push('hld_00000000000000000000000001');
  const kept = await run(['erase', '--subject', 'ann', '--dry-run']);
  assert.match(kept.out, /would go, and nothing goes as long as it is kept: hld_/);
  sent.pop();
  keptBy.pop();
  const meant = await run(['erase', '--subject', 'ann', '--reason', 'hers']);
  assert.equal(meant.code, 2);
  assert.match(meant.err, /this erases the subject with 3 memories for good: add --yes/);
  assert.match((await run(['erase', '--subject', 'ann', '--yes'])).err, /say why: --reason/);
  sent.length = 0;
  const done = await run(['erase', '--subject', 'ann', '--yes', '--reason', 'hers']);
  assert.equal(done.code, 0);
  assert.match(done.out, /^id {10}era_/);
  assert.deepEqual(sent, [
    { target: { subject: 'ann' }, dryRun: true },
    { target: { subject: 'ann' }, reason: 'hers', confirm: 'sealed' },
  ]);
});

test('erase says how many archived memories a filter cannot be asked of', async (t) => {
  const { run, made } = bench(t);
  const inner = made.server.intercept;
  made.server.intercept = (request, ...rest) =>
    request.body?.['dryRun'] === true
      ? { status: 200, body: { ...PLAN, kind: 'memories', unasked: 2 } }
      : inner?.(request, ...rest);
  const filter = ['erase', '--vault', 'default', '--filter', '{"text":{"contains":"tea"}}'];
  assert.match((await run([...filter, '--dry-run'])).out, /^3 memories would go\n2 memories in the archive/);
  const done = await run([...filter, '--reason', 'x', '--yes']);
  assert.deepEqual([done.code, /2 memories in the archive/.test(done.err)], [0, true]);
});

test('vaults in the trash are listed with the day of their end', async (t) => {
  const made = new TestBench(t);
  const inTrash = { name: 'thrown', id: 'vlt_00000000000000000000000001', createdAt: AT, endsAt: AT };
  const vault = { ...inTrash, dimensions: null, deletion: { mode: 'trash', days: 30 } };
  made.server.intercept = ({ query }) =>
    query.get('state') === 'trashed' ? { status: 200, body: { vaults: [vault], next: null } } : undefined;
  const { out } = await made.run(['vault', 'list', '--trashed']);
  assert.match(out, /^NAME +ID .* ENDS\nthrown +vlt_0+1 .*2026-11-21 10:00$/m);
});

test('erasures are listed, shown and taken back; an organization is closed and reopened', async (t) => {
  const { run, sent } = bench(t);
  assert.match((await run(['erasures', 'list', '--state', 'hidden'])).out, /^ID +KIND +STATE/);
  assert.deepEqual(JSON.parse((await run(['--json', 'erasures', 'get', ID])).out), ERASURE);
  assert.equal((await run(['erasures', 'cancel', ID])).code, 0);
  const unsure = await run(['organization', 'close', '--reason', 'moved']);
  assert.equal(unsure.code, 2);
  assert.match(unsure.err, /3 memories/, 'it says what would go');
  sent.length = 0;
  const closed = await run(['organization', 'close', '--reason', 'moved', '--grace-days', '3', '--yes']);
  assert.equal(closed.code, 0);
  assert.match(closed.err, /organization reopen era_/);
  const [body] = sent as { reason: string; graceDays: number }[];
  assert.deepEqual([body?.reason, body?.graceDays], ['moved', 3]);
  sent.length = 0;
  const atOnce = await run(['organization', 'close', '--reason', 'moved', '--grace-days', '0', '--yes']);
  assert.deepEqual([atOnce.code, /reopen/.test(atOnce.err)], [0, false]);
  assert.deepEqual(
    (sent as { dryRun?: boolean; confirm?: string }[]).map(({ dryRun, confirm }) => [dryRun, confirm]),
    [
      [true, undefined],
      [undefined, 'sealed'],
    ],
  );
  assert.equal((await run(['organization', 'reopen', ID])).code, 0);
  assert.match((await run(['organization', 'reopen'])).out, new RegExp(ID), 'its id need not be known');
  const recipients = (await run(['erasures', 'recipients', ID])).out;
  assert.match(recipients, /^HOW +BY +VAULT +LAST\nexport +key_/);
  assert.match(recipients, /Kept by the server.*\nID +STATE.*\nexp_0+1 +ready/);
});

test('a certificate is written as it came, and one that does not hold is told apart from a wrong key', async (t) => {
  const { run, made } = bench(t);
  assert.equal((await run(['certificate', 'key'])).out, 'the key\n');
  assert.equal((await run(['certificate', 'get', ID])).out, '{"signed":true}\n');
  const written = await run(['certificate', 'get', ID, '--out', 'it.json']);
  assert.match(written.err, /verifies with the key the key/);
  const key = 'x+8ca9e2b4+AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
  const wrong = await run(['certificate', 'verify', 'it.json', '--key', key]);
  assert.equal(wrong.code, 2, 'the key is none, so nothing was learnt');
  writeFileSync(join(made.directory, 'other.json'), 'no certificate');
  const signer = new SigningKey(new Uint8Array(32).fill(3));
  const known = encodeVkey(verifierKey('strongroom/test/certificates', signer.publicKey));
  const { code, out } = await run(['certificate', 'verify', 'other.json', '--key', known]);
  assert.deepEqual([code, out], [3, 'DOES NOT HOLD  the envelope is not JSON\n']);
  const missing = await run(['certificate', 'verify', 'nowhere.json', '--key', known]);
  assert.match(missing.err, /^strongroom: ENOENT: no such file or directory, open '.*nowhere\.json'\n$/);
});

test('whether the key of today follows from one that is known is found out here, and not believed', async (t) => {
  const made = new TestBench(t);
  const name = 'strongroom/test/certificates';
  const signers = [3, 4, 5].map((byte) => new SigningKey(new Uint8Array(32).fill(byte)));
  const vkeys = signers.map(({ publicKey }) => encodeVkey(verifierKey(name, publicKey)));
  const introduced = (at: number, by: SigningKey | undefined): string | null => {
    const [next, before] = [signers[at], signers[at - 1]];
    if (next === undefined || before === undefined) return null;
    const of = { deployment: name, generation: at + 1, previous: before.publicKey };
    return introduce(of, next, by ?? null);
  };
  let keys: object[] = [];
  const tell = (...by: readonly (SigningKey | undefined)[]): void => {
    keys = vkeys.map((vkey, at) => ({
      generation: at + 1,
      verifierKey: vkey,
      since: AT,
      until: null,
      introduction: introduced(at, by[at]),
    }));
  };
  made.server.intercept = ({ path }) =>
    path === '/v1/certificate-key' ? { status: 200, body: { verifierKey: vkeys[2], keys } } : undefined;
  const known = async (vkey = ''): Promise<number> =>
    (await made.run(['certificate', 'key', '--known', vkey])).code;
  tell(undefined, signers[0], signers[1]);
  assert.deepEqual([await known(vkeys[0]), await known(vkeys[1]), await known(vkeys[2])], [0, 0, 0]);
  // The second says that it follows the first, which did not say so.
  tell(undefined, undefined, signers[1]);
  assert.deepEqual([await known(vkeys[0]), await known(vkeys[1])], [3, 0]);
  const elsewhere = encodeVkey(verifierKey('strongroom/other/certificates', signers[0]!.publicKey));
  assert.deepEqual([await known(elsewhere), await known('no key')], [3, 2]);
});
