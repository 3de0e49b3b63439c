/**
 * Writing memories: added, changed, thrown away and taken back, and what came back after its erasure approved or
 * rejected. Each function is one action: it checks the right, does the work in one transaction, keeps the entry in the
 * ledger, and leaves the index in step.
 */
import type { Memory, MemoriesAdded, MemoryInput, MemoryPatch } from '@strongroom/client';
import type { RequestContext } from '../access/context.ts';
import { StrongroomError } from '../errors.ts';
import type { Slot } from '../keys/slot.ts';
import { LIMITS } from '../limits.ts';
import type { Destruction } from '../store/destruction.ts';
import type { Tx } from '../store/store.ts';
import type { DeletionGuard } from './deletion-guard.ts';
import type { Begun, Eraser } from './eraser.ts';
import { additionDeed, memoryDeed } from './memory-deeds.ts';
import { checkVectors, draftMemories, invalid, patchMemory, type MemoryDraft } from './memory-input.ts';
import { MemoryReads, type MemoryPlace, type MemoryReadsParts } from './memory-reads.ts';
import {
  indexedRecord,
  memoryView,
  type JoinedRow,
  type NameLookup,
  type OpenedMemory,
} from './memory-row.ts';
import { requireMemory } from './memory-store.ts';
import { erasedBefore, type Tombstones } from './tombstones.ts';
import { requireVersion } from './vaults.ts';
import type { Vault } from './vault.ts';

export interface MemoriesParts extends MemoryReadsParts {
  readonly destruction: Destruction;
  readonly guard: DeletionGuard;
  readonly eraser: Eraser;
  readonly tombstones: Tombstones;
}

export class Memories extends MemoryReads {
  readonly #parts: MemoriesParts;

  constructor(parts: MemoriesParts) {
    super(parts);
    this.#parts = parts;
  }

