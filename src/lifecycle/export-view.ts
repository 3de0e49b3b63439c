/** How a kept export is shown: how it stands, and nothing of what it says. */
import type { Export as ExportView } from '@strongroom/client';
import type { ExportRow } from '../store/schema-exports.ts';

export const exportView = (row: ExportRow): ExportView => ({
  id: row.id,
  vault: row.vault,
  state: row.state,
  memories: row.records,
  sizeBytes: row.size,
  madeBy: row.made_by,
  createdAt: isoOf(row.created_at),
  expiresAt: isoOf(row.expires_at),
  ...(row.ended_at === null ? {} : { endedAt: isoOf(row.ended_at) }),
});

const isoOf = (ms: number): string => new Date(ms).toISOString();
