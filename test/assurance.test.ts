/** Verification on a running deployment: what is checked, shown, recorded and kept. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { Strongroom, type Verification } from '@strongroom/client';
import { createNodeFetch, readCa } from '@strongroom/client/node';
import { verifyBundle } from '../src/assurance/bundle.ts';
import { reserve } from '../src/assurance/reserved.ts';
import type { Settings } from '../src/config.ts';
import { initDeployment, serve } from '../src/deployment.ts';
import { realEnvironment } from '../src/environment.ts';
import { silentLog } from '../src/http/request-log.ts';
import type { OrganizationId } from '../src/ids.ts';
import { SYSTEM } from '../src/store/store.ts';
import { openStrongroom, type Strongroom as OpenDeployment } from '../src/strongroom.ts';
import { settingsOf, temporaryFolder } from './deployment.ts';

/** All but the flood, whose slow clients take long; the slow tests have it. */
const SWIFT = [
  'CRY-01',
  'CRY-02',
  'CRY-03',
  'CRY-04',
  'ACC-05',
  'KEY-01',
  'KEY-03',
  'KEY-04',
  'TEN-01',
  'TEN-02',
  'RET-01',
  'RET-02',
  'RET-03',
  'RET-04',
  'RET-05',
  'RET-06',
  'RET-07',
  'RET-08',
  'RET-10',
  'RET-11',
  'AUD-01',
  'AUD-02',
  'AUD-03',
  'AUD-05',
  'LLM-08',
  'PRV-02',
  'NET-04',
  'FUN-01',
];
const HALF = ['ACC-05', 'KEY-04', 'TEN-01', 'TEN-02', 'RET-07', 'LLM-08'];

interface Running {
  readonly strongroom: Strongroom;
  readonly directory: string;
  readonly settings: Settings;
  readonly stop: () => Promise<void>;
  readonly restart: () => Promise<Strongroom>;
  /** Another client of the server that runs. */
  readonly as: (apiKey: string) => Strongroom;
}

async function running(t: TestContext, more: Pick<Settings, 'backups'> | null = null): Promise<Running> {
  let close = (): Promise<void> => Promise.resolve();
  const directory = await temporaryFolder(t, () => close());
  const settings = settingsOf({ tls: 'on', rateLimit: 'on', ...more });
  const { apiKey } = await initDeployment(directory, settings, { log: silentLog });
  let as = (_: string): Strongroom => assert.fail('nothing runs');
  const start = async (): Promise<Strongroom> => {
    await close();
    const server = await serve(directory, settings, { log: silentLog });
    const fetch = createNodeFetch({ ca: readCa(server.ca ?? '') });
    close = async () => {
      fetch.close();
      await server.close();
    };
    as = (key) => new Strongroom({ url: server.url, apiKey: key, fetch });
    return as(apiKey);
  };
  const stop = async (): Promise<void> => {
    await close();
    close = () => Promise.resolve();
  };
  return { strongroom: await start(), restart: start, as: (key) => as(key), directory, settings, stop };
}

const resultOf = ({ results }: Verification, id: string) => results.find((result) => result.id === id);

test('the claims hold on a running server; what is kept, shown and recorded of that stands alone', async (t) => {
  const { strongroom, restart, directory, settings, stop } = await running(t);
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
  assert.equal(resultOf(verification, 'BCK-06')?.verdict, 'not_claimed');
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
    await assert.rejects(strongroom.verifications.run({ sabotage: 'BCK-06' }), { code: 'request.invalid' });
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

  await t.test(
    'the reserved organizations are marked and empty, and each of their entries says why',
    async () => {
      await stop();
      const open = await openStrongroom({ directory, settings, ...around });
      try {
        for (const number of [0, 1]) {
          const left = await leftIn(open, number);
          assert.deepEqual([left.vaults, left.keys], [0, 0]);
          assert.ok(left.purposes.length > 50, `${left.purposes.length} entries`);
          // The scan's own canaries, sealed like any other purpose, are an exception, and so is what the system records.
          const own =
            /^(verification ver_|cnry|none: (verification\.run|archive\.copy|erasure\.complete) done$)/;
          assert.deepEqual(
            left.purposes.filter((purpose) => !own.test(purpose)),
            [],
          );
        }
      } finally {
        await open.close();
      }
    },
  );
});

