/** Faults seen in the wild (the list of that name among the claims), each asked of every route where that makes sense. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeCrockford } from '../src/ids.ts';
import { isReadAction } from '../src/ledger/actions.ts';
import { crc32 } from 'node:zlib';
import { u32 } from '../src/bytes/encoding.ts';
import { addTenant, idOf, TestDeployment, type Answer } from './deployment.ts';
import { ask, granted, ROUTES, type Request } from './every-route.ts';
import { readAll, textOf, withDatabase } from './raw-database.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';

const MEMORIES = '/v1/vaults/default/memories';

/** A key of the right form for any 52 characters of secret. */
function forgeKey(apiKey: string, secret: string): string {
  const body = `${apiKey.slice(0, -59)}${secret.slice(0, 52).padEnd(52, '0')}`;
  return body + encodeCrockford(u32(crc32(body)));
}

test('no stored value and no guess, in whatever form, signs in on any route', async (t) => {
  const deployment = await TestDeployment.start(t);
  const [row] = withDatabase(deployment.directory, (database) => readAll(database, 'api_keys'));
  const hash = Buffer.from(row?.['hash_box'] as Uint8Array);
  const keys = {
    'the stored hash in base32': forgeKey(deployment.apiKey, encodeCrockford(new Uint8Array(hash))),
    'the stored hash in hexadecimal': forgeKey(deployment.apiKey, hash.toString('hex')),
    'the hash alone': hash.toString('hex'),
    'the hash in base64': hash.toString('base64'),
    'the sealed settings': forgeKey(
      deployment.apiKey,
      Buffer.from(row?.['settings_box'] as Uint8Array).toString('hex'),
    ),
    'its own name': 'STRONGROOM_API_KEY',
    'the word undefined': 'undefined',
    'the word null': 'null',
    'a secret of zeros': forgeKey(deployment.apiKey, ''),
    'the key cut by one': deployment.apiKey.slice(0, -1),
    'the key with one more': `${deployment.apiKey}0`,
    'another environment': deployment.apiKey.replace('production', 'development'),
  };
  for (const { name } of ROUTES) {
    const request = await granted(deployment, name);
    for (const [what, key] of Object.entries(keys))
      assert.equal((await ask(deployment, request, { key })).status, 401, `${name} with ${what}`);
    for (const authorization of [
      '',
      'Bearer',
      'Bearer ',
      'Basic Og==',
      'Bearer undefined',
      `Bearer ${deployment.apiKey} x`,
    ])
      assert.equal(
        (await ask(deployment, request, { key: null, headers: { authorization } })).status,
        401,
        `${name} with "${authorization}"`,
      );
    assert.equal((await ask(deployment, request, { key: null })).status, 401, `${name} without a key`);
    assert.ok((await ask(deployment, request)).status < 300, `${name}: the right key is let in`);
  }
});

test('a reader changes nothing by any route, and reads by every reading one', async (t) => {
  const deployment = await TestDeployment.start(t);
  const reads = [...new Set(ROUTES.map(({ action }) => action).filter(isReadAction))];
  const reader = String(
    (
      await deployment.must('POST', '/v1/keys', {
        body: { name: 'reader', scopes: [{ actions: reads, vaults: ['*'] }] },
      })
    ).json['apiKey'],
  );
  for (const { name, action } of ROUTES) {
    const request = await granted(deployment, name);
    const before = withDatabase(deployment.directory, (database) =>
      ['memories', 'memory_versions', 'vaults', 'api_keys'].map((table) => readAll(database, table)),
    );
    const answer = await ask(deployment, request, { key: reader });
    if (isReadAction(action)) assert.ok(answer.status < 300, `${name}: ${answer.text}`);
    else {
      assert.deepEqual([answer.status, answer.json['code']], [403, 'access.refused'], name);
      const after = withDatabase(deployment.directory, (database) =>
        ['memories', 'memory_versions', 'vaults', 'api_keys'].map((table) => readAll(database, table)),
      );
      assert.deepEqual(after, before, name);
    }
  }
});

