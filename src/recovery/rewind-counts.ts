/** What becomes of the memories of a vault that is taken back to a moment. */
import type { RewindRow } from '../store/schema.ts';

export interface RewindCounts {
  /** As they were. */
  readonly unchanged: number;
  /** In the trash since, and live again. */
  readonly returned: number;
  /** Changed since, and say again what they said: a new version. */
  readonly changed: number;
  /** Without a row today and not destroyed: put back as they lay in the backup. */
  readonly missing: number;
  /** Not there at that moment: put into the trash. */
  readonly newer: number;
  /** The same, and left because a hold or a statute keeps them. */
  readonly kept: number;
  /** Destroyed since, or what they said then is: nothing brings it back. */
  readonly gone: number;
  /** Their time is over by the rules of today. */
  readonly over: number;
  /** Written after the dry run, waiting for a decision, or erased before and not to come back: left as they are. */
  readonly left: number;
}

export const NO_COUNTS: RewindCounts = {
  unchanged: 0,
  returned: 0,
  changed: 0,
  missing: 0,
  newer: 0,
  kept: 0,
  gone: 0,
  over: 0,
  left: 0,
};

export type Fate = keyof RewindCounts;

export function countOf(fates: Iterable<Fate>, before: RewindCounts = NO_COUNTS): RewindCounts {
  const counts = { ...before };
  for (const fate of fates) counts[fate]++;
  return counts;
}

export const countsOfRow = ({ left_alone: left, ...row }: RewindRow): RewindCounts => ({
  unchanged: row.unchanged,
  returned: row.returned,
  changed: row.changed,
  missing: row.missing,
  newer: row.newer,
  kept: row.kept,
  gone: row.gone,
  over: row.over,
  left,
});

export const countColumns = ({
  left,
  ...counts
}: RewindCounts): Omit<RewindCounts, 'left'> & { readonly left_alone: number } => ({
  ...counts,
  left_alone: left,
});

/** What an interrupted one did before counts as unchanged when it is gone through again. */
export const resumedCounts = ({ returned, changed, missing, newer }: RewindCounts): RewindCounts => ({
  ...NO_COUNTS,
  unchanged: -(returned + changed + missing),
  returned,
  changed,
  missing,
  newer,
});
