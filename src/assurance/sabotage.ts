/** Shows that checks can fail: each sabotage of a claim on a scratch instance of its own, and what turned red. */
import type { SabotageOutcome } from '@strongroom/client';
import type { Check, Sabotage } from './check.ts';
import type { Claim, ClaimId } from './claim.ts';
import { observe, type Progress } from './runner.ts';
import { combine } from './standing.ts';
import type { OpenScratch } from './world.ts';

interface Planned {
  readonly check: Check;
  readonly sabotage: Sabotage;
}

/** Every sabotage that must turn `claim` red. */
export const sabotagesOf = (checks: readonly Check[], claim: ClaimId): readonly Planned[] =>
  checks.flatMap((check) =>
    check.sabotages.filter(({ turns }) => turns.includes(claim)).map((sabotage) => ({ check, sabotage })),
  );

export async function* runSabotages(
  planned: readonly Planned[],
  claims: ReadonlyMap<string, Claim>,
  openScratch: OpenScratch,
): AsyncGenerator<Progress, SabotageOutcome[]> {
  const outcomes: SabotageOutcome[] = [];
  for (const [index, { check, sabotage }] of planned.entries()) {
    yield {
      type: 'progress',
      check: `${check.name}, ${sabotage.name}`,
      place: 'scratch',
      number: index + 1,
      of: planned.length,
      claims: check.claims,
    };
    outcomes.push(await trySabotage({ check, sabotage }, claims, openScratch));
  }
  return outcomes;
}

/** Runs the check on a scratch instance that is broken in that way. */
export async function trySabotage(
  { check, sabotage }: Planned,
  claims: ReadonlyMap<string, Claim>,
  openScratch: OpenScratch,
): Promise<SabotageOutcome> {
  const world = await openScratch(sabotage.change);
  try {
    const open = () => Promise.resolve(world);
    const judge = await observe(check, { live: open, scratch: open });
    const turned: string[] = [];
    const faults: string[] = [];
    for (const id of check.claims) {
      const claim = claims.get(id);
      if (claim === undefined) continue;
      const said = combine([judge(claim)]);
      // An error has shown nothing: only a check that saw what is wrong has turned red.
      if (said.verdict === 'fail') turned.push(id);
      if (said.verdict !== 'pass') faults.push(...said.faults.map((fault) => `${id}: ${fault}`));
    }
    const expected = [...sabotage.turns];
    const isCaught = turned.toSorted().join() === expected.toSorted().join();
    const { name, breaks } = sabotage;
    return { check: check.name, name, breaks, expected, turned, caught: isCaught, faults };
  } finally {
    await world.close();
  }
}