test('what an interrupted verification left behind is taken away by the next', async (t) => {
  const { directory, settings, stop, restart, as } = await running(t);
  await stop();
  const open = await openStrongroom({ directory, settings, ...around });
  const { apiKey } = await reserve(open, 0, 'verification that will be killed');
  await open.close();
  const again = await restart();
  const killed = as(apiKey);
  await killed.vaults.create({ name: 'canary left over' });
  await killed.keys.create({ name: 'canary left over', scopes: [{ actions: ['*'], vaults: ['*'] }] });
  await again.verifications.run({ claims: ['FUN-01'] });
  await assert.rejects(killed.vaults.list(), { code: 'auth.invalid' });
  await stop();
  const opened = await openStrongroom({ directory, settings, ...around });
  try {
    const { vaults, keys } = await leftIn(opened, 0);
    assert.deepEqual([vaults, keys], [0, 0]);
  } finally {
    await opened.close();
  }
});

const around = {
  environment: realEnvironment,
  log: silentLog,
  onFatal: (error: unknown): void => assert.fail(String(error)),
};

/** What a reserved organization still has, and why its entries say that they are there. */
async function leftIn({ store, ledger }: OpenDeployment, number: number) {
  const mark = await store.read(SYSTEM, (db) =>
    db.selectFrom('meta').select('value').where('name', '=', `canary/${number}`).executeTakeFirstOrThrow(),
  );
  const id = Buffer.from(mark.value).toString() as OrganizationId;
  const vaults = await store.read(id, (db) =>
    db.selectFrom('vaults').select('id').where('state', '=', 'active').execute(),
  );
  const keys = await store.read(id, (db) =>
    db.selectFrom('api_keys').select('id').where('state', '=', 'active').execute(),
  );
  const { entries } = await ledger.entries(id, { limit: 10_000 });
  const details = await Promise.all(entries.map((entry) => ledger.details(entry)));
  // What was said about a person who was erased since died with the person.
  const purposes = details.flatMap((each, at) =>
    each === null && entries[at]?.box !== undefined
      ? []
      : (each?.['purpose'] ?? `none: ${entries[at]?.action} ${entries[at]?.outcome}`),
  );
  return { vaults: vaults.length, keys: keys.length, purposes };
}

test('a sabotage runs on a scratch instance, turns its claim red and leaves how it stands alone', async (t) => {
  const { strongroom } = await running(t);
  const { sabotages = [], results, ran } = await strongroom.verifications.run({ sabotage: 'KEY-01' });
  assert.deepEqual(ran, []);
  assert.ok(
    sabotages.length >= 3 && sabotages.every(({ caught, turned }) => caught && turned.includes('KEY-01')),
  );
  assert.equal(results.find(({ id }) => id === 'KEY-01')?.verdict, 'stale');
});

test('where backups are turned off nothing is promised of them, and doors are tried all the same', async (t) => {
  const { strongroom } = await running(t, { backups: ['off'] });
  const doors = ['AUD-01', 'NET-04', 'ACC-05', 'KEY-04', 'TEN-01'];
  const none = ['BCK-01', 'BCK-02', 'BCK-03', 'BCK-05'];
  const verification = await strongroom.verifications.run({ claims: [...doors, ...none] });
  for (const id of doors) {
    const result = resultOf(verification, id);
    assert.deepEqual([HALF.includes(id) ? 'partial' : 'pass', []], [result?.verdict, result?.faults], id);
  }
  for (const id of none) assert.equal(resultOf(verification, id)?.verdict, 'not_claimed', id);
});
