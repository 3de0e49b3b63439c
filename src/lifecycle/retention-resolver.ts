/**
 * Which rule decides about a record: pure, the same for `explain`, the scheduler and the simulator.
 *
 * The order is fixed. Two rules keep, whatever else says that it is over: a legal hold, then a statutory minimum. Below
 * them an erasure that was asked for ends the record, and never later than it would have ended by itself. By itself it
 * ends by its own end, else its vault's rule, else its organization's, and no later than the cap allows.
 *
 * `hiddenAt` is when it leaves every answer, `endsAt` when its keys may be destroyed: they differ only where something
 * must be kept that nobody may see any more.
 */
import type { RetentionRuleName } from '@strongroom/client';
import { expiryOf, placeEnd, type DatedRecord, type ExpiryRules } from '../search/expiry.ts';

export interface Facts extends DatedRecord {
  /** Ids of the holds that keep it. */
  readonly holds: readonly string[];
  /** When what was trashed or asked to be erased is due; null where nobody asked. */
  readonly erasureAt: number | null;
  /** When it left every answer because of that. */
  readonly erasedFrom: number | null;
}

export interface Minimums {
  readonly memoriesMs: number | null;
  readonly conversationsMs: number | null;
}

export interface ResolverRules {
  readonly expiry: ExpiryRules;
  readonly minimums: Minimums;
}

export interface Considered {
  readonly rule: RetentionRuleName;
  /** Whether the rule says anything about this record. */
  readonly applies: boolean;
  /** What it says: the end, or for the two that keep, until when; null: for as long as it stands. */
  readonly at: number | null;
}

export interface Resolution {
  readonly rule: RetentionRuleName;
  readonly hiddenAt: number | null;
  readonly endsAt: number | null;
  /** All rules, in their order. */
  readonly considered: readonly Considered[];
}

export function resolve(facts: Facts, { expiry, minimums }: ResolverRules): Resolution {
  const minimumAt = minimumEnd(facts, minimums);
  const expiresAt = expiryOf(expiry, facts);
  const wished = earliest(facts.erasureAt, expiresAt);
  const hiddenAt = earliest(facts.erasedFrom, expiresAt);
  const considered = consider(facts, expiry, minimumAt);
  if (facts.holds.length > 0) return { rule: 'hold', hiddenAt, endsAt: null, considered };
  if (minimumAt !== null && wished !== null && wished < minimumAt)
    return { rule: 'minimum', hiddenAt, endsAt: minimumAt, considered };
  return { rule: endingRule(considered, wished), hiddenAt, endsAt: wished, considered };
}

/** Until when a statute keeps the record. */
export function minimumEnd(record: DatedRecord, { memoriesMs, conversationsMs }: Minimums): number | null {
  const kept = record.conversation === null ? memoriesMs : (conversationsMs ?? memoriesMs);
  return kept === null ? null : record.createdAt + kept;
}

function consider(facts: Facts, expiry: ExpiryRules, minimumAt: number | null): readonly Considered[] {
  const ends: readonly (readonly [RetentionRuleName, number | null])[] = [
    ['minimum', minimumAt],
    ['erasure', facts.erasureAt],
    ['item', facts.expiresAt],
    ['vault', placeEnd(expiry.vault, facts)],
    ['organization', placeEnd(expiry.organization, facts)],
    ['cap', expiry.capMs === null ? null : facts.createdAt + expiry.capMs],
  ];
  return [
    { rule: 'hold', applies: facts.holds.length > 0, at: null },
    ...ends.map(([rule, at]): Considered => ({ rule, applies: at !== null, at })),
  ];
}

/** The first rule in the order that says exactly this end: the cap only where it cut what a rule before it said. */
function endingRule(considered: readonly Considered[], end: number | null): RetentionRuleName {
  if (end === null) return 'none';
  const ending = considered.find(({ rule, at }) => ENDING.has(rule) && at === end);
  return ending?.rule ?? 'none';
}

const ENDING: ReadonlySet<RetentionRuleName> = new Set([
  'erasure',
  'item',
  'vault',
  'organization',
  'cap',
] as const);

const earliest = (one: number | null, other: number | null): number | null =>
  one === null ? other : other === null ? one : Math.min(one, other);
