/** An erasure as it is shown: states, times and ids of ours. */
import type { Erasure } from '@strongroom/client';
import type { ErasureRow } from '../store/schema.ts';

export function erasureView(row: ErasureRow): Erasure {
  const count = row.counted ?? (row.state === 'purged' ? row.removed : null);
  return {
    id: row.id,
    kind: row.kind,
    state: row.state,
    target: row.target,
    ...(row.vault === null ? {} : { vault: row.vault }),
    cause: row.cause,
    requestedBy: row.requested_by,
    requestedAt: isoTime(row.requested_at),
    ...timeOf('dueAt', row.due_at),
    ...timeOf('hiddenAt', row.hidden_at),
    ...timeOf('destroyedAt', row.destroyed_at),
    ...timeOf('purgedAt', row.purged_at),
    ...(count === null ? {} : { count }),
    removed: row.removed,
    keys: row.slots,
  };
}

const timeOf = (name: string, at: number | null): { readonly [name: string]: string } =>
  at === null ? {} : { [name]: isoTime(at) };

const isoTime = (ms: number): string => new Date(ms).toISOString();
