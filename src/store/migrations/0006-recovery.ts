/** Vaults that were taken back to a moment. Rows of `schema.ts` say what the columns mean. */
import { columnsOf, nullable, type Migration } from '../table.ts';

const rewind = columnsOf('vault', 'record', 'row');

export const recovery = {
  name: '0006-recovery',
  creates: {
    rewinds: {
      columns: {
        id: rewind.id(),
        organization: rewind.id(),
        vault: rewind.id(),
        state: rewind.state(),
        asked_by: rewind.id(),
        backup: rewind.id(),
        taken_at: rewind.time(),
        planned_at: rewind.time(),
        undo_at: rewind.time(),
        started_at: rewind.time(),
        finished_at: nullable(rewind.time()),
        unchanged: rewind.count(),
        returned: rewind.count(),
        changed: rewind.count(),
        missing: rewind.count(),
        newer: rewind.count(),
        kept: rewind.count(),
        gone: rewind.count(),
        over: rewind.count(),
        left_alone: rewind.count(),
        change: rewind.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['change'] }, { columns: ['organization', 'vault', 'id'] }],
    },
  },
} as const satisfies Migration;
