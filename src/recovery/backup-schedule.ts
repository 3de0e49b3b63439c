/** When backups are due, from where each goes on, and when they end. Everything here is pure. */
import { DAY_MS, HOUR_MS, WEEK_MS } from '../durations.ts';
import type { BackupRow } from '../store/schema.ts';
import type { BackupKind } from './manifest.ts';

export const BACKUP_DAYS = 30;
/** They end a little before their time, because the chore that ends them comes once an hour. */
const END_MS = BACKUP_DAYS * DAY_MS - 2 * HOUR_MS;

/** What was begun before that moment has had its time. */
export const endedBefore = (nowMs: number): number => nowMs - END_MS;

/** How long to wait after so many failures in a row. */
export const restAfter = (failures: number, everyMs: number): number =>
  Math.min(HOUR_MS, everyMs * 2 ** failures);

type Chained = Pick<BackupRow, 'kind' | 'to_change' | 'taken_at'>;

/** Where an increment begins: where the last one ended, or the first full one. `chain` is newest first. */
export function baseOf(chain: readonly Chained[], kind: 'incremental' | 'log'): number {
  const increments = chain.filter(
    (row) => row.kind === 'incremental' || (kind === 'log' && row.kind === 'log'),
  );
  if (increments.length > 0) return Math.max(...increments.map(({ to_change }) => to_change));
  return Math.min(...chain.flatMap((row) => (row.kind === 'full' ? [row.to_change] : [])));
}

/** What has to be made now, in this order. */
export function dueKinds(chain: readonly Chained[], nowMs: number, everyMs: number): readonly BackupKind[] {
  const since = (...kinds: readonly BackupKind[]): number =>
    nowMs -
    Math.max(-Infinity, ...chain.filter(({ kind }) => kinds.includes(kind)).map((row) => row.taken_at));
  if (since('full') === Infinity) return ['full'];
  // With the increment beside it, whatever the full one holds can be reached without it too.
  if (since('full') >= WEEK_MS) return ['incremental', 'full'];
  if (since('incremental') >= DAY_MS && since('full', 'incremental') >= DAY_MS) return ['incremental'];
  return since(...(['full', 'incremental', 'log'] as const)) >= everyMs ? ['log'] : [];
}
