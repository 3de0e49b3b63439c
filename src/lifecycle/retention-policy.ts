/** A retention policy: what is kept how long in one place, as its owner said it, and as the rules that it makes. */
import type { RetentionClass, RetentionPolicyInput, RetentionPolicyView } from '@strongroom/client';
import { DAY_MS } from '../durations.ts';
import type { Id, OrganizationId, VaultId } from '../ids.ts';
import type { Slot } from '../keys/slot.ts';
import { StrongroomError, type Fault } from '../errors.ts';
import type { PlaceRules } from '../search/expiry.ts';

/** What holds for a class of memories in one place; null: nothing is said. */
export interface ClassPolicy {
  readonly days: number | null;
  readonly archiveAfterDays: number | null;
  /** A statute: nothing of the class may end sooner, whoever asks. The organization's to set. */
  readonly minimumDays: number | null;
}

export interface KindPolicy {
  readonly kind: string;
  readonly days: number;
}

export type PolicyId = Id<'policy'>;

export interface Policy {
  readonly id: PolicyId;
  readonly organization: OrganizationId;
  /** Null: the organization's own. */
  readonly vault: VaultId | null;
  readonly slot: Slot;
  readonly memories: ClassPolicy;
  readonly conversations: ClassPolicy;
  readonly kinds: readonly KindPolicy[];
  readonly archive: { readonly waitHours: number | null; readonly copyHours: number | null };
  readonly version: number;
  readonly updatedAt: number;
}

/** How long an approved request waits, and how long its copy lasts, where nobody said otherwise. */
export const ARCHIVE_WAIT_HOURS = 12;
export const ARCHIVE_COPY_HOURS = 72;
/** What the product keeps of itself: not to be shortened, and ended when it is over. */
export const LEDGER_YEARS = 7;
export const SECURITY_LOG_MONTHS = 12;

export type PolicyRules = Pick<Policy, 'memories' | 'conversations' | 'kinds' | 'archive'>;

const NO_CLASS: ClassPolicy = { days: null, archiveAfterDays: null, minimumDays: null };

export const NO_POLICY: PolicyRules = {
  memories: NO_CLASS,
  conversations: NO_CLASS,
  kinds: [],
  archive: { waitHours: null, copyHours: null },
};

/** What was sent, whole. Throws `request.invalid` for rules that contradict each other or belong elsewhere. */
export function parsePolicy(input: RetentionPolicyInput, place: 'organization' | 'vault'): PolicyRules {
  const rules: PolicyRules = {
    memories: classOf(input.memories),
    conversations: classOf(input.conversations),
    kinds: (input.kinds ?? []).map(({ kind, days }) => ({ kind, days })),
    archive: { waitHours: input.archive?.waitHours ?? null, copyHours: input.archive?.copyHours ?? null },
  };
  const faults = [...misplaced(rules, place), ...contradictions(rules)];
  const [first] = faults;
  if (first !== undefined)
    throw new StrongroomError('request.invalid', { detail: `${first.path}: ${first.message}`, faults });
  return rules;
}

const classOf = (input: RetentionPolicyInput['memories']): ClassPolicy => ({
  days: input?.days ?? null,
  archiveAfterDays: input?.archiveAfterDays ?? null,
  minimumDays: input?.minimumDays ?? null,
});

function misplaced(rules: PolicyRules, place: 'organization' | 'vault'): Fault[] {
  if (place === 'organization') return [];
  const message = 'is set for the whole organization';
  const { waitHours, copyHours } = rules.archive;
  return [
    ...classes(rules).flatMap(([name, { minimumDays }]) =>
      minimumDays === null ? [] : [{ path: `/${name}/minimumDays`, message }],
    ),
    ...(waitHours === null && copyHours === null ? [] : [{ path: '/archive', message }]),
  ];
}

function contradictions(rules: PolicyRules): Fault[] {
  const kinds = rules.kinds.map(({ kind }) => kind);
  const twice = kinds.findIndex((kind, at) => kinds.indexOf(kind) !== at);
  return [
    ...classes(rules).flatMap(([name, { days, archiveAfterDays, minimumDays }]) => [
      ...(days !== null && minimumDays !== null && days < minimumDays
        ? [{ path: `/${name}/days`, message: `is less than the minimum of ${minimumDays}` }]
        : []),
      ...(days !== null && archiveAfterDays !== null && archiveAfterDays >= days
        ? [{ path: `/${name}/archiveAfterDays`, message: `is not before the end after ${days} days` }]
        : []),
    ]),
    ...(twice < 0 ? [] : [{ path: `/kinds/${twice}/kind`, message: 'is named twice' }]),
  ];
}

const classes = (rules: PolicyRules) =>
  [
    ['memories', rules.memories],
    ['conversations', rules.conversations],
  ] as const;

/** The rules of one place, for whoever decides about a record. */
export const placeRules = ({ memories, conversations, kinds }: PolicyRules): PlaceRules => ({
  memoriesMs: inMs(memories.days),
  conversationsMs: inMs(conversations.days),
  kinds: new Map(kinds.map(({ kind, days }) => [kind, days * DAY_MS])),
});

export const inMs = (days: number | null): number | null => (days === null ? null : days * DAY_MS);

export interface ViewOf {
  readonly policy: Policy | null;
  readonly vault: VaultId | null;
  readonly capDays: number | null;
  /** Days for which the application log is kept; null where it goes to the platform. */
  readonly logDays: number | null;
}

export function policyView({ policy, vault, capDays, logDays }: ViewOf): RetentionPolicyView {
  const { memories, conversations, kinds, archive } = policy ?? NO_POLICY;
  return {
    ...(policy === null ? {} : { id: policy.id }),
    ...(vault === null ? {} : { vault }),
    memories: classView(memories),
    conversations: classView(conversations),
    kinds: kinds.map((one) => ({ ...one })),
    archive: {
      waitHours: archive.waitHours ?? ARCHIVE_WAIT_HOURS,
      copyHours: archive.copyHours ?? ARCHIVE_COPY_HOURS,
    },
    capDays,
    logs: {
      ledgerYears: LEDGER_YEARS,
      securityMonths: SECURITY_LOG_MONTHS,
      applicationDays: logDays,
    },
    version: policy?.version ?? 0,
    ...(policy === null ? {} : { updatedAt: new Date(policy.updatedAt).toISOString() }),
  };
}

const classView = (one: ClassPolicy): RetentionClass => ({ ...one });
