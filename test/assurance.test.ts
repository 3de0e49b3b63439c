/** Verification on a running deployment: what is checked, shown, recorded and kept. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Strongroom, type Verification } from '@strongroom/client';
import { createNodeFetch, readCa } from '@strongroom/client/node';
import { verifyBundle } from '../src/assurance/bundle.ts';
import { initDeployment, serve } from '../src/deployment.ts';
import { silentLog } from '../src/http/request-log.ts';
import { settingsOf, temporaryFolder } from './deployment.ts';

/** All but the flood, whose slow clients take long; the slow tests have it. */
const SWIFT = [
  'CRY-01',
  'CRY-02',
  'CRY-03',
  'ACC-05',
  'KEY-01',
  'KEY-03',
  'KEY-04',
  'TEN-01',
  'TEN-02',
  'RET-02',
  'RET-05',
  'RET-06',
  'RET-07',
  'RET-08',
  'RET-10',
  'AUD-01',
  'AUD-02',
  'AUD-03',
  'AUD-05',
  'NET-04',
  'FUN-01',
];
const HALF = ['ACC-05', 'KEY-04', 'TEN-01', 'TEN-02', 'CRY-02', 'RET-07', 'RET-10'];

interface Running {
  readonly strongroom: Strongroom;
  readonly restart: () => Promise<Strongroom>;
}

async function running(t: TestContext): Promise<Running> {
  let close = (): Promise<void> => Promise.resolve();
  const directory = await temporaryFolder(t, () => close());
  const settings = settingsOf({ tls: 'on', rateLimit: 'on' });
  const { apiKey } = await initDeployment(directory, settings, { log: silentLog });
  const start = async (): Promise<Strongroom> => {
    await close();
    const server = await serve(directory, settings, { log: silentLog });
    const fetch = createNodeFetch({ ca: readCa(server.ca ?? '') });
    close = async () => {
      fetch.close();
      await server.close();
    };
    return new Strongroom({ url: server.url, apiKey, fetch });
  };
  return { strongroom: await start(), restart: start };
}

const resultOf = ({ results }: Verification, id: string) => results.find((result) => result.id === id);

test('the claims hold on a running server; what is kept, shown and recorded of that stands alone', async (t) => {
  const { strongroom, restart } = await running(t);
  const places: string[] = [];
  let verification: Verification | undefined;
  for await (const event of strongroom.verifications.stream({ claims: SWIFT })) {
    if (event.type === 'progress') places.push(`${event.number}/${event.of} ${event.check} ${event.place}`);
    else ({ verification } = event);
  }
  assert.ok(verification !== undefined);
  assert.deepEqual(verification.ran, SWIFT);
  for (const id of SWIFT) {
    const result = resultOf(verification, id);
    assert.deepEqual([result?.verdict, result?.faults], [HALF.includes(id) ? 'partial' : 'pass', []], id);
    assert.ok((result?.covered ?? 0) > 0 && result?.notProven !== undefined, id);
  }
  // What was not run is not held, and says why.
  assert.equal(resultOf(verification, 'NET-03')?.verdict, 'stale');
  assert.equal(resultOf(verification, 'BCK-01')?.verdict, 'not_claimed');
  assert.ok(verification.results.every(({ held, verdict }) => held === (verdict === 'pass')));
  assert.ok(places.length > 8 && places.some((place) => place.endsWith('scratch')));

  await t.test('the bundle verifies offline, and one altered byte is named', () => {
    const bundle = verification;
    assert.deepEqual(verifyBundle(JSON.parse(JSON.stringify(bundle))).faults, []);
    const altered = structuredClone(bundle);
    const [first] = altered.results;
    assert.ok(first !== undefined);
    first.sentence = `${first.sentence.slice(0, -1)}!`;
    assert.deepEqual(verifyBundle(altered).faults, [`${first.id} is not what was recorded`]);
    const forged = structuredClone(bundle);
    forged.build = 'another';
    forged.evidence.digests['head'] = 'ab'.repeat(32);
    assert.equal(verifyBundle(forged).faults.length, 2);
    const shorter = { ...bundle, results: bundle.results.slice(1) };
    assert.deepEqual(verifyBundle(shorter).faults, [`${first.id} is missing`]);
    const other = structuredClone(bundle);
    other.evidence.leaf = Buffer.from(
      Buffer.from(bundle.evidence.leaf, 'base64').toString().replace('"fail":0', '"fail":1'),
    ).toString('base64');
    assert.match(verifyBundle(other).faults.join(), /the proof does not hold/);
  });

  await t.test('the ledger tells who asked, and what came of it', async () => {
    const { entries } = await strongroom.ledger.list({ action: 'verification.run' });
    const own = entries.filter(({ target }) => target === verification?.id);
    assert.deepEqual(own.filter(({ principal }) => principal === 'system').length, own.length - 1);
    const facts = own.map(
      ({ leaf }) => JSON.parse(Buffer.from(leaf, 'base64').toString()) as { facts?: Record<string, unknown> },
    );
    assert.ok(
      facts.some(
        (leaf) => leaf.facts?.['digest'] === verification?.evidence.digest && leaf.facts?.['fail'] === 0,
      ),
    );
    assert.deepEqual(own.flatMap(({ targets = [] }) => targets).toSorted(), [...SWIFT, ...SWIFT].sort());
  });

  await t.test('nothing of the canaries is left in the organization that asked', async () => {
    assert.deepEqual(
      (await Array.fromAsync(strongroom.vaults.listAll())).map(({ name }) => name),
      ['default'],
    );
    assert.deepEqual(
      (await Array.fromAsync(strongroom.keys.listAll())).map(({ name }) => name),
      ['first key'],
    );
  });

  await t.test('what is not in the table is refused, and a key that may not ask is', async () => {
    await assert.rejects(strongroom.verifications.run({ claims: ['CRY-99'] }), { code: 'request.invalid' });
    await assert.rejects(strongroom.verifications.run({ families: ['XYZ'] }), { code: 'request.invalid' });
    await assert.rejects(strongroom.verifications.run({ sabotage: 'BCK-01' }), { code: 'request.invalid' });
  });

  await t.test('a restart forgets no result, and how old it is', async () => {
    const again = await (await restart()).verifications.run({ claims: [] });
    const result = resultOf(again, 'KEY-03');
    assert.deepEqual(
      [result?.verdict, result?.checkedAt],
      ['pass', resultOf(verification, 'KEY-03')?.checkedAt],
    );
    assert.deepEqual(again.ran, []);
  });
});

test('two verifications at once: the second is told to wait', async (t) => {
  const { strongroom } = await running(t);
  const first = strongroom.verifications.stream({ claims: ['FUN-01'] });
  await first.next();
  const second = new AbortController();
  const refused = strongroom.verifications.run({ claims: ['KEY-03'] }, { signal: second.signal });
  await assert.rejects(refused, { code: 'busy' });
  await Array.fromAsync(first);
  const { results } = await strongroom.verifications.run({ claims: ['KEY-03'] });
  assert.equal(results.find(({ id }) => id === 'KEY-03')?.verdict, 'pass');
});

test('a sabotage runs on a scratch instance, turns its claim red and leaves how it stands alone', async (t) => {
  const { strongroom } = await running(t);
  const { sabotages = [], results, ran } = await strongroom.verifications.run({ sabotage: 'KEY-01' });
  assert.deepEqual(ran, []);
  assert.ok(
    sabotages.length >= 3 && sabotages.every(({ caught, turned }) => caught && turned.includes('KEY-01')),
  );
  assert.equal(results.find(({ id }) => id === 'KEY-01')?.verdict, 'stale');
});
