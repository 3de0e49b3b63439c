/** Nothing happens without its entry: every route, granted, refused and failed, and what happens when none can be kept. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operationsOf, type ApiDocument } from './api-document.ts';
import { idOf, TestDeployment, type Answer } from './deployment.ts';
import { ask, granted, ROUTES } from './every-route.ts';
import { readAll, tableNames, withDatabase } from './raw-database.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';

interface Leaf {
  readonly at: number;
  readonly principal: string;
  readonly action: string;
  readonly target: string;
  readonly targets?: readonly string[];
  readonly outcome: string;
  readonly code?: string;
  readonly request: string;
  readonly log: string;
  readonly box?: unknown;
}

const leaves = ({ directory }: TestDeployment): Leaf[] =>
  withDatabase(directory, (database) =>
    readAll(database, 'ledger_entries').map(
      ({ leaf }) => JSON.parse(Buffer.from((leaf as Uint8Array).subarray(32)).toString()) as Leaf,
    ),
  );

const ID = /^[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}$/;

test('the requests driven here are all operations that need a key', async (t) => {
  const deployment = await TestDeployment.start(t);
  const document = (await deployment.must('GET', '/openapi.json')).json as unknown as ApiDocument;
  const operations = operationsOf(document).filter(({ isOpen }) => !isOpen);
  assert.deepEqual(ROUTES.map(({ name }) => name).sort(), operations.map(({ name }) => name).sort());
});

/** What can be wrong with a request that says who asks, and the code that is answered. */
const REFUSALS: Readonly<
  Record<
    string,
    {
      spoil: (path: string) => string;
      headers?: Record<string, string>;
      codes: readonly string[];
      onlyBelow?: string;
      isReader?: boolean;
    }
  >
> = {
  'a member that nobody knows': {
    spoil: (path) => `${path}${path.includes('?') ? '&' : '?'}nonsense=1`,
    codes: ['request.invalid'],
  },
  'a purpose that is too long': {
    spoil: (path) => path,
    headers: { 'strongroom-purpose': 'x'.repeat(201) },
    codes: ['request.invalid'],
  },
  'a vault that is not there': {
    spoil: (path) => path.replace(/vaults\/[^/?]+/, 'vaults/nowhere'),
    codes: ['not_found'],
    onlyBelow: '/v1/vaults/',
  },
  'a memory that is not there': {
    spoil: (path) => path.replace(/mem_\w+/, 'mem_01kr0y2g80e7sbxctc9d3mfyyy'),
    codes: ['not_found'],
    onlyBelow: '/memories/mem_',
  },
  'a key without the right': { spoil: (path) => path, codes: ['access.refused'], isReader: true },
};

test('every answer to a known key has exactly one entry, which says who, what, on what, from where and with what outcome', async (t) => {
  verifies('AUD-01');
  const deployment = await TestDeployment.start(t);
  const { json: weak } = await deployment.must('POST', '/v1/keys', {
    body: { name: 'weak', scopes: [{ actions: ['backup.restore'], vaults: ['*'] }] },
  });
  const [first] = (await deployment.must('GET', '/v1/keys')).json['keys'] as { id: string; name: string }[];
  assert.ok(first !== undefined);
  const purpose = { 'strongroom-purpose': 'an audit' };
  const done: { answer: Answer; action: string; code: string | null; principal: string }[] = [];
  const owner = deployment.apiKey.slice(14, 40);
  for (const { name, action } of ROUTES) {
    const request = await granted(deployment, name);
    done.push({
      answer: await ask(deployment, request, { headers: purpose }),
      action,
      code: null,
      principal: `key_${owner.slice(-26)}`,
    });
    for (const [
      what,
      { spoil, headers = purpose, codes, onlyBelow = '', isReader = false },
    ] of Object.entries(REFUSALS)) {
      const again = await granted(deployment, name);
      if (!again.path.includes(onlyBelow)) continue;
      const path = spoil(again.path);
      const key = isReader ? { key: String(weak['apiKey']) } : {};
      const answer = await ask(deployment, { ...again, path }, { headers, ...key });
      const code = String(answer.json?.['code']);
      assert.ok(codes.includes(code), `${name} with ${what}: ${answer.status} ${answer.text}`);
      done.push({
        answer,
        action,
        code,
        principal: isReader ? idOf({ json: weak } as Answer) : `key_${owner.slice(-26)}`,
      });
    }
  }
  const entries = Map.groupBy(leaves(deployment), ({ request }) => request);
  for (const { answer, action, code, principal } of done) {
    const where = `${action} ${answer.status} ${code ?? ''}`;
    if (code === null) assert.ok(answer.status < 300, `${where} ${answer.text}`);
    const found = entries.get(String(answer.headers['x-request-id'])) ?? [];
    assert.equal(found.length, 1, where);
    const [entry] = found;
    assert.ok(entry !== undefined);
    assert.deepEqual(
      [entry.action, entry.outcome, entry.code ?? null, entry.principal],
      [action, code === null ? 'done' : 'refused', code, principal],
    );
    assert.ok(
      entry.at > 0 && entry.log.startsWith('org_') && (entry.target === '' || ID.test(entry.target)),
      where,
    );
    if (code === null) assert.match(entry.target, ID, where);
    // Its purpose and address are sealed beside it.
    assert.ok(entry.box !== undefined, where);
  }
  assert.ok(done.length > ROUTES.length * 3);
});