test('a revoked, a rotated and an expired key open nothing from the next request on', async (t) => {
  verifies('KEY-03');
  const deployment = await TestDeployment.start(t);
  const make = async (input: object = {}): Promise<{ id: string; key: string }> => {
    const answer = await deployment.must('POST', '/v1/keys', {
      body: { name: 'short-lived', scopes: [{ actions: ['*'], vaults: ['*'] }], ...input },
    });
    return { id: idOf(answer), key: String(answer.json['apiKey']) };
  };
  const [revoked, rotated] = [await make(), await make()];
  const expiring = await make({ expiresAt: new Date(deployment.clock.now() + 1000).toISOString() });
  for (const { key } of [revoked, rotated, expiring]) await deployment.must('GET', '/v1/vaults', { key });
  await deployment.must('DELETE', `/v1/keys/${revoked.id}`);
  await deployment.must('POST', `/v1/keys/${rotated.id}/rotate`);
  // The clock stands still: what the server remembers of them is as young as it can be.
  for (const { key } of [revoked, rotated])
    assert.equal((await deployment.call('GET', '/v1/vaults', { key })).status, 401);
  await deployment.must('GET', '/v1/vaults', { key: expiring.key });
  deployment.clock.advance(1000);
  for (const { name } of ROUTES) {
    const request = await granted(deployment, name);
    for (const { key } of [revoked, rotated, expiring])
      assert.equal((await ask(deployment, request, { key })).status, 401, name);
  }
});

test('what belongs to another tenant answers byte for byte like what does not exist, by every route', async (t) => {
  verifies('TEN-01');
  const deployment = await TestDeployment.make(t);
  const tenant = await addTenant(deployment);
  await deployment.serve();
  const stranger = { key: tenant.apiKey };
  const nowhere = (path: string): string =>
    path
      .replace(/\b(mem|vlt|key)_\w+/, '$1_01kr0y2g80e7sbxctc9d3mfyyy')
      .replace('/vaults/theirs', '/vaults/nobodys');
  await deployment.must('POST', '/v1/vaults', { body: { name: 'theirs' } });
  for (const { name } of ROUTES) {
    const request = await granted(deployment, name);
    // By name the second tenant has a vault `default` of its own: here it asks for one that only the first has.
    const foreign: Request = {
      ...request,
      path: /_\w{26}/.test(request.path)
        ? request.path
        : request.path.replace('/vaults/default', '/vaults/theirs'),
    };
    if (nowhere(foreign.path) === foreign.path) continue;
    const before = snapshot(deployment);
    const [found, missing] = [
      await ask(deployment, foreign, stranger),
      await ask(deployment, { ...foreign, path: nowhere(foreign.path) }, stranger),
    ];
    assert.equal(found.status, 404, `${name} ${foreign.path}: ${found.text}`);
    assert.deepEqual(shown(found), shown(missing), name);
    assert.deepEqual(snapshot(deployment), before, name);
    assert.ok((await ask(deployment, foreign)).status < 300, `${name}: its owner is let in`);
  }
});

test('an id of another tenant in a header, the query or the body never widens what is reached', async (t) => {
  const deployment = await TestDeployment.make(t);
  const tenant = await addTenant(deployment);
  await deployment.serve();
  await deployment.must('POST', MEMORIES, { body: { text: 'secret of the first' } });
  await deployment.must('POST', MEMORIES, { key: tenant.apiKey, body: { text: 'word of the second' } });
  const [memory] = withDatabase(deployment.directory, (database) => readAll(database, 'memories'));
  const first = textOf(memory?.['organization']);
  const names = [
    'organization',
    'organizationId',
    'organization_id',
    'org',
    'tenant',
    'tenantId',
    'tenant_id',
    'userId',
    'user_id',
    'principal',
    'vault',
    'vaultId',
  ];
  for (const name of names)
    for (const value of [first, '', '*', 'null']) {
      const headers = {
        [`x-${name.replaceAll('_', '-')}`]: value,
        [`strongroom-${name.replaceAll('_', '-')}`]: value,
      };
      const listed = await deployment.must('GET', MEMORIES, { key: tenant.apiKey, headers });
      assert.deepEqual(
        (listed.json['memories'] as { text: string }[]).map(({ text }) => text),
        ['word of the second'],
        name,
      );
      const asked = await deployment.call('GET', `${MEMORIES}?${name}=${encodeURIComponent(value)}`, {
        key: tenant.apiKey,
      });
      assert.equal(asked.status, 400, `query ${name}`);
      const searched = await deployment.call('POST', '/v1/vaults/default/search', {
        key: tenant.apiKey,
        body: { query: 'secret', [name]: value },
      });
      assert.equal(searched.status, 400, `body ${name}`);
    }
  for (const filter of [
    { text: { contains: 'secret' } },
    { subject: { ne: 'x' } },
    { NOT: [{ text: { eq: 'x' } }] },
  ]) {
    const answer = await deployment.must('POST', `${MEMORIES}/list`, {
      key: tenant.apiKey,
      body: { filter },
    });
    assert.ok(!answer.text.includes('secret of the first'), JSON.stringify(filter));
  }
  const searched = await deployment.must('POST', '/v1/vaults/default/search', {
    key: tenant.apiKey,
    body: { query: 'secret of the first' },
  });
  assert.ok(!searched.text.includes('of the first'));
});

