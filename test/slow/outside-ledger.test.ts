/**
 * What the API says about the ledger is verified by a program that shares no code with it: Go's own transparency log
 * (test/outside/verify_ledger.go). The log is made by a server in a process of its own, and everything is asked over HTTP.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { Strongroom, type LedgerCheckpoint, type LedgerEntry } from '@strongroom/client';
import { encodeUtf8 } from '../../src/bytes/encoding.ts';
import { SigningKey } from '../../src/crypto/signature.ts';
import { initDeployment } from '../../src/deployment.ts';
import { silentLog } from '../../src/http/request-log.ts';
import { signCheckpoint } from '../../src/ledger/checkpoint.ts';
import { encodeConsistencyProof } from '../../src/ledger/consistency-proof.ts';
import { consistencyPath, leafHash, nodeHash, treeRoot, type SubtreeHash } from '../../src/ledger/merkle.ts';
import { encodeVkey, verifierKey as verifierKeyOf } from '../../src/ledger/note.ts';
import { verifies } from '../../src/assurance/testing/verifies.ts';
import { settingsOf, temporaryFolder } from '../deployment.ts';
import { ServerProcess } from '../server-process.ts';
import { buildGo, lacks, runTool } from '../tools.ts';

const SOURCE = join(import.meta.dirname, '..', 'outside', 'verify_ledger.go');
/** Tiles hold 256 hashes: enough entries for two whole ones and a part. */
const ENTRIES = 560;
const CHECKPOINTS = 14;

/** One question to the Go program, in the forms that the API answers. */
interface Case {
  readonly verifierKey: string;
  readonly checkpoint?: string;
  readonly leaf?: string;
  readonly proof?: string;
  readonly known?: string;
  readonly growth?: string;
}

type Named = readonly (readonly [string, Case])[];

test("another project's program verifies the checkpoints, the proofs of entries and the growth of a served ledger, and refuses them with one byte altered", async (t) => {
  verifies('AUD-02');
  if (lacks(t, 'go')) return;
  const folder = await temporaryFolder(t);
  const judge = goJudge(buildGo(SOURCE, folder));
  const { strongroom, checkpoints } = await servedLog(t, join(folder, 'data'));
  const good = await goodCases(strongroom, checkpoints);
  t.diagnostic(`${good.length} checkpoints and proofs over ${checkpoints.at(-1)?.size ?? 0} entries`);
  assert.ok(good.length > 300);
  assert.deepEqual(errorsOf(good, await judge(good)), []);

  const samples = ['checkpoint 300', 'entry 256 of', 'growth from 300'].map(
    (name) => good.findLast(([each]) => each.startsWith(name)) ?? assert.fail(name),
  );
  const altered = [...samples.flatMap(everyByteAltered), ...mixedUp(good)];
  t.diagnostic(`${altered.length} altered`);
  assert.ok(altered.length > 2_000);
  assert.deepEqual(acceptedOf(altered, await judge(altered)), []);
});

test('a log that forked, or says another size, is refused by it although every signature is good', async (t) => {
  if (lacks(t, 'go')) return;
  const judge = goJudge(buildGo(SOURCE, await temporaryFolder(t)));
  const signer = new SigningKey(new Uint8Array(32).fill(9));
  const origin = 'log.example/org_1';
  const verifierKey = encodeVkey(verifierKeyOf(origin, signer.publicKey));
  const growth = (kept: SubtreeHash, size = 5): Case => {
    const path = consistencyPath(5, 12, subtreeOf('entry'));
    const sign = (of: SubtreeHash, size: number, leaves = size): string =>
      signCheckpoint({ origin, size, root: treeRoot(leaves, of) }, signer);
    return {
      verifierKey,
      known: sign(kept, size, 5),
      growth: encodeConsistencyProof({ from: size, path, checkpoint: sign(subtreeOf('entry'), 12) }),
    };
  };
  const [honest, forked, resized] = await judge([
    ['honest', growth(subtreeOf('entry'))],
    ['forked', growth(subtreeOf('another entry'))],
    ['resized', growth(subtreeOf('entry'), 6)],
  ]);
  assert.equal(honest, '');
  assert.match(forked ?? '', /invalid transparency proof/);
  assert.match(resized ?? '', /invalid transparency proof/);
});

const subtreeOf =
  (text: string): SubtreeHash =>
  (height, index) =>
    height === 0
      ? leafHash(encodeUtf8(`${text} ${index}`))
      : nodeHash(subtreeOf(text)(height - 1, 2 * index), subtreeOf(text)(height - 1, 2 * index + 1));

function goJudge(program: string): (cases: Named) => Promise<readonly string[]> {
  return async (cases) => {
    const input = cases.map(([, each]) => JSON.stringify(each)).join('\n');
    const { code, out, err } = await runTool(program, [], { input });
    assert.equal(code, 0, err);
    const errors = out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => (JSON.parse(line) as { error: string }).error);
    assert.equal(errors.length, cases.length);
    return errors;
  };
}

const errorsOf = (cases: Named, errors: readonly string[]): string[] =>
  cases.flatMap(([name], at) => (errors[at] === '' ? [] : [`${name}: ${errors[at]}`]));

