/**
 * Rotations on a whole deployment: nothing is lost when a key is replaced, the old one ends, what was signed stays
 * verifiable, and only whom the keys belong to may ask for it.
 */
import assert from 'node:assert/strict';
import { rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { verifies } from '../src/assurance/testing/verifies.ts';
import { DAY_MS } from '../src/durations.ts';
import { serviceKey } from '../src/keys/service-key.ts';
import type { Slot } from '../src/keys/slot.ts';
import { SigningKey } from '../src/crypto/signature.ts';
import { createKey } from '../src/deployment.ts';
import { verifyCertificate } from '../src/lifecycle/verify-certificate.ts';
import { followKeys } from '../src/ledger/ledger-keys.ts';
import { openCheckpoint, signCheckpoint } from '../src/ledger/checkpoint.ts';
import { parseVkey } from '../src/ledger/note.ts';
import { verifyExport } from '../src/ledger/verify-export.ts';
import { verifyStore } from '../src/ledger/verify-store.ts';
import { SYSTEM } from '../src/store/store.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { BACKUP_DAYS } from '../src/recovery/backup-schedule.ts';
import { addTenant, idOf, settingsOf, TestDeployment } from './deployment.ts';
import { checkInvariants } from './invariants.ts';
import { testPostgres } from './postgres.ts';
import { RestoredCopy } from './recovery.ts';
import { flipped, readAll, withDatabase, withoutTriggers } from './raw-database.ts';

const MEMORIES = '/v1/vaults/default/memories';
const ROTATIONS = '/v1/rotations';

interface Key {
  readonly key: string;
  readonly since: string;
  readonly daysMax: number;
  readonly rotateBy: string;
  readonly retired: readonly { readonly since: string; readonly destroyBy: string | null }[];
}

const agesOf = async (deployment: TestDeployment): Promise<ReadonlyMap<string, Key>> =>
  new Map(
    ((await deployment.must('GET', ROTATIONS)).json['keys'] as Key[]).map((key) => [key.key, key] as const),
  );

const serviceSlotsOf = ({ store }: Strongroom): Promise<ReadonlyMap<string, Slot>> =>
  store.read(SYSTEM, async (db) => {
    const rows = await db.selectFrom('service_slots').select(['name', 'slot']).execute();
    return new Map(rows.map(({ name, slot }) => [name, slot as Slot]));
  });

/** What every test here must find again after whatever it did. */
async function used(t: TestContext) {
  const deployment = await TestDeployment.start(t);
  const memory = idOf(await deployment.must('POST', MEMORIES, { body: { text: 'before', subject: 'ann' } }));
  await deployment.must('POST', MEMORIES, { body: { text: 'beside' } });
  const { json } = await deployment.must('POST', '/v1/keys', { body: { name: 'other' } });
  const other = String(json['apiKey']);
  const revoked = await deployment.must('POST', '/v1/keys', { body: { name: 'gone' } });
  await deployment.must('DELETE', `/v1/keys/${idOf(revoked)}`);
  const check = async (): Promise<void> => {
    for (const key of [deployment.apiKey, other])
      assert.equal((await deployment.must('GET', `${MEMORIES}/${memory}`, { key })).json['text'], 'before');
    const gone = await deployment.call('GET', `${MEMORIES}/${memory}`, {
      key: String(revoked.json['apiKey']),
    });
    assert.equal(gone.status, 401);
  };
  await check();
  return { deployment, check };
}

test('every key is replaced on command and nothing is lost; the old ones end when no backup needs them any more', async (t) => {
  verifies('CRY-04');
  const { deployment, check } = await used(t);
  await deployment.stop();
  const before = await deployment.opened(async (open) => ({
    slots: await serviceSlotsOf(open),
    epoch: open.keyring.epoch,
    sides: open.keyring.sideGeneration,
  }));
  await deployment.serve();
  const { json } = await deployment.must('POST', ROTATIONS, { body: {} });
  assert.deepEqual(
    (json['rotations'] as { key: string; state: string }[]).map(({ key, state }) => [key, state]),
    [
      ['root', 'ended'],
      ['keystore', 'ended'],
      ['ledger', 'kept'],
      ['api-keys', 'kept'],
      ['cursors', 'kept'],
      ['backups', 'ended'],
      ['certificates', 'kept'],
    ],
  );
  await check();
  await deployment.must('POST', '/v1/keys', { body: { name: 'new' } });
  await deployment.stop();
  const names = ['ledger signing', 'pepper', 'cursors', 'certificate signing'];
  await deployment.opened(async (open) => {
    assert.deepEqual(await checkInvariants(open, deployment.directory), []);
    const slots = await serviceSlotsOf(open);
    assert.ok(open.keyring.epoch > before.epoch && open.keyring.sideGeneration === before.sides + 1);
    for (const name of names) {
      assert.notEqual(slots.get(name), before.slots.get(name), name);
      assert.equal(open.keyring.isErased(before.slots.get(name)!), false, `${name} is kept`);
    }
    const [signed, signer] = [before, { slots }].map((of) => of.slots.get('backup signing'));
    assert.ok(signed !== signer && open.keyring.isErased(signed!), 'nothing needs it any more');
    deployment.clock.advance(36 * DAY_MS);
    await open.rotations.tend();
    for (const name of names) assert.ok(open.keyring.isErased(before.slots.get(name)!), `${name} has ended`);
    assert.deepEqual(await checkInvariants(open, deployment.directory), []);
  });
  await deployment.serve();
  await check();
});

test('keys that are too old are replaced by themselves, others are not', async (t) => {
  const { deployment, check } = await used(t);
  await deployment.stop();
  const tend = (): Promise<void> => deployment.opened((open) => open.rotations.tend());
  await tend();
  await deployment.serve();
  const young = await agesOf(deployment);
  await deployment.stop();
  deployment.clock.advance(90 * DAY_MS - 2);
  await tend();
  const slots = (): Promise<ReadonlyMap<string, Slot>> => deployment.opened(serviceSlotsOf);
  const first = await slots();
  deployment.clock.advance(2);
  await tend();
  const second = await slots();
  deployment.clock.advance(275 * DAY_MS);
  await tend();
  const third = await slots();
  const changed = (name: string): boolean[] => [
    first.get(name) !== second.get(name),
    second.get(name) !== third.get(name),
  ];
  assert.deepEqual(changed('pepper'), [true, true]);
  assert.deepEqual(changed('ledger signing'), [false, true]);
  await deployment.serve();
  const old = await agesOf(deployment);
  for (const [key, { since, daysMax, rotateBy }] of old) {
    assert.ok(Date.parse(since) > Date.parse(young.get(key)!.since), key);
    assert.equal(Date.parse(rotateBy) - Date.parse(since), daysMax * DAY_MS, key);
    assert.ok(Date.parse(rotateBy) > deployment.clock.now(), key);
  }
  await check();
});

test('asked to, a rotation destroys the old keys at once, and those that were still kept', async (t) => {
  const { deployment, check } = await used(t);
  await deployment.must('POST', ROTATIONS, { body: { keys: ['api-keys'] } });
  await deployment.must('POST', ROTATIONS, { body: { keys: ['ledger'] } });
  assert.equal((await agesOf(deployment)).get('api-keys')?.retired.length, 1);
  const { json } = await deployment.must('POST', ROTATIONS, {
    body: { keys: ['api-keys', 'ledger', 'cursors'], retired: 'destroy' },
  });
  assert.ok((json['rotations'] as { state: string }[]).every(({ state }) => state === 'ended'));
  for (const { key, retired } of (await agesOf(deployment)).values()) assert.deepEqual(retired, [], key);
  await check();
  await deployment.stop();
  await deployment.opened(async (open) =>
    assert.deepEqual(await checkInvariants(open, deployment.directory), []),
  );
});

test('a list goes on over a rotation of cursors for a day, and no longer', async (t) => {
  const { deployment } = await used(t);
  const { json } = await deployment.must('GET', `${MEMORIES}?limit=1`);
  const next = `${MEMORIES}?limit=1&cursor=${String(json['next'])}`;
  await deployment.must('POST', ROTATIONS, { body: { keys: ['cursors'] } });
  await deployment.must('GET', next);
  await deployment.stop();
  await deployment.serve();
  await deployment.must('GET', next);
  await deployment.stop();
  deployment.clock.advance(DAY_MS);
  await deployment.opened((open) => open.rotations.tend());
  await deployment.serve();
  assert.equal((await deployment.call('GET', next)).json['code'], 'cursor.invalid');
});

test('rotation is for the organization that init made; every other sees how old the keys are', async (t) => {
  const deployment = await TestDeployment.make(t);
  const tenant = await addTenant(deployment);
  await deployment.serve();
  const refused = await deployment.call('POST', ROTATIONS, { key: tenant.apiKey, body: {} });
  assert.deepEqual([refused.status, refused.json['code']], [403, 'access.refused']);
  const { json } = await deployment.must('GET', ROTATIONS, { key: tenant.apiKey });
  assert.equal((json['keys'] as unknown[]).length, 7);
  for (const body of [{ keys: ['pepper'] }, { retired: 'now' }, { more: 1 }])
    assert.equal((await deployment.call('POST', ROTATIONS, { body })).status, 400, JSON.stringify(body));
});

test('where a replica of the keystore is away, a rotation of it is refused and nothing else has been replaced', async (t) => {
  const deployment = await TestDeployment.make(t);
  const replica = join(deployment.directory, 'keystore', 'b');
  await deployment.opened(async (open) => {
    const before = await serviceSlotsOf(open);
    await rename(replica, `${replica}-away`);
    await assert.rejects(
      open.rotations.run(['keystore', 'api-keys'], { cause: 'command', atOnce: false }),
      ({ code }: { code: string }) => code === 'store.unavailable',
    );
    await rename(`${replica}-away`, replica);
    assert.deepEqual(await serviceSlotsOf(open), before);
    await open.rotations.run(['keystore', 'api-keys'], { cause: 'command', atOnce: false });
  });
});

test('where it is away when keys are due by themselves, the others are replaced, and the keystore’s when it is back', async (t) => {
  const deployment = await TestDeployment.make(t);
  const replica = join(deployment.directory, 'keystore', 'b');
  await deployment.opened(async (open) => {
    const before = await serviceSlotsOf(open);
    const sides = open.keyring.sideGeneration;
    deployment.clock.advance(91 * DAY_MS);
    await rename(replica, `${replica}-away`);
    await assert.rejects(open.rotations.tend(), ({ code }: { code: string }) => code === 'store.unavailable');
    const after = await serviceSlotsOf(open);
    for (const name of ['pepper', 'cursors']) assert.notEqual(after.get(name), before.get(name), name);
    assert.equal(open.keyring.sideGeneration, sides);
    await rename(`${replica}-away`, replica);
    await open.rotations.tend();
    assert.equal(open.keyring.sideGeneration, sides + 1);
    assert.deepEqual(await serviceSlotsOf(open), after);
  });
});

test('old checkpoints verify with the key that signed them, the log is followed from any key, and a replaced key signs nothing more', async (t) => {
  const deployment = await TestDeployment.make(t);
  await addTenant(deployment);
  await deployment.serve();
  const checkpoint = async () => (await deployment.must('GET', '/v1/ledger/checkpoint')).json;
  const proof = async (n: number, size: number) =>
    (await deployment.must('GET', `/v1/ledger/entries/${n}/proof?size=${size}`)).json;
  const [first, firstProof] = [await checkpoint(), await proof(0, 2)];
  for (let round = 0; round < 2; round++)
    await deployment.must('POST', ROTATIONS, { body: { keys: ['ledger'] } });
  const last = await checkpoint();
  assert.deepEqual(
    (await proof(0, 2))['proof'],
    firstProof['proof'],
    'what was signed before is answered as it was signed',
  );
  const listed = (await deployment.must('GET', '/v1/ledger/keys')).json['keys'] as {
    verifierKey: string;
    until: string | null;
  }[];
  const vkeys = listed.map(({ verifierKey }) => verifierKey);
  assert.deepEqual([vkeys[0], vkeys[2]], [first['verifierKey'], last['verifierKey']]);
  assert.deepEqual(
    listed.map(({ until }) => until === null),
    [false, false, true],
  );
  for (const [note, vkey] of [
    [first['note'], vkeys[0]],
    [last['note'], vkeys[2]],
  ])
    openCheckpoint(String(note), parseVkey(String(vkey)));
  assert.throws(() => openCheckpoint(String(last['note']), parseVkey(String(vkeys[0]))), RangeError);

  const lines = (await deployment.must('GET', '/v1/ledger/export')).text.split('\n');
  const faultsWith = async (changed: readonly string[], vkey?: string): Promise<number> => {
    const key = vkey === undefined ? null : parseVkey(vkey);
    return (await verifyExport(changed, () => key)).faults.length;
  };
  assert.equal(await faultsWith(lines), 0);
  for (const vkey of vkeys) assert.equal(await faultsWith(lines, vkey), 0, vkey);
  // Without its introduction a key is nobody's, from either side.
  const cut = lines.map((line) => line.replaceAll(/"introduction":"[^"]*"/g, '"introduction":null'));
  for (const vkey of vkeys) assert.ok((await faultsWith(cut, vkey)) > 0);
  await deployment.stop();

  await deployment.opened(async ({ store, ledger, keyring }) => {
    const verified = () => verifyStore(store, (log) => ledger.verifierKeys(log));
    assert.deepEqual((await verified()).faults, []);
    const announced = await store.read(SYSTEM, (db) =>
      db.selectFrom('ledger_entries').select('log').where('action', '=', 'ledger.rekey').execute(),
    );
    const logs = await store.read(SYSTEM, (db) => db.selectFrom('ledger_heads').select('log').execute());
    assert.equal(announced.length, 2 * logs.length, 'each log says each time who signs it');
    // Whoever still had the first key signs what nobody may: the very head of today.
    const [rotation] = await store.read(SYSTEM, (db) =>
      db.selectFrom('rotations').select('old_slot').orderBy('id').execute(),
    );
    const old = new SigningKey(serviceKey(keyring, rotation?.old_slot as Slot, 'ledger signing'));
    const [log = 'deployment'] = logs.map(({ log }) => log).filter((name) => name !== 'deployment');
    const { size, root } = await ledger.head(log);
    const forged = signCheckpoint({ origin: ledger.originOf(log), size, root }, old);
    const put = (note: string): void =>
      void withoutTriggers(deployment.directory, (database) =>
        database
          .prepare('update ledger_checkpoints set note = ? where log = ? and size = ?')
          .run(note, log, size),
      );
    const { note } = await ledger.checkpoint(log);
    put(forged);
    assert.match((await verified()).faults[0]?.detail ?? '', /a key that had been replaced/);
    put(note);
    assert.deepEqual((await verified()).faults, []);
  });
});

test('a certificate verifies with the key of its day, which leads to the one of today', async (t) => {
  const { deployment } = await used(t);
  const certified = async (text: string) => {
    const memory = idOf(await deployment.must('POST', MEMORIES, { body: { text } }));
    const body = { target: { vault: 'default', memory }, reason: 'asked for' };
    const id = idOf(await deployment.must('POST', '/v1/erasures', { body }));
    return { id, ...(await certificate(id)) };
  };
  const certificate = async (id: string) =>
    (await deployment.must('GET', `/v1/erasures/${id}/certificate`)).json as {
      certificate: string;
      verifierKey: string;
    };
  const faults = ({ certificate, verifierKey }: { certificate: string; verifierKey: string }) =>
    verifyCertificate(certificate, { key: verifierKey }).faults;
  const before = await certified('one');
  for (const retired of ['keep', 'destroy'])
    await deployment.must('POST', ROTATIONS, { body: { keys: ['certificates', 'ledger'], retired } });
  const after = await certified('another');
  assert.notEqual(before.verifierKey, after.verifierKey);
  assert.deepEqual([faults(before), faults(after)], [[], []]);
  assert.ok(faults({ ...after, verifierKey: before.verifierKey }).length > 0);
  await deployment.stop();
  await deployment.serve();
  assert.deepEqual(
    { id: before.id, ...(await certificate(before.id)) },
    before,
    'byte for byte, and with its key',
  );
  const { json } = await deployment.must('GET', '/v1/certificate-key');
  const listed = json['keys'] as { verifierKey: string; generation: number; introduction: string | null }[];
  assert.equal(json['verifierKey'], after.verifierKey);
  const keys = listed.map((key) => ({ ...key, publicKey: parseVkey(key.verifierKey).publicKey }));
  const { name, publicKey } = parseVkey(before.verifierKey);
  assert.equal(followKeys(name, keys, publicKey).length, 3);
  // Without its introduction a key is nobody's.
  const unknown = keys.map((key) => ({ ...key, introduction: null }));
  assert.equal(followKeys(name, unknown, publicKey).length, 1);
});

test('keys whose slots are dead, as after a restore from before a rotation that has ended, are made anew; the ledger says who signs', async (t) => {
  const { deployment } = await used(t);
  const known = String((await deployment.must('GET', '/v1/ledger/checkpoint')).json['verifierKey']);
  await deployment.stop();
  await deployment.opened(async (open) => {
    const slots = await serviceSlotsOf(open);
    await open.destruction.now(
      ['ledger signing', 'pepper', 'cursors'].map((name) => slots.get(name)!),
      'test',
    );
  });
  await deployment.serve();
  // Nobody can sign in with what lay under the old pepper; the way back in is the one for lost keys.
  assert.equal((await deployment.call('GET', MEMORIES)).status, 401);
  await deployment.stop();
  const { apiKey: key } = await createKey(deployment.directory, deployment.settings, { name: 'way back' });
  await deployment.serve();
  const { json } = await deployment.must('GET', `${MEMORIES}?limit=5`, { key });
  assert.equal((json['memories'] as unknown[]).length, 2);
  const keys = (await deployment.must('GET', '/v1/ledger/keys', { key })).json['keys'] as {
    verifierKey: string;
  }[];
  assert.deepEqual([keys.length, keys[0]?.verifierKey], [2, known]);
  const lines = (await deployment.must('GET', '/v1/ledger/export', { key })).text.split('\n');
  const faults = async (vkey: string): Promise<number> =>
    (await verifyExport(lines, () => parseVkey(vkey))).faults.length;
  // The new key vouches for the old one, and nobody for the new one: whoever knows the old one is told.
  assert.equal(await faults(keys[1]!.verifierKey), 0);
  assert.ok((await faults(known)) > 0);
  await deployment.stop();
  await deployment.opened(async ({ store, ledger }) =>
    assert.deepEqual((await verifyStore(store, (log) => ledger.verifierKeys(log))).faults, []),
  );
});

test('a hash that is damaged holds up no rotation, and no other key', async (t) => {
  const { deployment } = await used(t);
  const lost = await deployment.must('POST', '/v1/keys', { body: { name: 'damaged' } });
  withDatabase(deployment.directory, (database) => {
    const [row] = readAll(database, 'api_keys', `id = '${idOf(lost)}'`);
    database
      .prepare('update api_keys set hash_box = ? where id = ?')
      .run(flipped(row?.['hash_box'], 20), idOf(lost));
  });
  const { json } = await deployment.must('POST', ROTATIONS, {
    body: { keys: ['api-keys'], retired: 'destroy' },
  });
  assert.equal((json['rotations'] as { state: string }[])[0]?.state, 'ended');
  assert.ok(deployment.logged.some((line) => line.includes('the hash of an API key is damaged')));
  await deployment.stop();
  await deployment.serve();
  await deployment.must('GET', MEMORIES);
  assert.equal(
    (await deployment.call('GET', MEMORIES, { key: String(lost.json['apiKey']) })).status >= 400,
    true,
  );
});

test('a replaced key is kept no shorter than backups are', () => {
  assert.ok(settingsOf().retiredKeyDays >= BACKUP_DAYS);
  assert.throws(() => settingsOf({ retiredKeyDays: BACKUP_DAYS - 1 }), { code: 'config.invalid' });
});

test('a backup from before a rotation restores with its API keys, as long as the old keys are kept', async (t) => {
  const { deployment } = await used(t);
  await deployment.must('POST', '/v1/backups', { body: { kind: 'full' } });
  const known = String((await deployment.must('GET', '/v1/ledger/checkpoint')).json['verifierKey']);
  const later = await deployment.must('POST', '/v1/keys', { body: { name: 'later' } });
  await deployment.must('POST', ROTATIONS, { body: {} });
  await deployment.stop();
  const copy = await RestoredCopy.beside(t, deployment, { replicas: ['a', 'b'] });
  await copy.restore();
  const before = await copy.opened(serviceSlotsOf);
  await copy.commit();
  await copy.opened(async (open) => {
    const after = await serviceSlotsOf(open);
    for (const name of ['ledger signing', 'pepper', 'cursors', 'backup signing', 'certificate signing'])
      assert.notEqual(after.get(name), before.get(name), `${name} had been replaced, and is again`);
  });
  await copy.served(async (call) => {
    const key = deployment.apiKey;
    assert.equal((await call('GET', `${MEMORIES}?limit=5`, { key })).status, 200);
    assert.equal((await call('GET', MEMORIES, { key: String(later.json['apiKey']) })).status, 401);
    // Whoever knew the key that signed the backed-up log follows it to the one that signs now.
    const checkpoint = await call('GET', '/v1/ledger/checkpoint', { key });
    assert.notEqual(checkpoint.json['verifierKey'], known);
    const { text } = await call('GET', '/v1/ledger/export', { key });
    const { faults } = await verifyExport(text.split('\n'), () => parseVkey(known));
    assert.deepEqual(faults, []);
    assert.equal((await call('POST', ROTATIONS, { key, body: {} })).status, 200);
    assert.equal((await call('GET', MEMORIES, { key })).status, 200);
  });
  await copy.opened(async (open) => {
    assert.deepEqual(await checkInvariants(open, copy.directory), []);
    const { faults } = await verifyStore(open.store, (log) => open.ledger.verifierKeys(log));
    assert.deepEqual(faults, []);
  });
});

test('one from before a rotation that has ended opens, needs new API keys, and signs with a key of its own', async (t) => {
  const { deployment } = await used(t);
  await deployment.must('POST', '/v1/backups', { body: { kind: 'full' } });
  await deployment.must('POST', ROTATIONS, { body: { retired: 'destroy' } });
  await deployment.stop();
  const copy = await RestoredCopy.beside(t, deployment, { replicas: ['a', 'b'] });
  await copy.restore();
  // It can be looked at before it is committed, although nothing can be signed yet.
  await copy.opened(async (open) => {
    const { n } = await open.store.read(SYSTEM, (db) =>
      db
        .selectFrom('memories')
        .select((of) => of.fn.countAll<number>().as('n'))
        .executeTakeFirstOrThrow(),
    );
    assert.equal(n, 2);
  });
  await copy.commit();
  const { apiKey: key } = await createKey(copy.directory, copy.settings, { name: 'way back' });
  await copy.served(async (call) => {
    assert.equal((await call('GET', MEMORIES, { key: deployment.apiKey })).status, 401);
    assert.equal((await call('GET', `${MEMORIES}?limit=5`, { key })).status, 200);
  });
  await copy.opened(async (open) => {
    const { faults } = await verifyStore(open.store, (log) => open.ledger.verifierKeys(log));
    assert.deepEqual(faults, []);
  });
});

test('a key that was kept when the backup was made and has ended since is not said to be kept', async (t) => {
  const { deployment } = await used(t);
  await deployment.must('POST', ROTATIONS, { body: { keys: ['ledger', 'certificates'] } });
  await deployment.must('POST', '/v1/backups', { body: { kind: 'full' } });
  await deployment.must('POST', ROTATIONS, { body: { keys: ['ledger'], retired: 'destroy' } });
  await deployment.stop();
  const copy = await RestoredCopy.beside(t, deployment, { replicas: ['a', 'b'] });
  await copy.restore();
  await copy.commit();
  await copy.opened(async (open) => {
    assert.deepEqual(await checkInvariants(open, copy.directory), []);
    const ages = await open.rotations.ages();
    const retired = (key: string): number => ages.find((age) => age.key === key)!.retired.length;
    // Of certificates the one from before and the one that the commit replaced; both of the ledger are dead, and the
    // one made in their place was replaced by the commit too.
    assert.deepEqual([retired('ledger'), retired('certificates')], [1, 2]);
  });
});

test('on PostgreSQL keys are replaced and ended, and what stopped anywhere in between is gone on with', async (t) => {
  const postgres = await testPostgres();
  if ('absent' in postgres) return t.skip(postgres.absent);
  const { url, ownerUrl } = await postgres.createDatabase();
  let stopsAt = '';
  const deployment = await TestDeployment.make(t, {
    settings: { database: url, databaseOwner: ownerUrl },
    fault: (name) => {
      if (name === stopsAt) throw new Error(`stopped at ${name}`);
    },
  });
  const before = await deployment.opened(serviceSlotsOf);
  for (const point of ['begin', 'switch', 'rewrap', 'verify', 'keep', 'destroy']) {
    await deployment.opened(async ({ rotations }) => {
      stopsAt = `rotation.${point}`;
      for (const key of ['api-keys', 'ledger'] as const)
        await assert.rejects(rotations.run([key], { cause: 'command', atOnce: true }), /stopped at rotation/);
      stopsAt = '';
    });
    await deployment.opened(async (open) => {
      assert.deepEqual(await checkInvariants(open, deployment.directory), [], point);
      await open.rotations.tend();
      const old = (await open.rotations.ages()).flatMap(({ retired }) => retired);
      assert.deepEqual(old, [], 'an old key ends at once, as it was asked');
    });
  }
  await deployment.opened(async (open) => {
    for (const name of ['ledger signing', 'pepper'])
      assert.ok(open.keyring.isErased(before.get(name)!), name);
    assert.deepEqual((await verifyStore(open.store, (log) => open.ledger.verifierKeys(log))).faults, []);
  });
  await deployment.serve();
  await deployment.must('GET', MEMORIES);
});
