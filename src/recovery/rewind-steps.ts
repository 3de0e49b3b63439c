/**
 * What becomes of each memory of a vault that is taken back to a moment, a page at a time: decided in the very
 * transaction that does it, from the rows as they are there.
 *
 * Erased stays erased: what a memory said then is opened with the keys of today, so what died since is not there. Held
 * stays held: nothing that a hold or a statute keeps goes to the trash, and what it keeps of a changed memory stays as an
 * older version. A memory keeps its id and its people; what comes back is a new version of it, so that whoever has the
 * older one in hand is told by its number.
 */
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { PunctureRequest } from '../keys/key-journal.ts';
import type { Slot } from '../keys/slot.ts';
import { StrongroomError } from '../errors.ts';
import type { Clock } from '../environment.ts';
import type { ExpiryRules } from '../search/expiry.ts';
import type { IndexedRecord } from '../search/types.ts';
import type { Destruction } from '../store/destruction.ts';
import type { MemoryRow, MemoryVersionRow } from '../store/schema.ts';
import { insertRows, type Tx } from '../store/store.ts';
import type { DeletionGuard } from '../vaults/deletion-guard.ts';
import { recordSources } from '../vaults/derivations.ts';
import type { VaultIndexes } from '../vaults/indexes.ts';
import { encodeBody } from '../vaults/memory-content.ts';
import type { MemoryDraft } from '../vaults/memory-input.ts';
import {
  indexedRecord,
  openMemory,
  type JoinedRow,
  type NameLookup,
  type OpenedMemory,
} from '../vaults/memory-row.ts';
import { selectWithVector, type MemoryStore } from '../vaults/memory-store.ts';
import type { People } from '../vaults/people.ts';
import { isOver, type RetentionRules } from '../vaults/retention.ts';
import type { Tombstones } from '../vaults/tombstones.ts';
import type { Vault } from '../vaults/vault.ts';
import type { PastVault } from './past-vault.ts';
import type { Fate } from './rewind-counts.ts';

export interface RewindStepsParts {
  readonly sealer: RecordSealer;
  readonly rows: MemoryStore;
  readonly people: People;
  readonly indexes: VaultIndexes;
  readonly guard: DeletionGuard;
  readonly tombstones: Tombstones;
  readonly retention: RetentionRules;
  readonly destruction: Destruction;
  readonly clock: Clock;
}

export interface StepOrder {
  readonly vault: Vault;
  readonly past: PastVault;
  /** What was written after this moment is left as it is. */
  readonly plannedAt: number;
  readonly author: string;
  /** Only counts. */
  readonly isDry: boolean;
}

export interface StepOutcome {
  readonly fates: readonly Fate[];
  /** Memories that were changed. */
  readonly touched: readonly string[];
  /** Replaced versions that a vault without a trash destroys at once. */
  readonly request: PunctureRequest | null;
}

/** A memory as it was; null where its keys are gone. */
export interface PastMemory {
  readonly row: JoinedRow;
  readonly opened: OpenedMemory | null;
}

type TodayRow = Pick<MemoryRow, 'id' | 'state' | 'version' | 'updated_at' | 'trashed_at'>;

interface Judged extends PastMemory {
  readonly fate: Fate;
  readonly current: JoinedRow | undefined;
}

export class RewindSteps {
  readonly #parts: RewindStepsParts;

  constructor(parts: RewindStepsParts) {
    this.#parts = parts;
  }

  open(vault: Vault, row: JoinedRow): PastMemory {
    return { row, opened: this.#opened(vault, row) };
  }

  /** Brings a page of memories back to what they were. */
  async back(tx: Tx, order: StepOrder, page: readonly PastMemory[]): Promise<StepOutcome> {
    const { vault, isDry } = order;
    const rules = await this.#parts.retention.of(vault);
    const ids = page.map(({ row }) => row.id);
    const today = await this.#today(tx, vault, ids);
    const current = await selectWithVector(tx.sql, vault).where('memories.id', 'in', ids).execute();
    const currentOf = new Map(current.map((row) => [row.id, row]));
    const judged = await this.#unlessErased(
      tx,
      vault,
      page.map((past): Judged => {
        const row = currentOf.get(past.row.id);
        return { ...past, current: row, fate: this.#fate(order, past, { rules, today, current: row }) };
      }),
    );
    if (isDry) return { fates: judged.map(({ fate }) => fate), touched: [], request: null };
    return this.#carryOut(tx, order, judged);
  }

  /** What was erased in another memory must not come back in this one. */
  async #unlessErased(tx: Tx, vault: Vault, judged: readonly Judged[]): Promise<readonly Judged[]> {
    const coming = judged.flatMap(({ fate, opened }) => (opened !== null && DOES.has(fate) ? [opened] : []));
    const found = await this.#parts.tombstones.find(tx, vault, coming);
    const erased = new Set([...found].map((at) => coming[at]?.row.id));
    return judged.map((one) => (erased.has(one.row.id) ? { ...one, fate: 'left' } : one));
  }

