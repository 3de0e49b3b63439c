/** Keys that replace each other: who signed what when, and rotations that are under way or done. */
import { columnsOf, nullable, type Migration } from '../table.ts';

const deployment = columnsOf('deployment', 'deployment', 'kept');

export const rotation = {
  name: '0004-rotation',
  creates: {
    signing_keys: {
      columns: {
        role: deployment.setting(),
        generation: deployment.count(),
        public_key: deployment.proof(),
        introduction: nullable(deployment.note()),
        since: deployment.time(),
        until: nullable(deployment.time()),
        change: deployment.count(),
      },
      key: ['role', 'generation'],
      indexes: [{ columns: ['change'] }],
    },
    rotations: {
      columns: {
        id: deployment.id(),
        what: deployment.setting(),
        state: deployment.state(),
        cause: deployment.setting(),
        old_slot: nullable(deployment.slot()),
        new_slot: nullable(deployment.slot()),
        started_at: deployment.time(),
        switched_at: nullable(deployment.time()),
        due_at: nullable(deployment.time()),
        ended_at: nullable(deployment.time()),
        change: deployment.count(),
      },
      key: ['id'],
      indexes: [{ columns: ['what', 'id'] }, { columns: ['change'] }],
    },
  },
} as const satisfies Migration;
