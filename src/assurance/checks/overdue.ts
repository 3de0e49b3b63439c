/** What the running server says of itself: how overdue what is most overdue is, and when it last ended what is over. */
import { ask } from '../ask.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';

const HOUR_S = 3600;
const DAY_S = 24 * HOUR_S;
/** Once an hour, and as long again for one that takes its time. */
const RUN_S_MAX = 2 * HOUR_S;

interface Gauges {
  readonly overdueS: number | null;
  readonly ranS: number | null;
  readonly aheadS: number | null;
  readonly nowS: number;
}

export const overdueCheck = defineCheck<Gauges>({
  name: 'overdue',
  place: 'live',
  observe: async (world) => {
    const { text } = await ask(world, { method: 'GET', path: '/metrics' });
    const gauge = (name: string): number | null => {
      const value = new RegExp(`^${name} (-?\\d+)`, 'm').exec(text)?.[1];
      return value === undefined ? null : Number(value);
    };
    return {
      overdueS: gauge('strongroom_retention_overdue_seconds'),
      ranS: gauge('strongroom_retention_run_timestamp_seconds'),
      aheadS: gauge('strongroom_clock_ahead_seconds'),
      nowS: world.clock.now() / 1000,
    };
  },
  judges: {
    'RET-06': ({ overdueS, ranS, aheadS, nowS }, { days = 7 }) => {
      if (overdueS === null || ranS === null || aheadS === null)
        return judged(1, ['the server does not say how overdue anything is']);
      const faults = [
        ...(overdueS <= days * DAY_S ? [] : [`something is overdue by ${Math.floor(overdueS / DAY_S)} days`]),
        ...(nowS - ranS <= RUN_S_MAX ? [] : ['what is over was not ended within the last two hours']),
        ...(aheadS === 0 ? [] : ['the clock is doubted, so nothing is ended by it: strongroom clock trust']),
      ];
      return judged(1, faults, { overdueDays: Math.round((overdueS / DAY_S) * 10) / 10 });
    },
  },
  sabotages: [
    {
      name: 'stopped-chores',
      breaks: 'What is over is not ended, and nobody says so.',
      turns: ['RET-06'],
      change: { scheduler: (real) => replaced(real, { run: () => Promise.resolve() }) },
    },
  ],
});
