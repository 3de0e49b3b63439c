/**
 * Exports that are kept here for a while. Their rows are in backups, so that their keys end whatever is restored; their bytes
 * are not, so the columns name no blob: what they are called follows from the id. Rows of `schema-exports.ts` say what the columns mean.
 */
import { columnsOf, nullable, type Migration } from '../table.ts';

const kept = columnsOf('vault', 'dated', 'row');

export const exports = {
  name: '0010-exports',
  creates: {
    exports: {
      columns: {
        id: kept.id(),
        organization: kept.id(),
        vault: kept.id(),
        slot: kept.slot(),
        state: kept.state(),
        made_by: kept.id(),
        pieces: kept.count(),
        records: kept.count(),
        size: kept.count(),
        created_at: kept.time(),
        expires_at: kept.time(),
        ended_at: nullable(kept.time()),
        change: kept.count(),
      },
      key: ['id'],
      indexes: [
        { columns: ['organization', 'vault', 'id'] },
        { columns: ['state'] },
        { columns: ['change'] },
      ],
    },
  },
} as const satisfies Migration;
