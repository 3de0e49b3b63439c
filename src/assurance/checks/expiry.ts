/** A key with an end, on a scratch instance whose clock can be turned: it works up to its end and not after it. */
import { HOUR_MS } from '../../durations.ts';
import { ask, codeOf } from '../ask.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';

const PATHS = ['/v1/vaults', '/v1/keys', '/v1/ledger'];

interface Expired {
  readonly asked: number;
  readonly workedBefore: boolean;
  /** Another key, without an end: what fails later fails because of the end. */
  readonly othersWork: boolean;
  readonly stillReached: readonly string[];
  readonly codes: readonly string[];
}

export const expiryCheck = defineCheck<Expired>({
  name: 'expiry',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('the clock is turned from the inside');
    const { client, apiKey: own } = await world.tenant(0);
    const expiresAt = new Date(world.clock.now() + HOUR_MS).toISOString();
    const scopes = [{ actions: ['*'], vaults: ['*'] }];
    const { apiKey } = await client.keys.create({ name: 'canary with an end', scopes, expiresAt });
    const get = (path: string, key: string) => ask(world, { method: 'GET', path, apiKey: key });
    const before = await Promise.all(PATHS.map((path) => get(path, apiKey)));
    insides.turnClock(HOUR_MS + 1000);
    const after = await Promise.all(PATHS.map((path) => get(path, apiKey)));
    const others = await Promise.all(PATHS.map((path) => get(path, own)));
    return {
      asked: before.length + after.length,
      workedBefore: before.every(({ status }) => status === 200),
      othersWork: others.every(({ status }) => status === 200),
      stillReached: PATHS.filter((_, at) => after[at]?.status !== 401),
      codes: after.map(codeOf),
    };
  },
  judges: {
    'KEY-04': ({ asked, workedBefore, othersWork, stillReached, codes }) => {
      const faults = [
        ...(workedBefore ? [] : ['a key did not work before its end, so nothing was learnt']),
        ...(othersWork ? [] : ['a key without an end does not work, so nothing was learnt']),
        ...stillReached.map((path) => `a key reached ${path} after its end`),
        ...codes
          .filter((code) => code !== 'auth.expired' && code !== '')
          .map((code) => `a key was refused after its end for another reason: ${code}`),
      ];
      return judged(asked, faults, { requestsAroundTheEnd: asked });
    },
  },
  sabotages: [
    {
      name: 'endless-keys',
      breaks: 'The end of a key is not looked at once it has signed in.',
      turns: ['KEY-04'],
      change: {
        parts: (real) => {
          const known = new Map<string, Awaited<ReturnType<typeof real.access.authenticate>>>();
          return {
            ...real,
            access: replaced(real.access, {
              authenticate: async (apiKey, address) => {
                const principal =
                  known.get(apiKey.reveal()) ?? (await real.access.authenticate(apiKey, address));
                known.set(apiKey.reveal(), principal);
                return principal;
              },
            }),
          };
        },
      },
    },
  ],
});
