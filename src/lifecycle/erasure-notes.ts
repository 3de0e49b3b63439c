/**
 * What was erased, as it is noted beside the root, so that a database that is older than an erasure gets back its record,
 * what a certificate is made from, and the digests by which a vault knows what was erased from it.
 *
 *     note  id    the erasure's
 *           body  {"kind": "erasure", "erasure", "request", "buried": [{"set", "digests"} …]}
 *
 * `erasure` and `request` are the rows of these tables without their change numbers, bytes as base64; `digests` are those that
 * lie in `set`, one behind the other. Ids, times, slots and keyed digests: content-free.
 *
 * That keys are dead stands in the keyring itself and needs no note. So most notes are written within a minute; a closing that
 * is asked for or taken back, and an erasure that leaves digests, is noted before the answer. The newest are kept, up to
 * `NOTES_BYTES`: older ones stand in every backup that was made since.
 */
import type { Json } from '../bytes/canonical-json.ts';
import { concat, decodeBase64, encodeBase64, type Bytes } from '../bytes/encoding.ts';
import type { Organizations } from '../access/organizations.ts';
import { DAY_MS, HOUR_MS } from '../durations.ts';
import { isId, type ErasureId, type OrganizationId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { ErasureRow, KeyRequestRow, TombstoneSetRow } from '../store/schema.ts';
import { insertRows, SYSTEM, type ReadSql, type Store } from '../store/store.ts';
import type { Buried } from '../vaults/tombstones.ts';

type Unchanged<R> = Omit<R, 'change'>;
/** A row whose columns of bytes are base64. */
type Written<R, Binary extends keyof R> = Omit<Unchanged<R>, Binary> & Record<Binary, string | null>;

interface NoteBody {
  readonly kind: 'erasure';
  readonly erasure: Written<ErasureRow, 'receipt'>;
  /** Null while an organization's grace period runs. */
  readonly request: Written<KeyRequestRow, 'slots'> | null;
  readonly buried: readonly { readonly set: Unchanged<TombstoneSetRow>; readonly digests: string }[];
}

export interface ErasureNotesParts {
  readonly store: Store;
  readonly keyring: Pick<Keyring, 'notes' | 'keepNotes'>;
  readonly organizations: Organizations;
}

export const NOTES_BYTES = 1024 * 1024;
/** Longer than any backup is kept. */
const KEPT_DAYS = 60;
export const DIGEST_BYTES = 32;

export class ErasureNotes {
  readonly #parts: ErasureNotesParts;
  /** Erasures that are to be noted, with what they leave. */
  readonly #waiting = new Map<string, readonly Buried[]>();

  constructor(parts: ErasureNotesParts) {
    this.#parts = parts;
  }

  /** To be noted with the next `flush`. */
  add(id: string, buried: readonly Buried[] = []): void {
    this.#waiting.set(id, [...(this.#waiting.get(id) ?? []), ...buried]);
  }

  /** Once a minute, when the server closes, and where somebody's answer waits for it. */
  async flush(now: number): Promise<void> {
    const waiting = [...this.#waiting];
    if (waiting.length === 0) return;
    const changed = new Map<string, Json | null>();
    for (const [id, buried] of waiting) {
      const note = await this.#noteOf(id, buried);
      if (note !== null) changed.set(id, note as unknown as Json);
    }
    for (const id of tooMany(this.#parts.keyring.notes, changed, now)) changed.set(id, null);
    await this.#parts.keyring.keepNotes(changed);
    for (const [id, buried] of waiting) if (this.#waiting.get(id) === buried) this.#waiting.delete(id);
  }

  /**
   * When the server opens: what this database has never seen, or knows as it was before, stands in it as it was noted. The
   * keys of all of it are dead, so what is missing is done by whoever goes on with erasures.
   */
  async reapply(now: number): Promise<void> {
    const { store } = this.#parts;
    const notes = notesIn(this.#parts.keyring.notes);
    for (const [id, { erasure, request }] of notes) {
      const row = await store.read(SYSTEM, (db) =>
        db.selectFrom('erasures').select('state').where('id', '=', id).executeTakeFirst(),
      );
      const isLate = row?.state === 'requested' && erasure.state !== 'requested';
      // Before the erasure, which tells an opening after a crash in between that nothing is missing.
      if (request !== null && (row === undefined || isLate)) await this.#insertRequest(request);
      if (row === undefined) await this.#insert(erasure);
      if (isLate) await this.#moveOn(erasure);
    }
    // Those of a process that ended before it came to note them.
    const late = await store.read(SYSTEM, (db) =>
      db
        .selectFrom('erasures')
        .select('id')
        .where('requested_at', '>', now - HOUR_MS)
        .execute(),
    );
    for (const { id } of late) if (!notes.has(id as ErasureId)) this.add(id);
  }

  async #noteOf(id: string, added: readonly Buried[]): Promise<NoteBody | null> {
    const [erasure, request] = await this.#parts.store.read(SYSTEM, async (db: ReadSql) => [
      await db.selectFrom('erasures').selectAll().where('id', '=', id).executeTakeFirst(),
      await db.selectFrom('key_requests').selectAll().where('id', '=', id).executeTakeFirst(),
    ]);
    if (erasure === undefined) return null;
    const before = notesIn(this.#parts.keyring.notes).get(id as ErasureId)?.buried ?? [];
    const { change: _, certificate: __, ...row } = erasure;
    const buried = added.map(({ set, digests }) => ({ set, digests: encodeBase64(concat(...digests)) }));
    return {
      kind: 'erasure',
      erasure: {
        ...row,
        certificate: null,
        receipt: row.receipt === null ? null : encodeBase64(row.receipt),
      },
      request: request === undefined ? null : written(request),
      buried: [...before, ...buried],
    };
  }

  async #insert(noted: NoteBody['erasure']): Promise<void> {
    const organization = noted.organization as OrganizationId;
    const receipt = noted.receipt === null ? null : decodeBase64(noted.receipt);
    // Its rows may have come back with the backup: they are removed again, and the ledger says anew that its keys are gone.
    const isDone = noted.state === 'destroyed' || noted.state === 'purged';
    const over = isDone ? ({ state: 'hidden', purged_at: null } as const) : {};
    await this.#parts.store.write(organization, async (tx) => {
      await insertRows(tx.sql, 'erasures', [{ ...noted, ...over, receipt, change: tx.change }]);
    });
    if (noted.state === 'requested') await this.#setClosing(organization, true);
  }

  /** A closing whose grace period ended, or that was taken back, after the backup. */
  async #moveOn({ id, organization, state, hidden_at, slots }: NoteBody['erasure']): Promise<void> {
    const isBack = state === 'cancelled';
    const set = isBack ? { state } : { state: 'hidden' as const, hidden_at, slots };
    await this.#parts.store.write(organization as OrganizationId, (tx) =>
      tx.sql
        .updateTable('erasures')
        .set({ ...set, change: tx.change })
        .where('id', '=', id)
        .execute(),
    );
    if (isBack) await this.#setClosing(organization as OrganizationId, false);
  }

  async #setClosing(id: OrganizationId, isClosing: boolean): Promise<void> {
    const { store, organizations } = this.#parts;
    const organization = await organizations.find(id);
    if (organization === null) return;
    await store.write(id, (tx) => organizations.setClosing(tx, organization, isClosing));
  }

  async #insertRequest(noted: Written<KeyRequestRow, 'slots'>): Promise<void> {
    await this.#parts.store.write(SYSTEM, (tx) =>
      tx.sql
        .insertInto('key_requests')
        .values({ ...noted, slots: decodeBase64(noted.slots ?? ''), change: tx.change })
        .onConflict((conflict) => conflict.column('id').doNothing())
        .execute(),
    );
  }
}

