/**
 * Holds as they are noted beside the root, where no restore of the database undoes them (docs/keyring.md).
 *
 *     note  id    the hold's
 *           body  {"kind": "hold", "state": "active" | "released", "organization", "hold": {"kind", "vault", "target",
 *                  "memories"}, "placedBy", "at", "releasedAt", "slot", "about"}        ids, times, and a box
 *
 * `about` is the sealed name and reason as the row has it (base64), `slot` its own: a restore spares the slot, and whoever ends
 * the organization ends the box wherever it lies. Both are null once the hold is released.
 *
 * The note is kept before the row when a hold is placed, so that what was acknowledged is in both. A release is noted as
 * well, and kept for longer than any backup, so that an older database does not hold again what was let go.
 */
import type { Json } from '../bytes/canonical-json.ts';
import { decodeBase64, encodeBase64 } from '../bytes/encoding.ts';
import { DAY_MS } from '../durations.ts';
import { isId, type HoldId, type OrganizationId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Slot } from '../keys/slot.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { HoldRow } from '../store/schema-retention.ts';
import { SYSTEM, type Store, type Tx } from '../store/store.ts';
import type { HoldPlace } from './hold-row.ts';

export interface HoldNote {
  readonly state: 'active' | 'released';
  readonly organization: OrganizationId;
  readonly hold: HoldPlace;
  readonly placedBy: string;
  readonly at: number;
  readonly releasedAt: number | null;
  readonly slot: number | null;
  readonly about: string | null;
}

export interface HoldNotesParts {
  readonly store: Store;
  readonly keyring: Pick<Keyring, 'notes' | 'keepNote' | 'isErased'>;
  readonly ledger: Pick<Ledger, 'append'>;
}

/** Longer than any backup is kept: until then it could bring a released hold back. */
const RELEASED_DAYS = 60;

export class HoldNotes {
  readonly #parts: HoldNotesParts;

  constructor(parts: HoldNotesParts) {
    this.#parts = parts;
  }

  keep(id: HoldId, note: HoldNote): Promise<void> {
    return this.#parts.keyring.keepNote(id, { kind: 'hold', ...note } as unknown as Json);
  }

  forget(id: HoldId): Promise<void> {
    return this.#parts.keyring.keepNote(id, null);
  }

  /**
   * Brings the database and the notes to say the same: when the server opens, and when a restore is committed. What was
   * noted wins over an older row; a row without its note is noted.
   */
  async reapply(now: number): Promise<void> {
    const notes = holdsIn(this.#parts.keyring.notes);
    const rows = await this.#rows();
    for (const [id, note] of notes) {
      const row = rows.get(id);
      if (row === undefined && note.state === 'active') await this.#insert(id, note);
      if (row?.state === 'active' && note.state === 'released') await this.#release(id, note);
      if (row?.state === 'released' && note.state === 'active')
        await this.keep(id, { ...note, ...RELEASED, releasedAt: row.released_at });
      if (note.releasedAt !== null && note.releasedAt <= now - RELEASED_DAYS * DAY_MS) await this.forget(id);
    }
    for (const [id, row] of rows)
      if (row.state === 'active' && !notes.has(id)) await this.keep(id, await this.noteOf(row));
  }

  /** The note of a hold as its row has it. */
  async noteOf(row: HoldRow): Promise<HoldNote> {
    const memories = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('hold_memories').select('memory').where('hold', '=', row.id).execute(),
    );
    const { kind, vault, target } = row;
    return {
      state: row.state,
      organization: row.organization as OrganizationId,
      hold: { kind, vault, target, memories: memories.map(({ memory }) => memory) },
      placedBy: row.placed_by,
      at: row.created_at,
      releasedAt: row.released_at,
      ...(row.state === 'released' ? RELEASED : aboutOf(row)),
    };
  }

  async #rows(): Promise<ReadonlyMap<HoldId, HoldRow>> {
    const rows = await this.#parts.store.read(SYSTEM, (db) => db.selectFrom('holds').selectAll().execute());
    return new Map(rows.map((row) => [row.id as HoldId, row]));
  }

  /** A hold that this database has never seen, or has forgotten. */
  async #insert(id: HoldId, note: HoldNote): Promise<void> {
    const { store, ledger, keyring } = this.#parts;
    const { organization, hold } = note;
    const isNamed = note.slot !== null && note.about !== null && !keyring.isErased(note.slot as Slot);
    const owner = await store.read(SYSTEM, (db) =>
      db.selectFrom('organizations').select('id').where('id', '=', organization).executeTakeFirst(),
    );
    // An organization that was made after the backup is not in it, and nothing of it is.
    if (owner === undefined) return;
    await store.write(organization, async (tx) => {
      await tx.sql
        .insertInto('holds')
        .values({
          id,
          organization,
          state: 'active',
          kind: hold.kind,
          vault: hold.vault,
          target: hold.target,
          slot: isNamed ? note.slot : null,
          about_box: isNamed ? decodeBase64(note.about ?? '') : null,
          placed_by: note.placedBy,
          created_at: note.at,
          released_at: null,
          change: tx.change,
        })
        .execute();
      await insertHeld(tx, id, organization, hold.memories);
      ledger.append(tx, { ...BY_SYSTEM, action: 'hold.restore', target: id });
    });
  }

  async #release(id: HoldId, note: HoldNote): Promise<void> {
    const { store, ledger } = this.#parts;
    await store.write(note.organization, async (tx) => {
      await tx.sql
        .updateTable('holds')
        .set({ state: 'released', released_at: note.releasedAt, change: tx.change })
        .where('id', '=', id)
        .execute();
      ledger.append(tx, { ...BY_SYSTEM, action: 'hold.release', target: id });
    });
  }
}

/** Of a released hold nothing is kept but that it was released. */
const RELEASED = { state: 'released', slot: null, about: null } as const;

/** What it is called and why, as it is sealed in its row. */
export const aboutOf = ({ slot, about_box }: Pick<HoldRow, 'slot' | 'about_box'>) => ({
  slot,
  about: about_box === null ? null : encodeBase64(about_box),
});

function holdsIn(notes: ReadonlyMap<string, Json>): ReadonlyMap<HoldId, HoldNote> {
  const found = new Map<HoldId, HoldNote>();
  for (const [id, body] of notes) {
    const note = body as unknown as HoldNote & { readonly kind: string };
    // Of an older edition there is none of the two.
    const { slot = null, about = null } = note as Partial<HoldNote>;
    if (isId('hold', id) && note.kind === 'hold') found.set(id, { ...note, slot, about });
  }
  return found;
}

/** Slots under which names of holds lie, with whose they are: a restore must not end them with what it does not know. */
export const slotsOfHolds = (
  notes: ReadonlyMap<string, Json>,
): readonly { readonly slot: Slot; readonly organization: OrganizationId }[] =>
  [...holdsIn(notes).values()].flatMap(({ slot, organization }) =>
    slot === null ? [] : [{ slot: slot as Slot, organization }],
  );

export async function insertHeld(
  tx: Tx,
  hold: HoldId,
  organization: OrganizationId,
  memories: readonly string[],
): Promise<void> {
  for (const memory of memories)
    await tx.sql
      .insertInto('hold_memories')
      .values({ hold, memory, organization, change: tx.change })
      .execute();
}

const BY_SYSTEM = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
