/**
 * Requests for erasure as somebody has to answer for them, on a scratch instance: a person, and many memories at once, are
 * done well before the last day; asked for twice, a bulk request is one; and the ledger says who asked and when it was done.
 */
import type { Strongroom } from '@strongroom/client';
import { DAY_MS } from '../../durations.ts';
import { SYSTEM } from '../../store/store.ts';
import { ask } from '../ask.ts';
import { canaryWord } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import type { Insides, World } from '../world.ts';

const MANY = 60;

interface Seen {
  /** Days from the request to the end of the slowest one. */
  readonly slowestDays: number;
  readonly requests: number;
  readonly faults: readonly string[];
}

export const erasureRequestsCheck = defineCheck<Seen>({
  name: 'erasure-requests',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('the clock is turned from the inside');
    const { client, apiKey } = await world.tenant(0);
    const faults = await bulk(world, client, apiKey);
    const vault = client.vault((await client.vaults.create(canaryWord(world))).id);
    await vault.add({ text: 'a canary', subject: 'somebody' });
    const { id } = await client.erasures.request({ target: { subject: 'somebody' }, reason: 'a canary' });
    insides.turnClock(31 * DAY_MS);
    await insides.sweep();
    faults.push(...(await recorded(client, id)));
    return { ...(await ages(world, insides)), faults };
  },
  judges: {
    'PRV-02': ({ slowestDays, requests, faults }, { days = 0 }) =>
      judged(requests, [
        ...faults,
        ...(slowestDays <= days ? [] : [`a request was open for ${Math.round(slowestDays)} days`]),
      ]),
  },
  sabotages: [
    {
      name: 'stuck',
      breaks: 'Requests are taken and never carried out.',
      turns: ['PRV-02'],
      change: {
        destruction: (real) =>
          replaced(real, {
            carryOut: () => Promise.resolve({ epoch: null, state: 'hidden', confirmed: [], missing: [] }),
          }),
      },
    },
    {
      name: 'done-twice',
      breaks: 'A repeated request is taken for a new one.',
      turns: ['PRV-02'],
      change: {
        parts: (real) => ({
          ...real,
          idempotency: replaced(real.idempotency, {
            begin: () =>
              Promise.resolve({
                kind: 'proceed',
                claim: { complete: () => Promise.resolve(), abandon: () => Promise.resolve() },
              }),
          }),
        }),
      },
    },
    {
      name: 'no-record',
      breaks: 'The ledger does not say that an erasure was carried out.',
      turns: ['PRV-02'],
      change: {
        ledger: (real) =>
          replaced(real, {
            append: (tx, draft) => {
              if (draft.action !== 'erasure.complete') real.append(tx, draft);
            },
          }),
      },
    },
  ],
});

/** Many at once, asked for twice. */
async function bulk(world: World, client: Strongroom, apiKey: string): Promise<string[]> {
  const { id: vault } = await client.vaults.create(canaryWord(world));
  const memories = Array.from({ length: MANY }, (_, at) => ({
    text: `canary ${at}`,
    kind: at % 3 ? 'go' : 'stay',
  }));
  await client.vault(vault).addMany(memories);
  const target = { vault, filter: { kind: 'go' } };
  const { count, confirm } = await client.erasures.plan(target);
  const request = {
    method: 'POST',
    path: '/v1/erasures',
    apiKey,
    body: { target, reason: 'a canary', confirm },
    headers: { 'idempotency-key': canaryWord(world) },
  };
  const first = await ask(world, request);
  const again = await ask(world, request);
  const left = (await Array.fromAsync(client.vault(vault).listAll())).length;
  const expected = memories.filter(({ kind }) => kind === 'go').length;
  return [
    ...(first.status === 202 ? [] : [`a bulk request answered ${first.status}`]),
    ...(again.json?.['id'] === first.json?.['id'] ? [] : ['a repeated bulk request was another one']),
    ...(count === expected && first.json?.['count'] === expected
      ? []
      : ['a bulk request announced another number than it ended']),
    ...(left === MANY - expected ? [] : [`${left} memories are left, not ${MANY - expected}`]),
  ];
}

/** Who asked, and that it was done, in the ledger. */
async function recorded(client: Strongroom, id: string): Promise<string[]> {
  const entries = await Array.fromAsync(client.ledger.listAll({ target: id }));
  const actions = entries.map(({ action }) => action);
  return ['erasure.request', 'erasure.complete'].flatMap((action) =>
    actions.filter((each) => each === action).length === 1 ? [] : [`the ledger has not one ${action}`],
  );
}

/** How long each request took, or has been open. */
async function ages({ clock }: World, { store }: Insides): Promise<Pick<Seen, 'slowestDays' | 'requests'>> {
  const rows = await store.read(SYSTEM, (db) =>
    db.selectFrom('erasures').select(['requested_at', 'destroyed_at']).execute(),
  );
  const days = rows.map(
    ({ requested_at, destroyed_at }) => ((destroyed_at ?? clock.now()) - requested_at) / DAY_MS,
  );
  return { slowestDays: Math.max(0, ...days), requests: rows.length };
}