const written = ({ change: _, slots, ...row }: KeyRequestRow): Written<KeyRequestRow, 'slots'> => ({
  ...row,
  slots: encodeBase64(slots),
});

/** Notes of erasures by their ids, oldest first. */
function notesIn(notes: ReadonlyMap<string, Json>): ReadonlyMap<ErasureId, NoteBody> {
  const found: [ErasureId, NoteBody][] = [];
  for (const [id, body] of notes) {
    const note = body as unknown as NoteBody;
    if (isId('erasure', id) && note.kind === 'erasure') found.push([id, note]);
  }
  return new Map(found.sort(([left], [right]) => (left < right ? -1 : 1)));
}

/** Digests of what was erased, as they are noted. */
export const buriedIn = (notes: ReadonlyMap<string, Json>): readonly Buried[] =>
  [...notesIn(notes).values()].flatMap(({ buried }) =>
    buried.map(({ set, digests }) => ({ set, digests: split(decodeBase64(digests)) })),
  );

const split = (bytes: Bytes): Bytes[] =>
  Array.from({ length: bytes.length / DIGEST_BYTES }, (_, at) =>
    bytes.slice(at * DIGEST_BYTES, (at + 1) * DIGEST_BYTES),
  );

/** Those that go: too old, or older than the newest mebibyte. A closing that is only asked for stays. */
function tooMany(
  kept: ReadonlyMap<string, Json>,
  changed: ReadonlyMap<string, Json | null>,
  now: number,
): readonly string[] {
  const all = notesIn(
    new Map([...kept, ...changed].flatMap(([id, body]) => (body === null ? [] : [[id, body]]))),
  );
  let bytes = 0;
  return [...all].reverse().flatMap(([id, note]) => {
    if (note.erasure.state === 'requested') return [];
    bytes += JSON.stringify(note).length;
    return bytes > NOTES_BYTES || note.erasure.requested_at <= now - KEPT_DAYS * DAY_MS ? [id] : [];
  });
}
