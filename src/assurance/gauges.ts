/** How claims stand, as figures for machines that watch: by claim, of those that are built. */
import type { ClaimResult } from '@strongroom/client';
import type { Gauge } from '../http/parts.ts';

/** While entries cannot be kept nothing is shown as held, whatever was found before. */
export function claimGauges(results: readonly ClaimResult[], isHealthy: boolean): readonly Gauge[] {
  const built = results.filter(({ verdict }) => verdict !== 'not_claimed');
  return built.flatMap(({ id: claim, verdict, held, ageSeconds }) => [
    {
      name: 'strongroom_claim_held',
      help: 'Whether the claim holds: 1 only after a young pass of a claim that is complete.',
      labels: { claim },
      value: held && isHealthy ? 1 : 0,
    },
    {
      name: 'strongroom_claim_verdict',
      help: 'How the claim stands: 1 for its verdict.',
      labels: { claim, verdict: isHealthy ? verdict : 'error' },
      value: 1,
    },
    ...(ageSeconds === undefined
      ? []
      : [
          {
            name: 'strongroom_claim_age_seconds',
            help: 'Time since the claim was checked.',
            labels: { claim },
            value: ageSeconds,
          },
        ]),
  ]);
}