test('deleting a key or a vault leaves their entries in the ledger', async (t) => {
  const deployment = await TestDeployment.start(t);
  const key = await deployment.must('POST', '/v1/keys', {
    body: { name: 'doomed', scopes: [{ actions: ['*'], vaults: ['*'] }] },
  });
  const vault = idOf(
    await deployment.must('POST', '/v1/vaults', {
      key: String(key.json['apiKey']),
      body: { name: 'doomed' },
    }),
  );
  const entries = async (query: string): Promise<number> =>
    ((await deployment.must('GET', `/v1/ledger?${query}`)).json['entries'] as unknown[]).length;
  const before = [await entries(`principal=${idOf(key)}`), await entries(`target=${vault}`)];
  await deployment.must('DELETE', `/v1/vaults/${vault}`);
  await deployment.must('DELETE', `/v1/keys/${idOf(key)}`);
  assert.deepEqual(before, [1, 1]);
  assert.deepEqual([await entries(`principal=${idOf(key)}`), await entries(`target=${vault}`)], [1, 2]);
});

test('the engine itself refuses to change or delete what the ledger says', async (t) => {
  const { directory } = await TestDeployment.start(t);
  for (const table of ['ledger_entries', 'ledger_targets', 'ledger_checkpoints'])
    for (const statement of [
      `delete from ${table}`,
      `update ${table} set change = change + 1`,
      `replace into ${table} select * from ${table}`,
    ])
      withDatabase(directory, (database) => {
        // As the server itself sets it: a replacement is a deletion.
        database.exec('pragma recursive_triggers = on');
        assert.ok(readAll(database, table).length > 0, table);
        assert.throws(() => database.exec(statement), /append|ledger|refus|abort|constraint/i, statement);
      });
});

test('a malformed expiry is refused, and what has expired is shown by no route', async (t) => {
  const deployment = await TestDeployment.start(t);
  for (const expiresAt of [
    'tomorrow',
    '2027-13-01T00:00:00Z',
    '2027-01-01',
    1_800_000_000,
    '',
    {},
    '2027-01-01T00:00:00',
  ])
    assert.equal(
      (await deployment.call('POST', MEMORIES, { body: { text: 'x', expiresAt } })).status,
      400,
      JSON.stringify(expiresAt),
    );
  const expiresAt = new Date(deployment.clock.now() + 1000).toISOString();
  const id = idOf(await deployment.must('POST', MEMORIES, { body: { text: 'fleeting words', expiresAt } }));
  const reads: Request[] = [
    { method: 'GET', path: MEMORIES },
    { method: 'GET', path: `${MEMORIES}/export` },
    { method: 'POST', path: `${MEMORIES}/list`, body: {} },
    { method: 'POST', path: '/v1/vaults/default/search', body: { query: 'fleeting words' } },
    { method: 'GET', path: `${MEMORIES}/${id}` },
    { method: 'GET', path: `${MEMORIES}/${id}/history` },
  ];
  for (const request of reads) assert.match((await ask(deployment, request)).text, /fleeting/, request.path);
  deployment.clock.advance(1000);
  for (const request of reads)
    assert.doesNotMatch((await ask(deployment, request)).text, /fleeting/, request.path);
});

