/**
 * Backups and drills, the rows that are gone since the last backup, and the indexes by which a backup of changes finds them.
 * The ledger's entries and tiles need none: they are found by their place in the log.
 */
import { columnsOf, nullable, type Migration } from '../table.ts';

const deployment = columnsOf('deployment', 'dated', 'kept');
const dated = columnsOf('deployment', 'dated', 'row');

const byChange = [{ columns: ['change'] }] as const;

export const backups = {
  name: '0003-backups',
  creates: {
    backups: {
      columns: {
        id: dated.id(),
        kind: dated.setting(),
        state: dated.state(),
        slot: dated.slot(),
        from_change: dated.count(),
        to_change: dated.count(),
        generation: dated.count(),
        started_at: dated.time(),
        taken_at: dated.time(),
        finished_at: nullable(dated.time()),
        size: dated.count(),
        row_count: dated.count(),
        manifest: nullable(dated.note()),
        places: dated.setting(),
        change: dated.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['started_at'] }, ...byChange],
    },
    drills: {
      columns: {
        id: deployment.id(),
        backup: deployment.id(),
        state: deployment.state(),
        started_at: deployment.time(),
        duration_ms: deployment.time(),
        lost_ms: deployment.time(),
        row_count: deployment.count(),
        opened: deployment.count(),
        faults: deployment.count(),
        change: deployment.count(),
      },
      key: ['id'],
      indexes: byChange,
    },
    removed_rows: {
      columns: { change: dated.count(), relation: dated.id(), row_key: dated.id() },
      key: ['change', 'relation', 'row_key'],
      clustered: true,
      unbacked: 'short-lived',
    },
  },
  indexes: {
    epochs: byChange,
    key_requests: byChange,
    organizations: byChange,
    projects: byChange,
    vaults: byChange,
    superseded_slots: byChange,
    api_keys: byChange,
    ledger_heads: byChange,
    ledger_checkpoints: byChange,
    retention_policies: byChange,
    holds: byChange,
    hold_memories: byChange,
    held_versions: byChange,
    archives: byChange,
    archived_versions: byChange,
    archive_requests: byChange,
    archive_request_memories: byChange,
  },
} as const satisfies Migration;
