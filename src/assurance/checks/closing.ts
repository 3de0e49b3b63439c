/**
 * The end of an account, on a scratch instance whose clock can be turned: its own key closes it, nothing can be done in it
 * from then on, and when its days are over no row of it is left but the record of what was done.
 */
import { DAY_MS } from '../../durations.ts';
import { StrongroomError } from '../../errors.ts';
import { TABLES } from '../../store/migrations.ts';
import { SYSTEM } from '../../store/store.ts';
import { isTenantTable } from '../../store/table.ts';
import { ask } from '../ask.ts';
import { canaryWord } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import type { Insides, World } from '../world.ts';

interface Closed {
  /** Rows before, in tables that are to be emptied. */
  readonly before: number;
  /** `table: rows` of what is left. */
  readonly left: readonly string[];
  /** Paths that answered although the account was being closed, or was. */
  readonly answered: readonly string[];
  readonly asked: number;
  /** From the request to the last row, in days. */
  readonly days: number;
  /** Whether another account noticed nothing. */
  readonly isOtherWell: boolean;
  readonly faults: readonly string[];
}

export const closingCheck = defineCheck<Closed>({
  name: 'closing',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('rows are counted from the inside');
    return close(world, insides);
  },
  judges: {
    'RET-01': ({ answered, asked, faults }) =>
      judged(asked, [
        ...faults,
        ...answered.map((path) => `${path} answered in an account that is being closed`),
      ]),
    'RET-04': ({ before, left, days, isOtherWell }, { days: most = 0 }) => {
      const faults = [
        ...left.map((rows) => `still there: ${rows}`),
        ...(days <= most ? [] : [`it took ${days} days`]),
        ...(isOtherWell ? [] : ['another account was touched']),
      ];
      return judged(before, faults, { rows: before, days });
    },
  },
  sabotages: [
    {
      name: 'open-while-closing',
      breaks: 'An account that is being closed can be used.',
      turns: ['RET-01'],
      change: {
        parts: (real) => ({
          ...real,
          access: replaced(real.access, {
            authenticate: async (apiKey, address) => {
              const { isClosing: _, ...principal } = await real.access.authenticate(apiKey, address);
              return principal;
            },
          }),
        }),
      },
    },
    {
      name: 'never-removed',
      breaks: 'Keys are not destroyed, so no row goes.',
      turns: ['RET-04'],
      change: {
        destruction: (real) =>
          replaced(real, {
            carryOut: () => Promise.resolve({ epoch: null, state: 'hidden', confirmed: [], missing: [] }),
          }),
      },
    },
  ],
});

async function close(world: World, insides: Insides): Promise<Closed> {
  const { client, organization, apiKey } = await world.tenant(1);
  const other = await world.tenant(0);
  for (const each of [client, other.client]) {
    const vault = each.vault((await each.vaults.create(canaryWord(world))).id);
    await vault.add({ text: 'a canary', subject: 'somebody', conversation: 'a talk', vector: [1, 2] });
    await vault.search('canary');
    await vault.update((await vault.add('another')).id, { text: 'changed' });
  }
  await world.flush();
  const before = await rowsOf(insides, organization);
  const faults: string[] = [];
  const target = { organization };
  const asked = await client.erasures.request({ target, reason: 'a canary' }).catch((error: unknown) => {
    if (!(error instanceof StrongroomError)) throw error;
    faults.push(`it cannot be closed by its own key: ${error.code}`);
    return null;
  });
  const paths = ['/v1/vaults', '/v1/keys', '/v1/ledger', '/v1/ledger/checkpoint'];
  const answered = await answering(world, apiKey, paths);
  const askedAt = world.clock.now();
  insides.turnClock(14 * DAY_MS);
  await insides.sweep();
  answered.push(...(await answering(world, apiKey, paths)));
  const status = `/v1/erasures/${asked?.id ?? ''}`;
  if ((await answering(world, apiKey, [status])).length === 0)
    faults.push('whoever closed it cannot see what became of it');
  const left = await rowsOf(insides, organization);
  const days = Math.round((world.clock.now() - askedAt) / DAY_MS);
  const kept = await Array.fromAsync(other.client.vaults.listAll());
  return {
    before: [...before.values()].reduce((sum, rows) => sum + rows, 0),
    left: Array.from(left, ([table, rows]) => `${table}: ${rows}`),
    answered,
    asked: paths.length * 2 + 1,
    days,
    isOtherWell: kept.length > 0,
    faults,
  };
}

async function answering(world: World, apiKey: string, paths: readonly string[]): Promise<string[]> {
  const answered: string[] = [];
  for (const path of paths)
    if ((await ask(world, { method: 'GET', path, apiKey })).status < 400) answered.push(path);
  return answered;
}

/** Rows in every table of tenants, but for what the annotations say is kept for years. */
async function rowsOf({ store }: Insides, organization: string): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const [table, definition] of Object.entries(TABLES)) {
    const isKept = Object.values(definition.columns).some(({ retention }) => retention === 'ledger');
    if (!isTenantTable(definition) || isKept) continue;
    const rows = await store.read(SYSTEM, (db) =>
      db
        .selectFrom(table as 'memories')
        .select('change')
        .where('organization', '=', organization)
        .execute(),
    );
    if (rows.length > 0) counts.set(table, rows.length);
  }
  return counts;
}