  /** Puts memories into the trash that were not there. */
  async forward(tx: Tx, order: StepOrder, ids: readonly string[]): Promise<StepOutcome> {
    const { vault, plannedAt, isDry } = order;
    const { guard, rows, indexes } = this.#parts;
    const today = [...(await this.#today(tx, vault, ids)).values()].filter(({ state }) => state === 'live');
    const known = today.filter(({ updated_at }) => updated_at <= plannedAt).map(({ id }) => id);
    const released = await guard.released(tx, vault.id, known);
    const fates: Fate[] = [
      ...released.map(() => 'newer' as const),
      ...known.slice(released.length).map(() => 'kept' as const),
      ...today.slice(known.length).map(() => 'left' as const),
    ];
    if (isDry) return { fates, touched: [], request: null };
    for (const id of released) await rows.setState(tx, id, 'trashed');
    if (released.length > 0) indexes.change(tx, vault, { removed: released });
    return { fates, touched: released, request: null };
  }

  async #today(tx: Tx, vault: Vault, ids: readonly string[]): Promise<ReadonlyMap<string, TodayRow>> {
    const rows = await tx.sql
      .selectFrom('memories')
      .select(['id', 'state', 'version', 'updated_at', 'trashed_at'])
      .where('vault', '=', vault.id)
      .where('id', 'in', [...ids])
      .execute();
    return new Map(rows.map((row) => [row.id, row]));
  }

  #fate(
    { vault, plannedAt }: StepOrder,
    { row, opened }: PastMemory,
    now: {
      readonly rules: ExpiryRules;
      readonly today: ReadonlyMap<string, TodayRow>;
      readonly current: JoinedRow | undefined;
    },
  ): Fate {
    if (opened === null) return 'gone';
    if (isOver(now.rules, opened, this.#parts.clock.now())) return 'over';
    const today = now.today.get(row.id);
    if (today === undefined) return 'missing';
    // Its boxes lie in the archive, and an archived memory does not change.
    if (today.state === 'archived') return today.version === row.version ? 'unchanged' : 'left';
    if (!['live', 'trashed'].includes(today.state) || now.current === undefined) return 'left';
    const isSame = now.current.slot === row.slot || this.#saysTheSame(vault, now.current, opened);
    if (isSame && today.state === 'live') return 'unchanged';
    if (Math.max(today.updated_at, today.trashed_at ?? 0) > plannedAt) return 'left';
    return isSame ? 'returned' : 'changed';
  }

  #saysTheSame(vault: Vault, current: JoinedRow, { row, body, vector }: OpenedMemory): boolean {
    const now = this.#opened(vault, current);
    return (
      now !== null &&
      current.subject === row.subject &&
      current.conversation === row.conversation &&
      current.expires_at === row.expires_at &&
      Buffer.from(encodeBody(now.body)).equals(encodeBody(body)) &&
      isSameVector(now.vector, vector)
    );
  }

  async #carryOut(tx: Tx, order: StepOrder, judged: readonly Judged[]): Promise<StepOutcome> {
    const { vault } = order;
    const { guard, destruction, indexes, rows } = this.#parts;
    const released = new Set(
      await guard.released(
        tx,
        vault.id,
        judged.flatMap(({ fate, row }) => (fate === 'changed' ? [row.id] : [])),
      ),
    );
    const names = await rows.names(vault);
    const fates: Fate[] = [];
    const added: IndexedRecord[] = [];
    const touched: string[] = [];
    const replaced: Slot[] = [];
    for (const one of judged) {
      const isHeld = !released.has(one.row.id);
      const after = await this.#carryOutOne(tx, order, { ...one, isHeld, names });
      // Whom it is about cannot be told any more, or another bears the name.
      fates.push(after === null && DOES.has(one.fate) ? 'left' : one.fate);
      if (after === null) continue;
      touched.push(one.row.id);
      added.push(indexedRecord(after, names));
      const isGone =
        one.fate === 'changed' && vault.deletion.mode === 'immediate' && !vault.history && !isHeld;
      if (isGone && one.current !== undefined) replaced.push(one.current.slot as Slot);
    }
    if (added.length > 0) indexes.change(tx, vault, { added });
    const request = replaced.length === 0 ? null : await destruction.order(tx, replaced, 'vault.rewind');
    return { fates, touched, request };
  }

