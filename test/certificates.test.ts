/** Certificates: what they prove, to whom, and that no altered byte of one passes, by our code or by a stranger's. */
import assert from 'node:assert/strict';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { canonicalBytes, type Json as JsonValue } from '../src/bytes/canonical-json.ts';
import { SigningKey } from '../src/crypto/signature.ts';
import { TestBench } from '../src/cli/testing/test-io.ts';
import { declareLost } from '../src/keys/replica-set.ts';
import type { Slot } from '../src/keys/slot.ts';
import { encodeVkey, verifierKey } from '../src/ledger/note.ts';
import { signEnvelope, STATEMENT_TYPE } from '../src/lifecycle/envelope.ts';
import { verifyCertificate, type Statement } from '../src/lifecycle/verify-certificate.ts';
import { idOf, TestDeployment, type Json } from './deployment.ts';

const BASE = '/v1/vaults/default/memories';
const SCRIPT = fileURLToPath(new URL('../scripts/verify-certificate.mjs', import.meta.url));
const NONCE = Buffer.alloc(24, 7).toString('base64url');
const REQUESTER = 'ann@example.org';

/** A statement with whatever in it. */
interface Loose {
  subject: { name: string; digest: { sha256: string } }[];
  predicate: Record<string, Record<string, unknown>>;
}

/** Changes a member of a part of the predicate. */
const set =
  (part: string, change: (value: Record<string, unknown>) => object) =>
  (statement: Loose): void => {
    const value = statement.predicate[part] ?? {};
    statement.predicate[part] = { ...value, ...change(value) };
  };

const FORGERIES: Readonly<Record<string, (statement: Loose) => void>> = {
  'another erasure': set('erasure', () => ({ id: 'era_01kr0y2g80exb8jcgp8rznahj4' })),
  'another kind': set('erasure', () => ({ kind: 'vault' })),
  'another organization': set('erasure', () => ({ organization: 'org_01kr0y2g80exb8jcgp8rznahj4' })),
  'a time before the request': set('erasure', () => ({ destroyedAt: '2020-01-01T00:00:00.000Z' })),
  'more keys': set('keys', ({ ranges }) => ({ ranges: [...(ranges as number[][]), [9e9, 9e9]] })),
  'more keys, counted': set('keys', () => ({ ranges: [[1, 2]], count: 2 })),
  'another digest': set('keys', () => ({ digest: '00'.repeat(32) })),
  'another epoch': set('keys', () => ({ epoch: 1 })),
  'a replica that was not verified': set('verification', () => ({ reopenedCold: [] })),
  'keys that did not answer': set('verification', () => ({ answeredErased: 0 })),
  'no replica': set('keystore', () => ({ replicas: [] })),
  'another entry': set('ledger', ({ n }) => ({ n: Number(n) - 1 })),
  'another log': set('ledger', () => ({ log: 'deployment' })),
  'another proof': set('ledger', ({ proof }) => ({ proof: String(proof).replace(/\n[^\n]{44}\n/, '\n') })),
  'an unknown member': set('erasure', () => ({ note: 'x' })),
  'another subject': ({ subject: [subject] }) => {
    if (subject !== undefined) subject.name = 'era_01kr0y2g80exb8jcgp8rznahj4';
  },
  'another digest of the subject': ({ subject: [subject] }) => {
    if (subject !== undefined) subject.digest.sha256 = '00'.repeat(32);
  },
};

interface Issued {
  readonly id: string;
  readonly text: string;
  readonly key: string;
}

