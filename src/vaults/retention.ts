/** Asked for the rules that decide when a vault's memories leave every answer; lifecycle/ knows them. */
import { isExpired, NO_RULES, type DatedRecord, type ExpiryRules } from '../search/expiry.ts';
import type { JoinedRow, OpenedMemory } from './memory-row.ts';
import type { Vault } from './vault.ts';

export interface RetentionRules {
  /** As they are now: asked anew for each request. The same object comes for as long as no rule has changed. */
  of(vault: Pick<Vault, 'id' | 'organization'>): Promise<ExpiryRules>;
}

/** Where memories end by what they say of themselves alone. */
export const NO_RETENTION: RetentionRules = { of: () => Promise.resolve(NO_RULES) };

export const datedRecord = (
  row: Pick<JoinedRow, 'created_at' | 'expires_at' | 'conversation'>,
  kind: string | null,
): DatedRecord => ({
  createdAt: row.created_at,
  expiresAt: row.expires_at,
  kind,
  conversation: row.conversation,
});

export const isOver = (rules: ExpiryRules, { row, body }: OpenedMemory, now: number): boolean =>
  isExpired(rules, datedRecord(row, body.kind ?? null), now);