test('what only looks like a box, or like plain text, is never handed out as it lies there', async (t) => {
  const deployment = await TestDeployment.start(t);
  const id = idOf(await deployment.must('POST', MEMORIES, { body: { text: 'right' } }));
  for (const planted of [
    Buffer.from('{"text":"planted"}'),
    Buffer.alloc(0),
    Buffer.from('\u0001{"text":"planted"}'),
    Buffer.alloc(200, 0x20),
  ]) {
    withDatabase(deployment.directory, (database) =>
      database.prepare('update memory_versions set body_box = ? where memory = ?').run(planted, id),
    );
    const answer = await deployment.call('GET', `${MEMORIES}/${id}`);
    assert.deepEqual([answer.status, answer.json['code']], [503, 'box.damaged']);
    assert.ok(!answer.text.includes('planted'));
  }
});

test('one idempotency key sent many times at once makes one memory', async (t) => {
  const deployment = await TestDeployment.start(t);
  for (let round = 0; round < 10; round++) {
    const send = (): Promise<Answer> =>
      deployment.call('POST', MEMORIES, {
        body: { text: `once ${round}` },
        headers: { 'idempotency-key': `round-${round}` },
      });
    const answers = await Promise.all(Array.from({ length: 8 }, send));
    answers.push(await send());
    const made = answers.filter(({ status }) => status === 201);
    assert.ok(
      made.length >= 2 &&
        answers.every(({ status, json }) => status === 201 || json['code'] === 'idempotency.conflict'),
    );
    assert.equal(new Set(made.map(idOf)).size, 1);
  }
  const listed = (await deployment.must('GET', MEMORIES)).json['memories'] as unknown[];
  assert.equal(listed.length, 10);
});

test('writers that change one memory at once lose no version, and one condition is met once', async (t) => {
  const deployment = await TestDeployment.start(t);
  await deployment.must('POST', '/v1/vaults', { body: { name: 'kept', history: true } });
  const memories = '/v1/vaults/kept/memories';
  const id = idOf(await deployment.must('POST', memories, { body: { text: 'start' } }));
  const change = (at: number, headers = {}): Promise<Answer> =>
    deployment.call('PATCH', `${memories}/${id}`, { body: { text: `change ${at}` }, headers });
  const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => change(at)));
  assert.ok(answers.every(({ status }) => status === 200));
  const { versions } = (await deployment.must('GET', `${memories}/${id}/history`)).json as {
    versions: { version: number; text: string }[];
  };
  assert.deepEqual(
    versions.map(({ version }) => version),
    Array.from({ length: 21 }, (_, at) => 21 - at),
  );
  assert.equal(new Set(versions.map(({ text }) => text)).size, 21);
  const raced = await Promise.all(Array.from({ length: 10 }, (_, at) => change(at, { 'if-match': '"21"' })));
  assert.deepEqual(
    raced.map(({ status }) => status).sort((left, right) => left - right),
    [200, ...Array<number>(9).fill(412)],
  );
});

test('many at once may add, erase and search the same vault, and what is erased is never found again', async (t) => {
  const deployment = await TestDeployment.start(t);
  const writer = async (name: string): Promise<void> => {
    for (let at = 0; at < 8; at++) {
      const { id } = (
        await deployment.must('POST', MEMORIES, {
          body: { text: `${name} wrote word${name}${at}`, subject: name },
        })
      ).json;
      if (at % 2 === 0) continue;
      await deployment.must('DELETE', `${MEMORIES}/${String(id)}?mode=erase`);
      const found = await deployment.must('POST', '/v1/vaults/default/search', {
        body: { query: `word${name}${at}` },
      });
      assert.ok(!found.text.includes(`word${name}${at}`));
    }
  };
  await Promise.all(['ann', 'ben', 'cay', 'dan'].map(writer));
  const listed = (await deployment.must('GET', MEMORIES)).json['memories'] as unknown[];
  assert.equal(listed.length, 16);
  assert.deepEqual(deployment.fatal, []);
});

/** What of an answer a stranger could compare. */
const shown = ({ status, text, headers }: Answer): unknown => {
  const { 'x-request-id': _, date: __, ...rest } = headers;
  return { status, text, rest };
};

const snapshot = ({ directory }: TestDeployment): unknown =>
  withDatabase(directory, (database) =>
    ['memories', 'memory_versions', 'vaults', 'api_keys', 'subjects'].map((table) =>
      readAll(database, table),
    ),
  );
