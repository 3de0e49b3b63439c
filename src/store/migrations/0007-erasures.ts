/**
 * Erasures and what they need: who was derived from whom, which slots die along with another, and the digests by which
 * what was erased is known again. Rows of `schema.ts` say what the columns mean.
 */
import { columnsOf, nullable, type Migration } from '../table.ts';

const erasure = columnsOf('organization', 'ledger', 'kept');
const memory = columnsOf('memory', 'record', 'row');
const tombstone = columnsOf('vault', 'dated', 'row');

export const erasures = {
  name: '0007-erasures',
  creates: {
    erasures: {
      columns: {
        id: erasure.id(),
        organization: erasure.id(),
        kind: erasure.setting(),
        vault: nullable(erasure.id()),
        target: erasure.id(),
        cause: erasure.setting(),
        state: erasure.state(),
        requested_by: erasure.id(),
        requester: nullable(erasure.note()),
        receipt: nullable(erasure.hash()),
        requested_at: erasure.time(),
        due_at: nullable(erasure.time()),
        hidden_at: nullable(erasure.time()),
        destroyed_at: nullable(erasure.time()),
        purged_at: nullable(erasure.time()),
        slots: erasure.count(),
        counted: nullable(erasure.count()),
        removed: erasure.count(),
        certificate: nullable(erasure.note()),
        change: erasure.count(),
      },
      key: ['id'],
      indexes: [
        { columns: ['change'] },
        { columns: ['organization', 'id'] },
        { columns: ['state'] },
        { columns: ['requested_by'] },
      ],
    },
    memory_sources: {
      columns: {
        memory: memory.id(),
        source: memory.id(),
        organization: memory.id(),
        vault: memory.id(),
        change: memory.count(),
      },
      key: ['memory', 'source'],
      indexes: [{ columns: ['change'] }, { columns: ['organization', 'source'] }],
      clustered: true,
    },
    tied_slots: {
      columns: {
        tied_to: memory.slot(),
        slot: memory.slot(),
        organization: memory.id(),
        vault: memory.id(),
        memory: memory.id(),
        change: memory.count(),
      },
      key: ['tied_to', 'slot'],
      indexes: [{ columns: ['change'] }, { columns: ['memory'] }],
      clustered: true,
    },
    tombstone_sets: {
      columns: {
        id: tombstone.id(),
        organization: tombstone.id(),
        vault: tombstone.id(),
        slot: tombstone.slot(),
        opened_at: tombstone.time(),
        ends_at: tombstone.time(),
        change: tombstone.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['change'] }, { columns: ['organization', 'vault'] }, { columns: ['ends_at'] }],
    },
    tombstones: {
      columns: {
        tombstone_set: tombstone.id(),
        digest: tombstone.hash(),
        organization: tombstone.id(),
        vault: tombstone.id(),
        change: tombstone.count(),
      },
      key: ['tombstone_set', 'digest'],
      indexes: [{ columns: ['change'] }],
      clustered: true,
    },
  },
} as const satisfies Migration;
