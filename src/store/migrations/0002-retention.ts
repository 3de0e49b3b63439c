/** How long things are kept, what must be kept, and what has moved to the archive. Rows of `schema-retention.ts` say what the columns mean. */
import { ledgerPruning } from './0002-ledger-pruning.ts';
import { columnsOf, nullable, type Migration } from '../table.ts';

const policy = columnsOf('organization', 'record', 'row');
const hold = columnsOf('organization', 'record', 'row');
const held = columnsOf('memory', 'record', 'row');
const archive = columnsOf('vault', 'record', 'row');
const request = columnsOf('organization', 'dated', 'row');

const boxed = { id: 'id', version: 1, vault: null, slot: 'slot', scope: null };

export const retention = {
  name: '0002-retention',
  creates: {
    retention_policies: {
      columns: {
        id: policy.id(),
        organization: policy.id(),
        vault: nullable(policy.id()),
        slot: policy.slot(),
        memories_days: nullable(policy.number()),
        memories_archive_days: nullable(policy.number()),
        memories_minimum_days: nullable(policy.number()),
        conversations_days: nullable(policy.number()),
        conversations_archive_days: nullable(policy.number()),
        conversations_minimum_days: nullable(policy.number()),
        archive_wait_hours: nullable(policy.number()),
        archive_copy_hours: nullable(policy.number()),
        kinds_box: nullable(
          policy.sealed({ id: 'id', version: 'version', vault: null, slot: 'slot', scope: null }),
        ),
        version: policy.count(),
        updated_at: policy.time(),
        change: policy.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['organization', 'vault'] }],
    },
    holds: {
      columns: {
        id: hold.id(),
        organization: hold.id(),
        state: hold.state(),
        kind: hold.setting(),
        vault: nullable(hold.id()),
        target: nullable(hold.id()),
        slot: nullable(hold.slot()),
        about_box: nullable(hold.sealed(boxed)),
        placed_by: hold.id(),
        created_at: hold.time(),
        released_at: nullable(hold.time()),
        change: hold.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['organization', 'state', 'id'] }],
    },
    hold_memories: {
      columns: {
        hold: held.id(),
        memory: held.id(),
        organization: held.id(),
        change: held.count(),
      },
      key: ['hold', 'memory'],
      indexes: [{ columns: ['memory'] }],
    },
    held_versions: {
      columns: {
        memory: held.id(),
        version: held.count(),
        organization: held.id(),
        vault: held.id(),
        change: held.count(),
      },
      key: ['memory', 'version'],
    },
    archives: {
      columns: {
        id: archive.id(),
        organization: archive.id(),
        vault: archive.id(),
        slot: archive.slot(),
        state: archive.state(),
        blob: archive.blob(),
        records: archive.count(),
        created_at: archive.time(),
        change: archive.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['organization', 'vault', 'id'] }],
    },
    archived_versions: {
      columns: {
        memory: held.id(),
        version: held.count(),
        organization: held.id(),
        vault: held.id(),
        slot: held.slot(),
        scope: held.slots(),
        author: held.id(),
        archive: held.id(),
        kind_box: nullable(
          held.sealed({ id: 'memory', version: 'version', vault: 'vault', slot: 'slot', scope: 'scope' }),
        ),
        created_at: held.time(),
        change: held.count(),
      },
      key: ['memory', 'version'],
      indexes: [{ columns: ['archive'] }],
    },
    archive_requests: {
      columns: {
        id: request.id(),
        organization: request.id(),
        vault: request.id(),
        state: request.state(),
        slot: request.slot(),
        about_box: request.sealed(boxed),
        requested_by: request.id(),
        decided_by: nullable(request.id()),
        requested_at: request.time(),
        decided_at: nullable(request.time()),
        ready_at: nullable(request.time()),
        copied_at: nullable(request.time()),
        expires_at: nullable(request.time()),
        copy_slot: nullable(request.slot()),
        blob: nullable(request.blob()),
        change: request.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['organization', 'state', 'id'] }],
    },
    archive_request_memories: {
      columns: {
        request: request.id(),
        memory: request.id(),
        organization: request.id(),
        change: request.count(),
      },
      key: ['request', 'memory'],
    },
  },
  statements: ledgerPruning,
} as const satisfies Migration;