test('the purpose and the address of a caller are read back from the ledger', async (t) => {
  const deployment = await TestDeployment.start(t);
  const answer = await deployment.must('GET', '/v1/vaults/default', {
    headers: { 'strongroom-purpose': Buffer.from('Prüfung 7').toString('latin1') },
    from: '127.9.8.7',
  });
  const { json } = await deployment.must('GET', '/v1/ledger');
  const entry = (json['entries'] as Record<string, unknown>[]).find(
    ({ request }) => request === answer.headers['x-request-id'],
  );
  assert.deepEqual(
    [entry?.['purpose'], entry?.['address'], entry?.['action']],
    ['Prüfung 7', '127.9.8.7', 'vault.get'],
  );
});

test('strangers are counted in the log of the deployment, and open routes leave nothing', async (t) => {
  const deployment = await TestDeployment.start(t);
  const before = leaves(deployment).length;
  for (const path of ['/healthz', '/readyz', '/metrics', '/openapi.json'])
    assert.equal((await deployment.call('GET', path, { key: null })).status, 200);
  for (const { name } of ROUTES) {
    const answer = await ask(
      deployment,
      { method: ROUTES.find((route) => route.name === name)?.method ?? '', path: '/v1/keys' },
      { key: null },
    );
    assert.ok([401, 405].includes(answer.status));
  }
  assert.equal(leaves(deployment).length, before);
  await deployment.stop();
  const counted = leaves(deployment).filter(({ action }) => action === 'refusals.counted');
  assert.ok(
    counted.length > 0 &&
      counted.every(({ principal, log }) => principal === 'anonymous' && log === 'deployment'),
  );
});

test('while entries cannot be kept nothing is done, shown or stored, health is red; afterwards all is well', async (t) => {
  let isFailing = false;
  const deployment = await TestDeployment.start(t, {
    fault: (name) => {
      if (isFailing && name === 'ledger.entries') throw new Error('no room for entries');
    },
  });
  // The day's slots for idempotency keys are made at the first use, and say nothing.
  await ask(deployment, await granted(deployment, 'createVault'), {
    headers: { 'idempotency-key': 'first' },
  });
  for (const { name } of ROUTES) {
    const request = await granted(deployment, name);
    const before = contents(deployment);
    isFailing = true;
    const answer = await ask(deployment, request, { headers: { 'idempotency-key': `k-${name}` } });
    const health = await deployment.call('GET', '/readyz', { key: null });
    isFailing = false;
    assert.equal(answer.status, 503, `${name}: ${answer.text}`);
    assert.equal(answer.json['code'], 'ledger.unavailable', name);
    assert.ok(!answer.text.includes('memory '), name);
    assert.equal(health.status, 503);
    assert.match(health.text, /ledger/);
    const after = contents(deployment);
    // A hold's slot is taken before its note is kept: a number that says nothing, and dies unused with the next opening.
    if (name === 'placeHold') for (const each of [before, after]) delete each['leaves'];
    assert.deepEqual(after, before, `${name} has left something`);
    const again = await ask(deployment, request, { headers: { 'idempotency-key': `k-${name}` } });
    assert.ok(again.status < 300, `${name}, repeated: ${again.text}`);
    assert.equal((await deployment.call('GET', '/readyz', { key: null })).status, 200);
  }
  assert.deepEqual(deployment.fatal, []);
});

test('a server that cannot write down that it stops still closes everything', async (t) => {
  let isFailing = false;
  const deployment = await TestDeployment.start(t, {
    fault: (name) => {
      if (isFailing && name === 'ledger.entries') throw new Error('no room for entries');
    },
  });
  isFailing = true;
  await deployment.stop().catch(() => undefined);
  isFailing = false;
  await deployment.serve();
});

test('a server whose ledger swallows entries is found out', async (t) => {
  const deployment = await TestDeployment.start(t, {
    substitutes: {
      ledger: (real) =>
        new Proxy(real, {
          get: (target, name) => {
            if (name === 'append') return () => undefined;
            const value: unknown = Reflect.get(target, name);
            return typeof value === 'function' ? (value.bind(target) as unknown) : value;
          },
        }),
    },
  });
  const answer = await deployment.must('GET', '/v1/vaults');
  assert.equal(
    leaves(deployment).filter(({ request }) => request === answer.headers['x-request-id']).length,
    0,
  );
});

/** Every row of every table, as text; but for a signed checkpoint, which only says again what the log says. */
const contents = ({ directory }: TestDeployment): Record<string, string> =>
  withDatabase(directory, (database) => {
    const tables = tableNames(database).filter(
      (name) => name !== 'ledger_checkpoints' && name !== 'store_head',
    );
    const hex = (_: string, value: unknown): unknown =>
      value instanceof Uint8Array ? Buffer.from(value).toString('hex') : value;
    return Object.fromEntries(tables.map((table) => [table, JSON.stringify(readAll(database, table), hex)]));
  });
