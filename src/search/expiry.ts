/**
 * When a memory leaves every answer: pure, over plain data, so that a search worker decides as everybody else does.
 *
 * The more particular rule counts: the memory's own end before the rules of its vault, those before its organization's; in
 * one place the rule for its kind before that for conversations, that before the one for all memories. The cap bounds
 * whatever came out. Nothing is written into rows, so a rule that was changed holds for the next question.
 */
import type { FilterableRecord } from './types.ts';

/** How long what lies in one place is kept, in milliseconds from its creation; null: no rule. */
export interface PlaceRules {
  readonly memoriesMs: number | null;
  readonly conversationsMs: number | null;
  readonly kinds: ReadonlyMap<string, number>;
}

export interface ExpiryRules {
  readonly vault: PlaceRules | null;
  readonly organization: PlaceRules | null;
  /** Beyond this nothing is kept, whatever it says of itself. */
  readonly capMs: number | null;
}

export type DatedRecord = Pick<FilterableRecord, 'createdAt' | 'expiresAt' | 'kind' | 'conversation'>;

export const NO_RULES: ExpiryRules = { vault: null, organization: null, capMs: null };

/** The moment from which the memory is in no answer; null: never by itself. */
export function expiryOf(rules: ExpiryRules, record: DatedRecord): number | null {
  const own =
    record.expiresAt ?? placeEnd(rules.vault, record) ?? placeEnd(rules.organization, record) ?? Infinity;
  const cap = rules.capMs === null ? Infinity : record.createdAt + rules.capMs;
  const end = Math.min(own, cap);
  return end === Infinity ? null : end;
}

export function isExpired(rules: ExpiryRules, record: DatedRecord, now: number): boolean {
  const end = expiryOf(rules, record);
  return end !== null && end <= now;
}

/** What the rules of one place alone would say. */
export function placeEnd(place: PlaceRules | null, record: DatedRecord): number | null {
  if (place === null) return null;
  const ofKind = record.kind === null ? undefined : place.kinds.get(record.kind);
  const ofClass = record.conversation === null ? null : place.conversationsMs;
  const kept = ofKind ?? ofClass ?? place.memoriesMs;
  return kept === null ? null : record.createdAt + kept;
}

/** The shortest time after which anything here may end: what is younger need not be looked at. */
export function shortestMs(rules: ExpiryRules): number | null {
  const places = [rules.vault, rules.organization].filter((place) => place !== null);
  const all = places.flatMap(({ memoriesMs, conversationsMs, kinds }) => [
    memoriesMs,
    conversationsMs,
    ...kinds.values(),
  ]);
  const times = [...all, rules.capMs].filter((ms) => ms !== null);
  return times.length === 0 ? null : Math.min(...times);
}
