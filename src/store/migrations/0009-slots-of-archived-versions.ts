/** Whose archived version a slot opens is asked at every erasure, and whether an organization has any archived ones at all. */
import type { Migration } from '../table.ts';

export const slotsOfArchivedVersions = {
  name: '0009-slots-of-archived-versions',
  creates: {},
  indexes: { archived_versions: [{ columns: ['organization', 'slot'] }] },
} as const satisfies Migration;
