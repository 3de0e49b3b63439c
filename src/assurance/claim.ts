/**
 * A claim: a promise as data. What is promised (a sentence with its parameters), what the check examines, which
 * requirements of known frameworks it supports, and whether it is built, half built or not claimed at all.
 *
 * Invariant: a parameter never lies beyond its floor, so no setting weakens a promise into one that always holds.
 */

export const FAMILIES = {
  CRY: 'Encryption',
  ACC: 'Access',
  KEY: 'API keys',
  TEN: 'Tenants',
  RET: 'Retention and deletion',
  BCK: 'Backups',
  AUD: 'Audit',
  MON: 'Monitoring',
  LLM: 'Models',
  PRV: 'Privacy',
  SUP: 'Supply chain',
  RES: 'Residency',
  NET: 'Network and input',
  CLI: 'Command line',
  GOV: 'Governance',
  FUN: 'What it does for people',
} as const;

export type Family = keyof typeof FAMILIES;
export type ClaimId = `${Family}-${number}`;

/** A number in the sentence, and the bound that no setting may pass. */
export interface Parameter {
  readonly value: number;
  readonly floor: number;
  /** Which side of the floor is allowed. */
  readonly better: 'more' | 'less';
}

/** Ids of requirements that the claim supports; none where there is none. Drafts for a qualified person to review. */
export interface Supports {
  readonly soc2: readonly string[];
  readonly iso27001: readonly string[];
  readonly gdpr: readonly string[];
  readonly hipaa: readonly string[];
  readonly ccpa: readonly string[];
}

interface Built {
  /** What somebody might believe after a pass, and should not. */
  readonly notProven: string;
  /** After so long a result is stale. */
  readonly hoursFresh: number;
  /** The command, or the act, that would mend a failure. */
  readonly mend: string;
}

export type ClaimState =
  | ({ readonly kind: 'complete' } & Built)
  /** Shown as half done, whatever its check says: `missing` names the other half. */
  | ({ readonly kind: 'partial'; readonly missing: string } & Built)
  | { readonly kind: 'not_claimed'; readonly reason: string };

export interface Claim {
  readonly id: ClaimId;
  readonly family: Family;
  /** With `{name}` where a parameter stands. */
  readonly sentence: string;
  /** What the whole check examines: the specification of a claim that is not built yet. */
  readonly examines: string;
  /** T: exercised, E: observed, A: attested, I: inherited; `*`: only where a profile applies. */
  readonly method: string;
  readonly supports: Supports;
  readonly parameters: Readonly<Record<string, Parameter>>;
  readonly state: ClaimState;
}

type SupportColumns = readonly [soc2: string, iso27001: string, gdpr: string, hipaa: string, ccpa: string];

interface ClaimRow extends Pick<Claim, 'sentence' | 'examines' | 'method' | 'state'> {
  readonly id: ClaimId;
  readonly supports: SupportColumns;
  readonly parameters?: Claim['parameters'];
}

/** A row of the table as a claim; throws on a parameter beyond its floor, or one that its sentence does not show. */
export function claimed({ supports, parameters = {}, ...row }: ClaimRow): Claim {
  const claim: Claim = {
    ...row,
    family: row.id.slice(0, 3) as Family,
    supports: supportsOf(supports),
    parameters,
  };
  for (const [name, parameter] of Object.entries(parameters)) {
    if (isBeyondFloor(parameter)) throw new RangeError(`${row.id}: ${name} lies beyond its floor`);
    if (!row.sentence.includes(`{${name}}`))
      throw new RangeError(`${row.id}: ${name} is not in its sentence`);
  }
  return claim;
}

/** The same claim with other values; throws on one beyond its floor. */
export function withParameters(claim: Claim, values: Readonly<Record<string, number>>): Claim {
  const changed = Object.entries(values).map(([name, value]) => {
    const parameter = claim.parameters[name];
    if (parameter === undefined) throw new RangeError(`${claim.id} has no parameter ${name}`);
    const next = { ...parameter, value };
    if (isBeyondFloor(next)) throw new RangeError(`${claim.id}: ${name} lies beyond its floor`);
    return [name, next] as const;
  });
  return { ...claim, parameters: { ...claim.parameters, ...Object.fromEntries(changed) } };
}

/** The sentence as people read it. */
export const sentenceOf = ({ sentence, parameters }: Claim): string =>
  sentence.replaceAll(/\{(\w+)\}/g, (whole, name: string) => {
    const parameter = parameters[name];
    return parameter === undefined ? whole : String(parameter.value);
  });

export const valuesOf = ({ parameters }: Claim): Readonly<Record<string, number>> =>
  Object.fromEntries(Object.entries(parameters).map(([name, { value }]) => [name, value]));

const isBeyondFloor = ({ value, floor, better }: Parameter): boolean =>
  !(better === 'more' ? value >= floor : value <= floor);

function supportsOf([soc2, iso27001, gdpr, hipaa, ccpa]: SupportColumns): Supports {
  const ids = (text: string): readonly string[] => text.split(' ').filter((id) => id !== '');
  return { soc2: ids(soc2), iso27001: ids(iso27001), gdpr: ids(gdpr), hipaa: ids(hipaa), ccpa: ids(ccpa) };
}