  /** Adds one memory and answers it whole. */
  async addMemory(context: RequestContext, reference: string, input: MemoryInput): Promise<Memory> {
    const vault = await this.#parts.vaults.reach(context, 'memory.add', reference);
    const drafts = draftMemories([input], false, this.#now());
    const [added] = await this.#add(context, vault, drafts, false);
    if (added === undefined) throw new StrongroomError('internal', 'an addition without a memory');
    return memoryView(added, await this.#parts.rows.names(vault), false);
  }

  /** Adds up to 1,000 memories in one durable commit: all or none. Ids in the order given. */
  async addMemories(
    context: RequestContext,
    reference: string,
    inputs: readonly MemoryInput[],
  ): Promise<MemoriesAdded> {
    const vault = await this.#parts.vaults.reach(context, 'memory.add', reference);
    const drafts = draftMemories(inputs, true, this.#now());
    if (drafts.length > LIMITS.batchMemoriesMax)
      throw invalid('', `${drafts.length} memories; at most ${LIMITS.batchMemoriesMax} in one request`);
    const added = await this.#add(context, vault, drafts, true);
    return {
      memories: added.map(({ row }) => ({
        id: row.id,
        ...(row.state === 'review' ? { review: 'pending' } : {}),
      })),
    };
  }

  async updateMemory(
    context: RequestContext,
    place: MemoryPlace,
    given: MemoryPatch,
    ifMatch: number | null,
  ): Promise<Memory> {
    const { vaults, rows, recorder, destruction, guard } = this.#parts;
    const reached = await vaults.reach(context, 'memory.update', place.vault);
    const patch = await this.#embedded(context, reached, { place, given, ifMatch });
    const { after, names, request } = await recorder.write(context, async (tx) => {
      const vault = await vaults.within(reached);
      const row = await requireMemory(tx.sql, vault, place.memory, ['live']);
      const opened = this.requireCurrent(await this.#parts.retention.of(vault), vault, row);
      requireVersion(row.version, ifMatch);
      const names = await rows.names(vault);
      const draft = patchMemory(opened, namesOf(names, row), patch, this.#now());
      await this.#requireNew(tx, vault, draft);
      const dimensions = checkVectors(vault, [draft]);
      if (dimensions !== null) await vaults.fixDimensions(tx, vault, dimensions);
      // What must be kept stays as an older version, and a change goes on.
      const isHeld = (await guard.released(tx, vault.id, [row.id])).length === 0;
      const after = await rows.replace(tx, { vault, author: context.principal.id, isHeld }, row, draft);
      // In a vault without a trash what is replaced is gone at once.
      const isImmediate = vault.deletion.mode === 'immediate' && !vault.history && !isHeld;
      const request = isImmediate ? await destruction.order(tx, [row.slot as Slot], 'memory.update') : null;
      this.#parts.indexes.change(tx, vault, { added: [indexedRecord(after, names)] });
      return { result: { after, names, request }, deed: memoryDeed('memory.update', names, after.row) };
    });
    if (request !== null) await destruction.carryOut(request);
    return memoryView(after, names, false);
  }

  /**
   * To the trash, or (`erase`, and by default in an `immediate` vault) gone with all that was derived from it: `done` once
   * every replica of the keystore has destroyed its keys, `accepted` while one that cannot be reached has yet to.
   */
  async deleteMemory(
    context: RequestContext,
    place: MemoryPlace,
    mode: 'trash' | 'erase' | null,
    ifMatch: number | null,
  ): Promise<'done' | 'accepted'> {
    const { vaults, rows, recorder, eraser } = this.#parts;
    const vault = await vaults.reach(context, 'memory.delete', place.vault);
    const isErasure = (mode ?? (vault.deletion.mode === 'immediate' ? 'erase' : 'trash')) === 'erase';
    const begun = await recorder.write<Begun | null>(context, async (tx) => {
      const row = await rows.requireAnywhere(tx.sql, vault, place.memory);
      if (!isErasure && row.state === 'archived')
        throw new StrongroomError('conflict', 'is archived: it can be erased, and not be put into the trash');
      if (!isErasure && row.state !== 'live') throw new StrongroomError('not_found');
      requireVersion(row.version, ifMatch);
      const deed = memoryDeed('memory.delete', await rows.names(vault), row);
      if (!isErasure) {
        await this.#trash(tx, vault, row);
        return { result: null, deed: { ...deed, facts: { mode: 'trash' } } };
      }
      const by = { principal: context.principal.id, cause: 'delete' } as const;
      const begun = await eraser.memories(tx, by, vault, [row.id]);
      return { result: begun, deed: { ...deed, facts: { mode: 'erase', erasure: begun.id } } };
    });
    return begun === null ? 'done' : begun.finish();
  }

  async #trash(tx: Tx, vault: Vault, row: Pick<JoinedRow, 'id'>): Promise<void> {
    const { rows, guard, indexes } = this.#parts;
    await guard.require(tx, { kind: 'memories', vault: vault.id, memories: [row.id] });
    await rows.setState(tx, row.id, 'trashed');
    indexes.change(tx, vault, { removed: [row.id] });
  }

  /** Takes a memory back out of the trash. */
  async restoreMemory(context: RequestContext, place: MemoryPlace): Promise<Memory> {
    const { vaults, rows, recorder, indexes } = this.#parts;
    const vault = await vaults.reach(context, 'memory.restore', place.vault);
    const names = await rows.names(vault);
    const opened = await recorder.write(context, async (tx) => {
      const row = await requireMemory(tx.sql, vault, place.memory, ['trashed']);
      const rules = await this.#parts.retention.of(vault);
      const opened = this.requireCurrent(rules, vault, { ...row, state: 'live', trashed_at: null });
      await rows.setState(tx, row.id, 'live');
      indexes.change(tx, vault, { added: [indexedRecord(opened, names)] });
      return { result: opened, deed: memoryDeed('memory.restore', names, row) };
    });
    return memoryView(opened, names, false);
  }

  /** What was erased before and came back may stay: from now on it is a memory like any other. */
  async approveMemory(context: RequestContext, place: MemoryPlace): Promise<Memory> {
    const { vaults, rows, recorder, indexes, tombstones } = this.#parts;
    const vault = await vaults.reach(context, 'memory.approve', place.vault);
    const names = await rows.names(vault);
    const opened = await recorder.write(context, async (tx) => {
      const row = await requireMemory(tx.sql, vault, place.memory, ['review']);
      const rules = await this.#parts.retention.of(vault);
      const opened = this.requireCurrent(rules, vault, { ...row, state: 'live' });
      await rows.setState(tx, row.id, 'live');
      await tombstones.spare(tx, vault, opened);
      indexes.change(tx, vault, { added: [indexedRecord(opened, names)] });
      return { result: opened, deed: memoryDeed('memory.approve', names, row) };
    });
    return memoryView(opened, names, false);
  }

  /** It may not: it is erased again. */
  async rejectMemory(context: RequestContext, place: MemoryPlace): Promise<'done' | 'accepted'> {
    const { vaults, rows, recorder, eraser } = this.#parts;
    const vault = await vaults.reach(context, 'memory.reject', place.vault);
    const begun = await recorder.write(context, async (tx) => {
      const row = await rows.require(tx.sql, vault, place.memory, ['review']);
      const by = { principal: context.principal.id, cause: 'rejection' } as const;
      const begun = await eraser.memories(tx, by, vault, [row.id]);
      const deed = memoryDeed('memory.reject', await rows.names(vault), row);
      return { result: begun, deed: { ...deed, facts: { erasure: begun.id } } };
    });
    return begun.finish();
  }

  async #add(
    context: RequestContext,
    reached: Vault,
    given: readonly MemoryDraft[],
    many: boolean,
  ): Promise<readonly OpenedMemory[]> {
    const { vaults, rows, recorder, indexes, embedding } = this.#parts;
    checkVectors(reached, given);
    const drafts = await embedding.drafts(context, reached, given);
    await indexes.room(reached);
    return recorder.write(context, async (tx) => {
      const vault = await vaults.within(reached);
      const dimensions = checkVectors(vault, drafts);
      if (dimensions !== null) await vaults.fixDimensions(tx, vault, dimensions);
      const held = await this.#erasedBefore(tx, vault, drafts);
      const added = await rows.insert(tx, { vault, author: context.principal.id }, drafts, held);
      const names = await rows.names(vault);
      const live = added.filter(({ row }) => row.state === 'live');
      indexes.change(tx, vault, { added: live.map((opened) => indexedRecord(opened, names)) });
      return { result: added, deed: additionDeed(vault, names, added, many) };
    });
  }

  /** The patch with the vector of its new text, made before the transaction; nothing leaves for a change that cannot be. */
  async #embedded(
    context: RequestContext,
    vault: Vault,
    change: { place: MemoryPlace; given: MemoryPatch; ifMatch: number | null },
  ): Promise<MemoryPatch> {
    const { store, embedding } = this.#parts;
    const { place, given, ifMatch } = change;
    if (!embedding.changesVector(vault, given)) return given;
    const row = await store.read(vault.organization.id, (db) =>
      requireMemory(db, vault, place.memory, ['live']),
    );
    this.requireCurrent(await this.#parts.retention.of(vault), vault, row);
    requireVersion(row.version, ifMatch);
    return embedding.patch(context, vault, given);
  }

  /** Positions of drafts that were erased before and wait for a decision; a vault that refuses them throws. */
  async #erasedBefore(tx: Tx, vault: Vault, drafts: readonly MemoryDraft[]): Promise<ReadonlySet<number>> {
    const found = await this.#parts.tombstones.find(tx, vault, drafts);
    if (found.size === 0 || vault.tombstones === 'review') return found;
    throw erasedBefore([...found].sort((left, right) => left - right).map((at) => drafts[at]?.path ?? ''));
  }

  /** A change brings nothing back either: there it is refused, because a version cannot wait while another serves. */
  async #requireNew(tx: Tx, vault: Vault, draft: MemoryDraft): Promise<void> {
    const found = await this.#parts.tombstones.find(tx, vault, [draft]);
    if (found.size > 0) throw erasedBefore([draft.path]);
  }

  #now(): number {
    return this.#parts.environment.clock.now();
  }
}

const namesOf = (
  names: NameLookup,
  row: JoinedRow,
): { subject: string | null; conversation: string | null } => ({
  subject: row.subject === null ? null : (names.subjects.withId(row.subject)?.name ?? null),
  conversation:
    row.conversation === null ? null : (names.conversations.withId(row.conversation)?.name ?? null),
});
