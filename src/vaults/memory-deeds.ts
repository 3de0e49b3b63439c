/** What the ledger says of actions on memories: ids of ours, and the slots with which the free text of an entry dies. */
import type { Deed } from '../access/recorder.ts';
import type { Slot } from '../keys/slot.ts';
import type { JoinedRow, NameLookup, OpenedMemory } from './memory-row.ts';
import type { Vault } from './vault.ts';

/** At most so many people's slots go into the key of an entry's free text. */
const SUBJECT_SLOTS_MAX = 100;

export const memoryDeed = (
  action: Deed['action'],
  names: NameLookup,
  row: Pick<JoinedRow, 'id' | 'subject'>,
): Deed => ({
  action,
  target: row.id,
  ...(row.subject === null ? {} : { targets: [row.subject], subjects: subjectSlots(names, [row]) }),
});

export function additionDeed(
  vault: Vault,
  names: NameLookup,
  added: readonly OpenedMemory[],
  many: boolean,
): Deed {
  const rows = added.map(({ row }) => row);
  const ids = rows.map(({ id }) => id);
  const [only] = ids;
  const people = new Set(rows.flatMap(({ subject }) => subject ?? []));
  return {
    action: 'memory.add',
    ...(many || only === undefined
      ? { target: vault.id, targets: [...ids, ...people] }
      : { target: only, targets: [vault.id, ...people] }),
    subjects: subjectSlots(names, rows),
    count: ids.length,
  };
}

function subjectSlots(names: NameLookup, rows: readonly Pick<JoinedRow, 'subject'>[]): readonly Slot[] {
  const slots = new Set(
    rows.flatMap(({ subject }) => (subject === null ? [] : (names.subjects.withId(subject)?.slot ?? []))),
  );
  return [...slots].slice(0, SUBJECT_SLOTS_MAX);
}