  /** The memory as it is afterwards; null where nothing was done. */
  async #carryOutOne(
    tx: Tx,
    order: StepOrder,
    { fate, row, opened, current, isHeld, names }: Judged & { isHeld: boolean; names: NameLookup },
  ): Promise<OpenedMemory | null> {
    const { rows } = this.#parts;
    const { vault, past, author } = order;
    if (opened === null || !DOES.has(fate)) return null;
    if (fate === 'returned' && current !== undefined) {
      await rows.setState(tx, row.id, 'live');
      return { ...opened, row: { ...current, state: 'live', trashed_at: null } };
    }
    if (!(await this.#hasNames(tx, { vault, past }, row, names))) return null;
    if (fate === 'missing') return this.#putBack(tx, order, opened);
    if (current === undefined) return null;
    const before = { ...current, state: 'live', trashed_at: null } as const;
    return rows.replace(tx, { vault, author, isHeld }, before, draftOf(opened, names));
  }

  /** Whether the person and the conversation of the memory are known today, or could be put back. */
  async #hasNames(
    tx: Tx,
    { vault, past }: Pick<StepOrder, 'vault' | 'past'>,
    { subject, conversation }: JoinedRow,
    names: NameLookup,
  ): Promise<boolean> {
    const { people } = this.#parts;
    if (subject !== null && names.subjects.withId(subject) === undefined) {
      const row = await past.subject(subject);
      if (row === undefined || !(await people.putBackSubject(tx, vault.organization, row))) return false;
    }
    if (conversation !== null && names.conversations.withId(conversation) === undefined) {
      const row = await past.conversation(conversation);
      if (row === undefined || !(await people.putBackConversation(tx, vault, row))) return false;
    }
    return true;
  }

  /**
   * Rows as they lay in the backup, under the slots that they had. Null where a source is gone: an erasure of it would have
   * taken the memory along, had its row been there.
   */
  async #putBack(tx: Tx, { vault, past }: StepOrder, opened: OpenedMemory): Promise<OpenedMemory | null> {
    const { memory, versions, tied } = await past.rowsOf(opened.row.id);
    const sources = opened.body.derivedFrom ?? [];
    if ((await this.#today(tx, vault, ['', ...sources])).size < new Set(sources).size) return null;
    const { change } = tx;
    await insertRows(tx.sql, 'memories', [{ ...memory, change }]);
    const living = versions.filter((version) => this.#opened(vault, joined(memory, version)) !== null);
    await insertRows(
      tx.sql,
      'memory_versions',
      living.map((version) => ({ ...version, change })),
    );
    await recordSources(tx, vault, [{ memory: memory.id, sources: [...new Set(sources)] }]);
    for (const row of tied)
      await tx.sql
        .insertInto('tied_slots')
        .values({ ...row, change })
        .onConflict((conflict) => conflict.columns(['tied_to', 'slot']).doNothing())
        .execute();
    return opened;
  }

  #opened(vault: Vault, row: JoinedRow): OpenedMemory | null {
    try {
      return openMemory(this.#parts.sealer, vault, row);
    } catch (error) {
      if (error instanceof StrongroomError && error.code === 'erased') return null;
      throw error;
    }
  }
}

/** Fates that change something. */
const DOES: ReadonlySet<Fate> = new Set(['returned', 'changed', 'missing']);

const joined = (memory: MemoryRow, version: MemoryVersionRow): JoinedRow => ({
  ...memory,
  version: version.version,
  slot: version.slot,
  scope: version.scope,
  body_box: version.body_box,
  vector_box: version.vector_box,
});

const draftOf = ({ row, body, vector }: OpenedMemory, names: NameLookup): MemoryDraft => ({
  body,
  vector,
  subject: row.subject === null ? null : (names.subjects.withId(row.subject)?.name ?? null),
  conversation:
    row.conversation === null ? null : (names.conversations.withId(row.conversation)?.name ?? null),
  expiresAt: row.expires_at,
  // It has the vector that it had.
  embed: false,
  path: '',
});

const isSameVector = (left: Float32Array | null, right: Float32Array | null): boolean =>
  left === null || right === null
    ? left === right
    : left.length === right.length && left.every((value, at) => Object.is(value, right[at]));