/** By the stranger's file: what is wrong, or null. */
async function strangers(): Promise<(text: string, key: string) => string | null> {
  const { check } = (await import(SCRIPT)) as { check: (text: string, key: string) => unknown };
  return (text, key) => {
    try {
      check(text, key);
      return null;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  };
}

async function erase(deployment: TestDeployment, body: object = {}): Promise<string> {
  const text = 'Ann drinks oolong at dawn';
  await deployment.must('POST', BASE, { body: { text, subject: 'ann' } });
  const target = { subject: 'ann' };
  return idOf(await deployment.must('POST', '/v1/erasures', { body: { target, reason: 'hers', ...body } }));
}

async function issue(deployment: TestDeployment, body: object = {}): Promise<Issued> {
  const id = await erase(deployment, body);
  const { json } = await deployment.must('GET', `/v1/erasures/${id}/certificate`);
  return { id, text: String(json['certificate']), key: String(json['verifierKey']) };
}

const statementOf = (text: string): Statement =>
  JSON.parse(
    Buffer.from((JSON.parse(text) as { payload: string }).payload, 'base64').toString('utf8'),
  ) as Statement;

test('a certificate holds, offline, by our code and by a stranger’s, and after a restart it is the same', async (t) => {
  const deployment = await TestDeployment.start(t);
  const { id, text, key } = await issue(deployment, { nonce: NONCE, requester: REQUESTER });
  const report = verifyCertificate(text, { key, nonce: NONCE, requester: REQUESTER });
  assert.deepEqual(report.faults, []);
  assert.equal(report.isRequesters, true);
  assert.equal(report.statement?.predicate.erasure.id, id);
  const check = await strangers();
  assert.equal(check(text, key), null);
  const { verifierKey } = (await deployment.must('GET', '/v1/certificate-key')).json;
  assert.equal(verifierKey, key);
  await deployment.stop();
  await deployment.serve();
  assert.equal((await deployment.must('GET', `/v1/erasures/${id}/certificate`)).json['certificate'], text);
  const file = join(deployment.directory, 'certificate.json');
  await writeFile(file, text);
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [
    SCRIPT,
    file,
    '--key',
    key,
    '--nonce',
    NONCE,
    '--requester',
    REQUESTER,
  ]);
  assert.match(stdout, /^HOLDS\n/);
  const bench = new TestBench(t);
  const own = ['--key', key, '--nonce', NONCE, '--requester'];
  const mine = await bench.run(['certificate', 'verify', file, ...own, REQUESTER]);
  assert.deepEqual([mine.code, mine.out.split('\n')[0]], [0, 'HOLDS']);
  const anothers = await bench.run(['certificate', 'verify', file, ...own, 'bob@example.org']);
  assert.equal(anothers.code, 3);
  const failed = await run(process.execPath, [
    SCRIPT,
    file,
    '--key',
    key,
    '--nonce',
    NONCE,
    '--requester',
    'bob@example.org',
  ]).catch((error: unknown) => error as { code: number; stdout: string });
  assert.ok('code' in failed && failed.code === 3 && failed.stdout.startsWith('DOES NOT HOLD: it is not'));
});

test('no altered byte of a certificate passes, and what is wrong is named', async (t) => {
  verifies('RET-11');
  const { text, key } = await issue(await TestDeployment.start(t));
  const check = await strangers();
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at++) {
    const altered = Buffer.from(bytes);
    altered[at] = (altered[at] ?? 0) ^ (1 << (at % 7));
    const changed = altered.toString('utf8');
    assert.ok(verifyCertificate(changed, { key }).faults[0], `byte ${at}`);
    // Ed25519 is slow enough to look at every third byte with the second implementation.
    if (at % 3 === 0) assert.ok(check(changed, key), `byte ${at}, by the script`);
  }
  for (const changed of [text.trim(), `${text}\n`, `${text} `, '', '{}\n', 'x'])
    assert.ok(verifyCertificate(changed, { key }).faults.length > 0 && check(changed, key) !== null);
  const other = await issue(await TestDeployment.start(t));
  assert.deepEqual(verifyCertificate(text, { key: other.key }).faults, [
    'the envelope is signed with another key',
  ]);
  assert.ok(check(text, other.key));
});

