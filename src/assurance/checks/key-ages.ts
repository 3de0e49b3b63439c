/** The keys of the running server: none is older than it may be, and none that was replaced outlives its day. */
import type { RotationKeyAge } from '@strongroom/client';
import { DAY_MS } from '../../durations.ts';
import { SYSTEM } from '../../store/store.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';

interface Aged {
  readonly nowMs: number;
  readonly keys: readonly RotationKeyAge[];
}

/** What is due is done by the next hour's chores, and these take turns. */
const LATE_DAYS_MAX = 1;

/** Others keep what these have signed, and have to learn of each new one: they turn less often. */
const SIGNS: readonly string[] = ['ledger', 'certificates'];

export const keyAgesCheck = defineCheck<Aged>({
  name: 'key-ages',
  place: 'live',
  observe: async (world) => {
    const { client } = await world.tenant(0);
    return { nowMs: world.clock.now(), keys: (await client.rotations.list()).keys };
  },
  judges: {
    'CRY-04': ({ nowMs, keys }, { ledgerDays = 0, serviceDays = 0 }) => {
      const daysSince = (time: string): number => (nowMs - Date.parse(time)) / DAY_MS;
      const daysMaxOf = ({ key }: RotationKeyAge): number =>
        key === 'root' ? 1 : SIGNS.includes(key) ? ledgerDays : serviceDays;
      const faults = keys.flatMap((age) => [
        ...(age.daysMax > daysMaxOf(age) ? [`the ${age.key} key may be used for ${age.daysMax} days`] : []),
        ...(daysSince(age.since) > daysMaxOf(age) + LATE_DAYS_MAX
          ? [`the ${age.key} key is ${Math.floor(daysSince(age.since))} days old`]
          : []),
        ...age.retired.flatMap(({ destroyBy }) =>
          destroyBy !== null && daysSince(destroyBy) > LATE_DAYS_MAX
            ? [`a ${age.key} key that was replaced is not destroyed`]
            : [],
        ),
      ]);
      const ages = keys.map(({ key, since }) => [`${key} key, days old`, Math.floor(daysSince(since))]);
      return judged(keys.length, faults, Object.fromEntries(ages) as Record<string, number>);
    },
  },
  sabotages: [
    {
      name: 'old-pepper',
      breaks: 'The pepper of API keys has not been replaced for years.',
      turns: ['CRY-04'],
      change: {
        parts: (real, { store }) => ({
          ...real,
          rotations: replaced(real.rotations, {
            listRotations: async (context) => {
              await store.write(SYSTEM, (tx) =>
                tx.sql
                  .updateTable('service_slots')
                  .set({ created_at: 0, change: tx.change })
                  .where('name', '=', 'pepper')
                  .execute(),
              );
              return real.rotations.listRotations(context);
            },
          }),
        }),
      },
    },
  ],
});
