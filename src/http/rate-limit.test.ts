import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realEnvironment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { ipPrefix, plainAddress } from './address.ts';
import { asGood, fakeServer, OTHER_KEY } from './testing/fake-parts.ts';
import { RequestLimits, type Rates } from './rate-limit.ts';
import { verifies } from '../assurance/testing/verifies.ts';

const RATES: Rates = { perKey: { perSecond: 10, burst: 5 }, perAddress: { perSecond: 1, burst: 3 } };

function limitsAt(rates: Rates = RATES) {
  const clock = { ms: 0 };
  return {
    clock,
    limits: new RequestLimits(rates, { clock: { now: () => clock.ms }, random: realEnvironment.random }),
  };
}

const isLimited = (error: unknown): boolean =>
  error instanceof StrongroomError && error.code === 'rate.limited';

test('an address has its burst, then its rate, and is told when to come back', () => {
  const { clock, limits } = limitsAt();
  for (let left = 2; left >= 0; left--) assert.equal(limits.charge('192.0.2.1', null).remaining, left);
  assert.throws(
    () => limits.charge('192.0.2.1', null),
    (error) => error instanceof StrongroomError && error.code === 'rate.limited' && error.retryAfterS === 1,
  );
  assert.equal(limits.charge('192.0.2.2', null).remaining, 2, 'a neighbour is not limited');
  clock.ms += 999;
  assert.throws(() => limits.charge('192.0.2.1', null), isLimited);
  clock.ms += 1;
  assert.equal(limits.charge('192.0.2.1', null).remaining, 0);
  clock.ms -= 10_000;
  assert.throws(() => limits.charge('192.0.2.1', null), isLimited, 'a clock set back gives nothing');
});

test('a key that has signed in has its own budget, wherever it is used', () => {
  const { limits } = limitsAt();
  limits.charge('192.0.2.1', 'secret');
  assert.equal(limits.signedIn('secret', 'key_1')?.remaining, 4);
  for (let used = 1; used < 5; used++) limits.charge(`192.0.2.${used}`, 'secret');
  assert.throws(() => limits.charge('192.0.2.9', 'secret'), isLimited);
  // The address of the flood is unharmed, and so is a second key there.
  assert.equal(limits.charge('192.0.2.9', null).remaining, 2);
});

test('who knows a key’s id but not its secret cannot use up its budget', () => {
  const { limits } = limitsAt();
  limits.charge('192.0.2.1', 'sr_production_id1_right');
  limits.signedIn('sr_production_id1_right', 'key_1');
  for (let guess = 0; guess < 3; guess++) limits.charge('203.0.113.5', `sr_production_id1_wrong${guess}`);
  assert.throws(() => limits.charge('203.0.113.5', 'sr_production_id1_wrong9'), isLimited);
  assert.equal(limits.charge('192.0.2.1', 'sr_production_id1_right').remaining, 3);
});

test('a key that was refused is charged to its addresses again', () => {
  const { limits } = limitsAt();
  limits.signedIn('secret', 'key_1');
  limits.refused('secret');
  for (let used = 0; used < 3; used++) limits.charge('192.0.2.1', 'secret');
  assert.throws(() => limits.charge('192.0.2.1', 'secret'), isLimited);
});

test('a neighbour is a /64, and an IPv4 address is one however it comes in', () => {
  assert.equal(ipPrefix('2001:db8:1:2:3:4:5:6'), ipPrefix('2001:DB8:1:2::9'));
  assert.notEqual(ipPrefix('2001:db8:1:2::1'), ipPrefix('2001:db8:1:3::1'));
  assert.equal(ipPrefix('::1'), '0:0:0:0::/64');
  assert.equal(ipPrefix('::ffff:192.0.2.1'), '192.0.2.1');
  assert.equal(plainAddress('fe80::1%eth0'), 'fe80::1%eth0');
  assert.equal(ipPrefix('fe80::1%eth0'), 'fe80:0:0:0::/64');
});

test('who is over the limit is answered before anybody authenticates or a body is read', async () => {
  const { app, fake, clock } = fakeServer({
    rateLimit: { ...RATES, perAddress: { perSecond: 1, burst: 1 } },
  });
  assert.equal(
    (await app.inject({ url: '/v1/vaults', headers: { authorization: 'Bearer wrong' } })).statusCode,
    401,
  );
  const limited = await app.inject({
    method: 'POST',
    url: '/v1/vaults',
    payload: { name: 'x' },
    headers: asGood,
  });
  assert.equal(limited.json<{ code: string }>().code, 'rate.limited');
  assert.equal(limited.headers['retry-after'], '1');
  assert.equal(limited.headers['ratelimit-remaining'], '0');
  assert.deepEqual([fake.authentications, fake.calls.length], [1, 0]);
  assert.equal(fake.refusals.at(-1)?.code, 'rate.limited');
  clock.ms += 1_000;
  const good = await app.inject({ url: '/v1/vaults', headers: asGood });
  assert.deepEqual(
    ['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-policy'].map((name) => good.headers[name]),
    ['5', '4', '5;w=1'],
  );
  // Known now: charged to the key, though the address has nothing left.
  assert.equal((await app.inject({ url: '/v1/vaults', headers: asGood })).statusCode, 200);
  assert.equal((await app.inject({ url: '/healthz' })).statusCode, 429);
  assert.equal((await app.inject({ url: '/nowhere' })).statusCode, 429);
});

test('what costs more counts as more, may be asked for while there is anything left, and is paid off before the next', async () => {
  const { clock, limits } = limitsAt();
  assert.equal(limits.charge('192.0.2.1', null, 5).remaining, 0);
  clock.ms += 2_999;
  assert.throws(() => limits.charge('192.0.2.1', null), isLimited);
  clock.ms += 1;
  assert.equal(limits.charge('192.0.2.1', null).remaining, 0);
  const { app } = fakeServer({ rateLimit: { ...RATES, perAddress: { perSecond: 1, burst: 9 } } });
  const left: unknown[] = [];
  for (const url of ['/healthz', '/openapi.json', '/healthz'])
    left.push((await app.inject({ url })).headers['ratelimit-remaining']);
  assert.deepEqual(left, ['8', '3', '2']);
});

test('each key of one address has its own budget, and `off` means none', async () => {
  verifies('NET-03');
  const { app } = fakeServer({
    rateLimit: { perKey: { perSecond: 1, burst: 2 }, perAddress: { perSecond: 1, burst: 9 } },
  });
  const statuses = async (headers: Record<string, string>): Promise<number[]> => {
    const seen: number[] = [];
    for (let index = 0; index < 3; index++)
      seen.push((await app.inject({ url: '/v1/vaults', headers })).statusCode);
    return seen;
  };
  assert.deepEqual(await statuses(asGood), [200, 200, 429]);
  assert.deepEqual(await statuses({ authorization: `Bearer ${OTHER_KEY}` }), [200, 200, 429]);
  const free = fakeServer({ rateLimit: 'off' });
  const response = await free.app.inject({ url: '/v1/vaults', headers: asGood });
  assert.equal(response.headers['ratelimit-limit'], undefined);
});
