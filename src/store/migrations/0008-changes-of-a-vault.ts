/** What changed in a vault since a moment is read without looking at the rest of it: when an index is filled from segments. */
import type { Migration } from '../table.ts';

export const changesOfAVault = {
  name: '0008-changes-of-a-vault',
  creates: {},
  indexes: { memories: [{ columns: ['organization', 'vault', 'change'] }] },
} as const satisfies Migration;
