import assert from 'node:assert/strict';
import { createHmac, hkdfSync } from 'node:crypto';
import { test } from 'node:test';
import { canonicalBytes } from '../bytes/canonical-json.ts';
import { RecordKeys, type Scope } from './record-key.ts';
import { serviceKey } from './service-key.ts';
import { slotOf } from './slot.ts';
import { World } from './testing/world.ts';

const own = slotOf(1, 9);
const [organization, vault, conversation, first, second] = [0, 1, 2, 3, 4].map((index) =>
  slotOf(2, index),
) as [never, never, never, never, never];
const scope: Scope = [
  ['organization', organization],
  ['vault', vault],
  ['conversation', conversation],
  ['subject', first],
  ['subject', second],
];

test('a record key is HKDF over its own slot, salted with those of its scope, bound to id, version and slots', async () => {
  const keyring = await (await World.create()).open();
  const records = new RecordKeys(keyring);
  const joined = Buffer.concat(scope.map(([, slot]) => keyring.derive(slot)));
  const salt = createHmac('sha256', 'strongroom/scope/1').update(joined).digest();
  const info = canonicalBytes(['record/1', 'mem_1', 3, scope.map(([role, slot]) => [role, slot])]);
  const expected = new Uint8Array(hkdfSync('sha256', keyring.derive(own), salt, info, 32));
  assert.deepEqual(records.key({ id: 'mem_1', version: 3, own, scope }), expected);
  assert.deepEqual(
    records.key({ id: 'mem_1', version: 3, own, scope: [...scope].reverse() }),
    expected,
    'in whatever order given',
  );
});

test('another id, version, own slot, scope or role is another key', async () => {
  const keyring = await (await World.create()).open();
  const records = new RecordKeys(keyring);
  const base = { id: 'mem_1', version: 1, own, scope };
  const others = [
    base,
    { ...base, id: 'mem_2' },
    { ...base, version: 2 },
    { ...base, own: slotOf(1, 10) },
    { ...base, scope: scope.slice(0, 4) },
    { ...base, scope: [...scope.slice(0, 4), ['principal', second] as const] },
  ];
  const keys = others.map((record) => Buffer.from(records.key(record)).toString('hex'));
  assert.equal(new Set(keys).size, others.length);
});

test('destroying any slot of its scope, or its own, ends a record', async () => {
  for (const slot of [own, ...scope.map(([, slot]) => slot)]) {
    const keyring = await (await World.create()).open();
    const records = new RecordKeys(keyring);
    records.key({ id: 'mem_1', version: 1, own, scope });
    await keyring.puncture({ id: 'era_1', slots: [slot], reason: '' });
    assert.throws(() => records.key({ id: 'mem_1', version: 1, own, scope }), { code: 'erased' });
  }
});

test('a record key is the same after reopening and after other erasures', async () => {
  const world = await World.create();
  let keyring = await world.open();
  const key = new RecordKeys(keyring).key({ id: 'mem_1', version: 1, own, scope });
  const service = serviceKey(keyring, slotOf(3, 0), 'pepper');
  await keyring.puncture({ id: 'era_1', slots: [slotOf(1, 8), slotOf(2, 5)], reason: '' });
  await keyring.close();
  keyring = await world.open();
  assert.deepEqual(new RecordKeys(keyring).key({ id: 'mem_1', version: 1, own, scope }), key);
  assert.deepEqual(serviceKey(keyring, slotOf(3, 0), 'pepper'), service);
  assert.notDeepEqual(serviceKey(keyring, slotOf(3, 0), 'cursor'), service);
  assert.notDeepEqual(service, new Uint8Array(keyring.derive(slotOf(3, 0))));
});
