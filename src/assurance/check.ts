/**
 * A check: `observe` does all the input and output against a world, `judge` is pure and says for each claim what the
 * observation means. A sabotage is a change to a scratch world that breaks the property; the check must turn red on it.
 *
 * Invariants: a judgement that looked at nothing is no pass (the runner makes it an error); what `observe` throws is an
 * error and never a failure of the claim, because nothing has been learnt about it.
 */
import type { ClaimId } from './claim.ts';
import type { Sabotaged, World } from './world.ts';

export interface Judgement {
  /** `partial` and `not_claimed` where this deployment leaves a part, or all, of the claim out of reach. */
  readonly verdict: 'pass' | 'fail' | 'partial' | 'not_claimed';
  /** How many things were looked at. */
  readonly covered: number;
  /** What is wrong, one each. */
  readonly faults: readonly string[];
  /** What was measured, content-free. */
  readonly measured: Readonly<Record<string, number | string>>;
  /** For `partial`: the half that could not be looked at. For `not_claimed`: why. */
  readonly missing?: string;
}

export type Values = Readonly<Record<string, number>>;

export type Judge<Observation> = (observation: Observation, values: Values) => Judgement;

export interface Sabotage {
  /** Kebab-case, unique within its check. */
  readonly name: string;
  /** What it breaks, as a sentence. */
  readonly breaks: string;
  /** The claims that must turn red, and no other of the same check. */
  readonly turns: readonly ClaimId[];
  readonly change: Sabotaged;
}

interface CheckSpec<Observation> {
  readonly name: string;
  readonly place: World['place'];
  readonly observe: (world: World) => Promise<Observation>;
  readonly judges: Readonly<Partial<Record<ClaimId, Judge<Observation>>>>;
  readonly sabotages: readonly Sabotage[];
}

/** A check with its observation's type behind it. */
export interface Check {
  readonly name: string;
  /** Where it runs: harmless on the running server, or on a scratch instance of the same build. */
  readonly place: World['place'];
  readonly claims: readonly ClaimId[];
  readonly sabotages: readonly Sabotage[];
  /** Observes once; the answer judges one claim after another. */
  readonly run: (world: World) => Promise<(claim: ClaimId, values: Values) => Judgement>;
}

export function defineCheck<Observation>(spec: CheckSpec<Observation>): Check {
  const { name, place, judges, sabotages } = spec;
  return {
    name,
    place,
    sabotages,
    claims: Object.keys(judges) as ClaimId[],
    run: async (world) => {
      const observation = await spec.observe(world);
      return (claim, values) => {
        const judge = judges[claim];
        if (judge === undefined) throw new RangeError(`${name} says nothing about ${claim}`);
        return judge(observation, values);
      };
    },
  };
}

/** Pass without faults, fail with any. */
export const judged = (
  covered: number,
  faults: readonly string[],
  measured: Judgement['measured'] = {},
): Judgement => ({ verdict: faults.length === 0 ? 'pass' : 'fail', covered, faults, measured });
