/**
 * How a claim stands: what its checks found, how old that is, and what the claim itself admits. Pure.
 *
 * Invariant: only `pass` is held, and a pass needs a complete claim, a check that looked at something, this very build
 * and configuration with these very parameters, and a result that is young enough. Everything else has another name.
 */
import type { ClaimResult } from '@strongroom/client';
import { HOUR_MS } from '../durations.ts';
import { sentenceOf, valuesOf, type Claim, type ClaimId } from './claim.ts';
import type { Judgement } from './check.ts';

export type Place = 'live' | 'scratch' | 'both';

/** What is kept of a check's run, for one claim. */
export interface Finding {
  readonly claim: ClaimId;
  readonly atMs: number;
  readonly place: Place;
  readonly build: string;
  readonly values: Readonly<Record<string, number>>;
  readonly verdict: 'pass' | 'fail' | 'error' | 'partial' | 'not_claimed';
  readonly covered: number;
  readonly faults: readonly string[];
  readonly measured: Readonly<Record<string, number | string>>;
  readonly missing?: string;
}

/** What one check said: a judgement, or that it could not come to one. */
export type Said = { readonly judgement: Judgement } | { readonly error: string };

const FAULTS_MAX = 20;

/** All that the checks of a claim said, as one: the worst of it counts. */
export function combine(
  said: readonly Said[],
): Pick<Finding, 'verdict' | 'covered' | 'faults' | 'measured' | 'missing'> {
  const errors = said.flatMap((each) => ('error' in each ? [each.error] : emptinessOf(each.judgement)));
  const judgements = said.flatMap((each) => ('judgement' in each ? [each.judgement] : []));
  const faults = judgements.flatMap((judgement) => judgement.faults);
  const missing = judgements.flatMap((judgement) => judgement.missing ?? []);
  const verdicts = new Set(judgements.map(({ verdict }) => verdict));
  const verdict =
    faults.length > 0 || verdicts.has('fail')
      ? 'fail'
      : errors.length > 0 || said.length === 0
        ? 'error'
        : ((['not_claimed', 'partial'] as const).find((each) => verdicts.has(each)) ?? 'pass');
  return {
    verdict,
    covered: judgements.reduce((sum, { covered }) => sum + covered, 0),
    faults: [...faults, ...errors].slice(0, FAULTS_MAX),
    measured: Object.assign({}, ...judgements.map(({ measured }) => measured)) as Judgement['measured'],
    ...(missing.length === 0 ? {} : { missing: missing.join('; ') }),
  };
}

/** A check that looked at nothing has shown nothing, whatever it says. */
const emptinessOf = ({ verdict, covered }: Judgement): string[] =>
  covered > 0 || verdict === 'not_claimed' ? [] : ['the check looked at nothing'];

export interface Now {
  readonly nowMs: number;
  readonly build: string;
}

export function standingOf(claim: Claim, finding: Finding | undefined, now: Now): ClaimResult {
  const { state } = claim;
  const base = {
    id: claim.id,
    family: claim.family,
    sentence: sentenceOf(claim),
    method: claim.method,
    supports: copyOf(claim),
    parameters: valuesOf(claim),
    faults: [],
    held: false,
  };
  if (state.kind === 'not_claimed') return { ...base, verdict: 'not_claimed', reason: state.reason };
  const built = { ...base, notProven: state.notProven, mend: state.mend, freshHours: state.hoursFresh };
  if (finding === undefined) return { ...built, verdict: 'stale', reason: 'has not been checked' };
  const missing = [finding.missing, state.kind === 'partial' ? state.missing : undefined].filter(
    (each) => each !== undefined,
  );
  const checked = {
    ...built,
    checkedAt: new Date(finding.atMs).toISOString(),
    ageSeconds: Math.max(0, Math.floor((now.nowMs - finding.atMs) / 1000)),
    place: finding.place,
    covered: finding.covered,
    measured: { ...finding.measured },
    faults: [...finding.faults],
    ...(missing.length === 0 ? {} : { missing: missing.join('; ') }),
  };
  const stale = stalenessOf(claim, finding, now);
  if (stale !== null) return { ...checked, verdict: 'stale', reason: stale };
  const verdict = state.kind === 'partial' && finding.verdict === 'pass' ? 'partial' : finding.verdict;
  return { ...checked, verdict, held: verdict === 'pass' };
}

function stalenessOf(claim: Claim, finding: Finding, { nowMs, build }: Now): string | null {
  if (finding.build !== build) return `was checked on ${finding.build}, and this is ${build}`;
  if (JSON.stringify(finding.values) !== JSON.stringify(valuesOf(claim)))
    return 'was checked with other parameters';
  const { state } = claim;
  const hours = state.kind === 'not_claimed' ? 0 : state.hoursFresh;
  if (finding.atMs > nowMs) return 'was checked at a time that has not come yet';
  return nowMs - finding.atMs > hours * HOUR_MS ? `was last checked more than ${hours} hours ago` : null;
}

const ERROR_AGAIN_MS = HOUR_MS;

/** Whether a check should run again of itself: what is missing, about to be stale, or could not be finished. */
export function isDue(
  claim: Claim,
  finding: Finding | undefined,
  { everyMs, ...now }: Now & { readonly everyMs: number },
): boolean {
  if (claim.state.kind === 'not_claimed') return false;
  if (finding === undefined || stalenessOf(claim, finding, now) !== null) return true;
  const ageMs = now.nowMs - finding.atMs;
  return ageMs >= (finding.verdict === 'error' ? Math.min(everyMs, ERROR_AGAIN_MS) : everyMs);
}

const copyOf = ({ supports }: Claim): ClaimResult['supports'] => ({
  soc2: [...supports.soc2],
  iso27001: [...supports.iso27001],
  gdpr: [...supports.gdpr],
  hipaa: [...supports.hipaa],
  ccpa: [...supports.ccpa],
});
