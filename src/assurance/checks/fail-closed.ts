/**
 * The ledger when it cannot be written, on a scratch instance: for as long as entries cannot be kept nothing is done, shown
 * or stored, and health says so; afterwards everything is as it was.
 */
import { ask, codeOf, type Reply } from '../ask.ts';
import { canaryEnd, canaryWord, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import { requestFor } from '../drive.ts';

interface Refused {
  readonly route: string;
  readonly reply: Reply;
}

interface Closed {
  readonly tried: readonly Refused[];
  readonly healthMeanwhile: number;
  readonly healthAfter: number;
  /** Memories that the vault holds afterwards, and before. */
  readonly before: number;
  readonly after: number;
  /** Whether an answer showed the canary. */
  readonly shown: number;
}

export const failClosedCheck = defineCheck<Closed>({
  name: 'fail-closed',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('the ledger is broken from the inside');
    const tenant = await world.tenant(0);
    return withVault(world, tenant, {}, async (handle, vault) => {
      const stage = { world, tenant, vault };
      const word = canaryWord(world);
      await handle.add({ text: `a canary ${word}`, expiresAt: canaryEnd(world) });
      const requests = [];
      for (const route of world.routes) {
        const request = await requestFor(route, stage);
        if (request !== null)
          requests.push({ route: route.name, ask: { ...request, apiKey: tenant.apiKey } });
      }
      const count = async (): Promise<number> => (await Array.fromAsync(handle.listAll())).length;
      const before = await count();
      const tried: Refused[] = [];
      insides.breakLedger(true);
      let healthMeanwhile = 0;
      try {
        for (const { route, ask: request } of requests)
          tried.push({ route, reply: await ask(world, request) });
        healthMeanwhile = (await ask(world, { method: 'GET', path: '/readyz' })).status;
      } finally {
        insides.breakLedger(false);
      }
      const after = await count();
      const healthAfter = (await ask(world, { method: 'GET', path: '/readyz' })).status;
      const shown = tried.filter(({ reply }) => reply.text.includes(word)).length;
      return { tried, healthMeanwhile, healthAfter, before, after, shown };
    });
  },
  judges: {
    'AUD-01': ({ tried, healthMeanwhile, healthAfter, before, after, shown }) => {
      const faults = [
        ...tried
          .filter(({ reply }) => reply.status !== 503)
          .map(({ route, reply }) => `${route} without an entry: ${reply.status} ${codeOf(reply)}`),
        ...(healthMeanwhile === 503 ? [] : ['health was good while no entry could be kept']),
        ...(healthAfter === 200 ? [] : ['health stayed bad after entries could be kept again']),
        ...(before === after && before > 0 ? [] : [`${before} memories before, ${after} after`]),
        ...(shown === 0 ? [] : ['content was shown without an entry']),
      ];
      return judged(tried.length, faults, { refusedWithoutLedger: tried.length });
    },
  },
  sabotages: [
    {
      name: 'careless',
      breaks: 'What cannot be written down is done all the same.',
      turns: ['AUD-01'],
      change: { ledger: (real) => replaced(real, { append: () => undefined }) },
    },
  ],
});