test('nothing in a certificate is about a person, and its keys derive nothing', async (t) => {
  const deployment = await TestDeployment.start(t);
  const { text } = await issue(deployment, { nonce: NONCE, requester: REQUESTER });
  const statement = statementOf(text);
  const guesses = ['ann', REQUESTER, 'Ann drinks oolong at dawn', 'hers', 'default', deployment.apiKey];
  const values = textsOf(statement);
  for (const guess of guesses) {
    assert.ok(!JSON.stringify(statement).includes(`"${guess}"`) && !text.includes(guess));
    for (const algorithm of ['sha1', 'sha256', 'sha512', 'md5'])
      for (const encoding of ['hex', 'base64', 'base64url'] as const)
        assert.ok(
          !values.has(createHash(algorithm).update(guess).digest(encoding)),
          `${algorithm} of ${guess}`,
        );
  }
  const matches = (nonce: string, requester: string): boolean =>
    statement.predicate.requester ===
    createHash('sha256').update(Buffer.from(nonce, 'base64url')).update(requester).digest('hex');
  assert.ok(matches(NONCE, REQUESTER));
  assert.ok(
    !matches(NONCE, 'bob@example.org') && !matches(Buffer.alloc(24, 8).toString('base64url'), REQUESTER),
  );
  await deployment.stop();
  await deployment.opened(({ keyring }) => {
    for (const [first, last] of statement.predicate.keys.ranges)
      for (let slot = first; slot <= last; slot++)
        assert.throws(() => keyring.derive(slot as Slot), { code: 'erased' });
    return Promise.resolve();
  });
});

test('what a certificate says must agree with itself, however well it is signed', async (t) => {
  const { text } = await issue(await TestDeployment.start(t));
  const check = await strangers();
  const signer = new SigningKey(new Uint8Array(32).fill(5));
  const key = encodeVkey(verifierKey('strongroom/forged/certificates', signer.publicKey));
  const signed = (change: (statement: Loose) => void): string => {
    const statement = structuredClone(statementOf(text)) as unknown as Loose;
    change(statement);
    return signEnvelope(STATEMENT_TYPE, canonicalBytes(statement as unknown as JsonValue), signer);
  };
  const same = signed(() => undefined);
  assert.deepEqual([verifyCertificate(same, { key }).faults, check(same, key)], [[], null]);
  for (const [what, change] of Object.entries(FORGERIES)) {
    const forged = signed(change);
    assert.ok(verifyCertificate(forged, { key }).faults.length > 0, what);
    assert.ok(check(forged, key) !== null, `${what}, by the script`);
  }
});

test('there is no certificate while a replica is away; it returns, and there is; lost instead, it says so', async (t) => {
  const deployment = await TestDeployment.start(t);
  const replica = join(deployment.directory, 'keystore', 'b');
  const away = `${replica}.away`;
  await rename(replica, away);
  const first = await erase(deployment);
  const pending = await deployment.call('GET', `/v1/erasures/${first}/certificate`);
  assert.deepEqual([pending.status, pending.json['code']], [409, 'certificate.pending']);
  assert.equal((await deployment.must('GET', `/v1/erasures/${first}`)).json['state'], 'hidden');
  assert.deepEqual(subjects(await deployment.must('GET', BASE)), []);
  await rename(away, replica);
  await deployment.stop();
  await deployment.serve();
  const { json } = await deployment.must('GET', `/v1/erasures/${first}/certificate`);
  const { keystore } = statementOf(String(json['certificate'])).predicate;
  assert.deepEqual(keystore.replicas.map(({ name }) => name).sort(), ['keystore/a', 'keystore/b']);
  await rename(replica, away);
  const second = await erase(deployment);
  assert.equal((await deployment.call('GET', `/v1/erasures/${second}/certificate`)).status, 409);
  await deployment.stop();
  await deployment.opened(async ({ keyring, erasures }) => {
    await declareLost(keyring, 'keystore/b', 'its disk burnt');
    await keyring.tend();
    await erasures.resume();
  });
  await deployment.serve();
  const lost = await deployment.must('GET', `/v1/erasures/${second}/certificate`);
  const said = statementOf(String(lost.json['certificate'])).predicate.keystore;
  assert.deepEqual(
    said.replicas.map(({ name }) => name),
    ['keystore/a'],
  );
  assert.deepEqual(
    said.dropped.map(({ name, how }) => [name, how]),
    [['keystore/b', 'lost']],
  );
});

const subjects = ({ json }: { json: Json }): unknown[] =>
  (json['memories'] as Json[]).map(({ subject }) => subject);

function textsOf(value: unknown, found = new Set<string>()): ReadonlySet<string> {
  if (typeof value === 'string') found.add(value);
  else if (typeof value === 'object' && value !== null)
    for (const each of Object.values(value)) textsOf(each, found);
  return found;
}
