/**
 * Tombstones: how a vault knows again what was erased from it, so that an import does not silently bring it back.
 *
 *     digest = HMAC-SHA-256(K, tag ‖ content)        tag 00: the normalised text; 01: the vector, where there is no text
 *     K      = record key of the set: its own slot, its vault's, the organization's
 *
 * This is the one place where something is kept of what was erased: whoever has today's keystore can test guesses against
 * a digest. So a vault must ask for it, each set has a slot and an end of its own, and with the slot all its digests die.
 */
import { concat, encodeHex, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { encodeFloats } from '../bytes/floats.ts';
import { hmacSha256 } from '../crypto/hkdf.ts';
import { DAY_MS } from '../durations.ts';
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { NewId } from '../ids.ts';
import type { RecordKeys } from '../keys/record-key.ts';
import type { Slot } from '../keys/slot.ts';
import { LIMITS } from '../limits.ts';
import type { Destruction } from '../store/destruction.ts';
import type { TombstoneSetRow } from '../store/schema.ts';
import type { SlotAllocator } from '../store/slots.ts';
import { SYSTEM, type Store, type Tx } from '../store/store.ts';
import { chunks } from './derivations.ts';
import { vaultScope, type Vault } from './vault.ts';

export interface TombstonesParts {
  readonly store: Store;
  readonly slots: SlotAllocator;
  readonly keys: RecordKeys;
  readonly destruction: Destruction;
  readonly newId: NewId;
  readonly clock: Clock;
}

/** What a memory says, as far as it is told apart by it. */
export interface Content {
  readonly body: { readonly text?: string };
  readonly vector: Float32Array | null;
}

type SetRow = Omit<TombstoneSetRow, 'change'>;

/** Digests that an erasure has left, with the set that they lie in. */
export interface Buried {
  readonly set: SetRow;
  readonly digests: readonly Bytes[];
}

export class Tombstones {
  readonly #parts: TombstonesParts;

  constructor(parts: TombstonesParts) {
    this.#parts = parts;
  }

  /** Positions of those contents that were erased from the vault before. */
  async find(tx: Tx, vault: Vault, contents: readonly Content[]): Promise<ReadonlySet<number>> {
    const found = new Set<number>();
    if (vault.tombstones === 'off' || contents.length === 0) return found;
    const prepared = contents.map(preimageOf);
    for (const set of await this.#sets(tx, vault)) {
      const key = this.#key(vault, set);
      const at = Map.groupBy(prepared.entries(), ([, bytes]) => encodeHex(hmacSha256(key, bytes)));
      const digests = prepared.map((bytes) => hmacSha256(key, bytes));
      for (const part of chunks(digests)) {
        const rows = await tx.sql
          .selectFrom('tombstones')
          .select('digest')
          .where('tombstone_set', '=', set.id)
          .where('digest', 'in', part)
          .execute();
        for (const { digest } of rows)
          for (const [index] of at.get(encodeHex(digest)) ?? []) found.add(index);
      }
      key.fill(0);
    }
    return found;
  }

  /** Remembers what is about to be erased, in the transaction that asks for it. */
  async bury(tx: Tx, vault: Vault, contents: readonly Content[]): Promise<readonly Buried[]> {
    if (vault.tombstones === 'off' || contents.length === 0) return [];
    const set = await this.#current(tx, vault);
    const key = this.#key(vault, set);
    const owner = { organization: vault.organization.id, vault: vault.id, change: tx.change };
    const rows = contents.map((content) => ({
      tombstone_set: set.id,
      digest: hmacSha256(key, preimageOf(content)),
      ...owner,
    }));
    key.fill(0);
    for (const part of chunks(rows))
      await tx.sql
        .insertInto('tombstones')
        .values(part)
        .onConflict((conflict) => conflict.columns(['tombstone_set', 'digest']).doNothing())
        .execute();
    return [{ set, digests: rows.map(({ digest }) => digest) }];
  }

  /** Forgets that the content was erased: a person has said that it may be here. */
  async spare(tx: Tx, vault: Vault, content: Content): Promise<void> {
    const bytes = preimageOf(content);
    for (const set of await this.#sets(tx, vault)) {
      const key = this.#key(vault, set);
      await tx.sql
        .deleteFrom('tombstones')
        .where('tombstone_set', '=', set.id)
        .where('digest', '=', hmacSha256(key, bytes))
        .execute();
      key.fill(0);
    }
  }

  /** Sets whose day has come: their slots die, then their rows go. */
  async endDue(now: number): Promise<void> {
    const { store, destruction } = this.#parts;
    const due = await store.read(SYSTEM, (db) =>
      db.selectFrom('tombstone_sets').select(['id', 'slot']).where('ends_at', '<=', now).execute(),
    );
    if (due.length === 0) return;
    const { state } = await destruction.now(
      due.map(({ slot }) => slot as Slot),
      'tombstones.end',
    );
    if (state !== 'destroyed') return;
    const ids = due.map(({ id }) => id);
    await store.write(SYSTEM, async (tx) => {
      await tx.sql.deleteFrom('tombstones').where('tombstone_set', 'in', ids).execute();
      await tx.sql.deleteFrom('tombstone_sets').where('id', 'in', ids).execute();
    });
  }

  #sets(tx: Tx, vault: Vault): Promise<readonly SetRow[]> {
    return tx.sql
      .selectFrom('tombstone_sets')
      .select(['id', 'organization', 'vault', 'slot', 'opened_at', 'ends_at'])
      .where('organization', '=', vault.organization.id)
      .where('vault', '=', vault.id)
      .where('ends_at', '>', this.#parts.clock.now())
      .orderBy('id', 'desc')
      .execute();
  }

  async #current(tx: Tx, vault: Vault): Promise<SetRow> {
    const { slots, newId, clock } = this.#parts;
    const now = clock.now();
    const [newest] = await this.#sets(tx, vault);
    if (newest !== undefined && now - newest.opened_at < LIMITS.tombstoneSetDays * DAY_MS) return newest;
    const set: SetRow = {
      id: newId('tombstones'),
      organization: vault.organization.id,
      vault: vault.id,
      slot: await slots.takeOne(tx, vault.id),
      opened_at: now,
      ends_at: now + (LIMITS.tombstoneDays + LIMITS.tombstoneSetDays) * DAY_MS,
    };
    await tx.sql
      .insertInto('tombstone_sets')
      .values({ ...set, change: tx.change })
      .execute();
    return set;
  }

  #key(vault: Vault, set: SetRow): Bytes {
    return this.#parts.keys.key({
      id: set.id,
      version: 1,
      own: set.slot as Slot,
      scope: vaultScope(vault),
    });
  }
}

/** The refusal of what was erased before; `at` are JSON Pointers into the body. */
export const erasedBefore = (paths: readonly string[]): StrongroomError =>
  new StrongroomError('erased.before', {
    detail: 'this was erased from the vault and must not come back',
    faults: paths.map((path) => ({ path, message: 'was erased from this vault' })),
  });

/** Letter case, width and white space do not make another text (Unicode normalisation form KC). */
function preimageOf({ body: { text }, vector }: Content): Bytes {
  if (text === undefined) return concat(Uint8Array.of(1), encodeFloats(vector ?? new Float32Array(0)));
  const normal = text.normalize('NFKC').toLowerCase().replace(/\s+/gu, ' ').trim();
  return concat(Uint8Array.of(0), encodeUtf8(normal));
}