const acceptedOf = (cases: Named, errors: readonly string[]): string[] =>
  cases.flatMap(([name], at) => (errors[at] === '' ? [name] : []));

/** A log that grew by additions, searches and refusals, with checkpoints that were kept on the way. */
async function servedLog(
  t: TestContext,
  directory: string,
): Promise<{ strongroom: Strongroom; checkpoints: readonly LedgerCheckpoint[] }> {
  const { apiKey } = await initDeployment(directory, settingsOf(), { log: silentLog });
  const server = await ServerProcess.start(directory, { variables: { STRONGROOM_LOG_LEVEL: 'silent' } });
  t.after(() => server.end('SIGTERM'));
  const strongroom = new Strongroom({ url: server.url, apiKey });
  const vault = strongroom.vault('default');
  const checkpoints: LedgerCheckpoint[] = [await strongroom.ledger.checkpoint()];
  const every = ENTRIES / CHECKPOINTS;
  while ((checkpoints.at(-1)?.size ?? 0) < ENTRIES) {
    const size = checkpoints.at(-1)?.size ?? 0;
    // The checkpoint's own entry is one of them.
    const wanted = Math.min(nextOf(size, every), ...[256, 300, 512].filter((edge) => edge > size)) - size - 1;
    await Promise.all(
      Array.from({ length: Math.max(wanted, 0) }, async (_, at) => {
        if (at % 3 === 0) await vault.add({ text: `memory ${size + at}`, subject: 'ann' });
        else if (at % 3 === 1) await vault.search('memory');
        else await strongroom.vaults.get('not there').catch(() => undefined);
      }),
    );
    checkpoints.push(await strongroom.ledger.checkpoint());
  }
  return { strongroom, checkpoints };
}

const nextOf = (size: number, every: number): number => (Math.floor(size / every) + 1) * every;

async function goodCases(strongroom: Strongroom, checkpoints: readonly LedgerCheckpoint[]): Promise<Named> {
  const { verifierKey = '', size = 0 } = checkpoints.at(-1) ?? {};
  const leaves = new Map<number, LedgerEntry['leaf']>();
  for await (const { n, leaf } of strongroom.ledger.listAll({ limit: 1_000 })) leaves.set(n, leaf);
  const cases: [string, Case][] = checkpoints.map(({ note: checkpoint, size }) => [
    `checkpoint ${size}`,
    { verifierKey, checkpoint },
  ]);
  for (const { size: of } of [...checkpoints.filter((_, at) => at % 4 === 0), { size }])
    for (const n of new Set([0, 1, 254, 255, 256, 257, 511, 512, of - 1, ...multiples(17, of)])) {
      if (n >= of) continue;
      const { proof } = await strongroom.ledger.proof(n, { size: of });
      const leaf = leaves.get(n) ?? assert.fail(`entry ${n} is not listed`);
      cases.push([`entry ${n} of ${of}`, { verifierKey, leaf, proof }]);
    }
  for (const { size: from, note: known } of checkpoints)
    for (const { size: to } of checkpoints) {
      if (from > to) continue;
      const { proof: growth } = await strongroom.ledger.consistency(from, { size: to });
      cases.push([`growth from ${from} to ${to}`, { verifierKey, known, growth }]);
    }
  return cases;
}

const multiples = (step: number, below: number): number[] =>
  Array.from({ length: Math.ceil(below / step) }, (_, at) => at * step);

function everyByteAltered([name, whole]: Named[number]): Named {
  return Object.entries<string>({ ...whole }).flatMap(([field, value]) => {
    if (field === 'leaf') return everyLeafAltered(name, whole);
    return Array.from(
      value,
      (character, at) =>
        [
          `${name}: ${field} at ${at}`,
          { ...whole, [field]: `${value.slice(0, at)}${otherThan(character)}${value.slice(at + 1)}` },
        ] as const,
    );
  });
}

function everyLeafAltered(name: string, whole: Case): Named {
  const leaf = Buffer.from(whole.leaf ?? '', 'base64');
  return Array.from(leaf, (byte, at) => {
    const altered = Buffer.from(leaf);
    altered[at] = byte ^ 1;
    return [`${name}: leaf at ${at}`, { ...whole, leaf: altered.toString('base64') }];
  });
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Another character in its place: a digit for a digit, and in base64 one whose foremost bits are others. */
function otherThan(character: string): string {
  if (/\d/.test(character)) return String((Number(character) + 5) % 10);
  const at = BASE64.indexOf(character);
  return at >= 0 ? (BASE64[at ^ 32] ?? '') : character === '-' ? '.' : '-';
}

/** Pieces that are good each by itself, put together wrongly. */
function mixedUp(good: Named): Named {
  const leaves = good.filter(([, { proof }]) => proof !== undefined);
  const growths = good.filter(([, { growth }]) => growth !== undefined);
  const turned = (cases: Named, field: 'leaf' | 'known', by: number): Named =>
    cases.flatMap(([name, each], at) => {
      const [otherName, other] = cases[(at + by) % cases.length] ?? cases[0]!;
      return other[field] === each[field]
        ? []
        : [[`${name} with the ${field} of ${otherName}`, { ...each, [field]: other[field] ?? '' }] as const];
    });
  return [...turned(leaves, 'leaf', 1), ...turned(growths, 'known', 20)];
}
