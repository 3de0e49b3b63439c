/**
 * One list out of several: reciprocal rank fusion (Cormack, Clarke and Büttcher, 2009). The n-th of a list with weight w
 * gives w / (60 + n), and what stands in several lists has the sum. Scores of different kinds are never compared.
 */
import { Top, type Scored } from './top.ts';

const FUSION_K = 60;

export interface RankedList {
  readonly weight: number;
  /** Best first. */
  readonly best: readonly Scored[];
}

/** @param tieOf which of two rows comes first when their scores are equal. */
export function fuseLists(
  lists: readonly RankedList[],
  limit: number,
  tieOf: (a: number, b: number) => boolean,
): readonly Scored[] {
  const scores = new Map<number, number>();
  for (const { weight, best } of lists)
    best.forEach(({ row }, at) => scores.set(row, (scores.get(row) ?? 0) + weight / (FUSION_K + at + 1)));
  const top = new Top(limit, tieOf);
  for (const [row, score] of scores) top.push(row, score);
  return top.list();
}
