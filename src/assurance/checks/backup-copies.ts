/**
 * The backups of the running server as they are now: how old the newest are, how much would be lost, when it was last shown that
 * they restore, and whether a second place holds them all.
 */
import type { BackupStatus } from '@strongroom/client';
import { DAY_MS, HOUR_MS, WEEK_MS } from '../../durations.ts';
import { defineCheck, judged, type Judge, type Judgement } from '../check.ts';
import { manifestName } from '../../recovery/place.ts';
import type { BackupId } from '../../ids.ts';
import { replaced } from '../replaced.ts';

interface Copies {
  readonly status: BackupStatus;
  readonly nowMs: number;
}

/** Null where backups are turned off: then nothing is promised of them. */
export const backupCopiesCheck = defineCheck<Copies | null>({
  name: 'backup-copies',
  place: 'live',
  observe: async ({ tenant, clock, backsUp }) => {
    if (!backsUp) return null;
    const { client } = await tenant(0);
    const first = await client.backups.status();
    // A server that has just been set up has not come to its first one; whoever verifies need not wait for it.
    if (first.backups === 0) await client.backups.create();
    const { drill } = await client.backups.status();
    if (drill === null || clock.now() - Date.parse(drill.startedAt) > WEEK_MS) await client.backups.drill();
    return { status: await client.backups.status(), nowMs: clock.now() };
  },
  judges: {
    'BCK-01': whereOn(({ status, nowMs }, { hours = 0, days = 0 }) => {
      const since = (at: string | null): number =>
        at === null ? Number.POSITIVE_INFINITY : nowMs - Date.parse(at);
      const [daily, full] = [since(status.incrementalAt) / HOUR_MS, since(status.fullAt) / DAY_MS];
      const faults = [
        ...(daily > hours ? [`the newest backup is ${daily.toFixed(1)} h old`] : []),
        ...(full > days ? [`the newest full backup is ${full.toFixed(1)} d old`] : []),
      ];
      return judged(status.backups, faults, { hours: round(daily), fullDays: round(full) });
    }),
    'BCK-02': whereOn(({ status: { drill }, nowMs }, { hours = 0 }) => {
      if (drill === null) return judged(1, ['it was never tried whether the backups restore']);
      const age = (nowMs - Date.parse(drill.startedAt)) / DAY_MS;
      const faults = [
        ...(drill.state === 'failed' ? [`the last drill failed: ${drill.faultCount} faults`] : []),
        ...(drill.recoverySeconds > hours * 3600 ? [`the last drill took ${drill.recoverySeconds} s`] : []),
        ...(age > 92 ? [`the last drill is ${age.toFixed(0)} d old`] : []),
      ];
      return judged(drill.rows, faults, { recoverySeconds: drill.recoverySeconds, drillDays: round(age) });
    }),
    'BCK-03': whereOn(({ status: { lossSeconds } }, { minutes = 0 }) => {
      const loss = lossSeconds === null ? Number.POSITIVE_INFINITY : lossSeconds / 60;
      return judged(1, loss > minutes ? [`${loss.toFixed(0)} min could be lost`] : [], {
        lossMinutes: round(loss),
      });
    }),
    'BCK-05': whereOn(({ status }) => copiesJudgement(status)),
  },
  sabotages: [
    {
      name: 'no-backups',
      breaks: 'The newest backup is of last month, and no drill has come to an end.',
      turns: ['BCK-01', 'BCK-02', 'BCK-03'],
      change: {
        parts: (real) => ({
          ...real,
          backups: replaced(real.backups, {
            backupStatus: async (context) => {
              const status = await real.backups.backupStatus(context);
              if (status.fullAt === null) return status;
              const monthAgo = new Date(Date.parse(status.fullAt) - 30 * DAY_MS).toISOString();
              const drill = status.drill === null ? null : { ...status.drill, state: 'failed' as const };
              return {
                ...status,
                fullAt: monthAgo,
                incrementalAt: monthAgo,
                recoverableAt: monthAgo,
                lossSeconds: (30 * DAY_MS) / 1000,
                drill,
              };
            },
          }),
        }),
      },
    },
    {
      name: 'one-copy',
      breaks: 'The second place loses the backups that were written to it.',
      turns: ['BCK-05'],
      change: {
        backups: (real) =>
          replaced(real, {
            create: async (kind, options) => {
              const row = await real.create(kind, options);
              await real.places[1]?.blobs.delete(manifestName(row.id as BackupId));
              return row;
            },
          }),
      },
    },
  ],
});

const unclaimed = (missing: string): Judgement => ({
  verdict: 'not_claimed',
  covered: 1,
  faults: [],
  measured: {},
  missing,
});

function whereOn(judge: Judge<Copies>): Judge<Copies | null> {
  return (copies, values) =>
    copies === null ? unclaimed('backups are off: `backups` sets where they go') : judge(copies, values);
}

function copiesJudgement({ places, backups }: BackupStatus): Judgement {
  const [first, second] = places;
  if (first === undefined || second === undefined)
    return unclaimed('there is one place for backups: a second one is set with `backups`');
  const faults = places.flatMap(({ reachable, missing, allowed, location }, at) => [
    ...(reachable ? [] : [`copy ${at + 1} cannot be read`]),
    ...(reachable && missing > 0 ? [`copy ${at + 1} lacks ${missing} of ${backups} backups`] : []),
    ...(allowed ? [] : [`copy ${at + 1} lies in ${location ?? 'no location'}, which is not allowed`]),
  ]);
  if (faults.length > 0) return judged(places.length, faults);
  if (first.location === null || second.location === null || first.location === second.location)
    return {
      ...judged(places.length, []),
      verdict: 'partial',
      missing: 'the two places name no different locations, so nothing says that they are apart',
    };
  return judged(places.length, [], { copies: places.length });
}

const round = (value: number): number => Math.round(value * 100) / 100;
