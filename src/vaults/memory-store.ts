/** The rows of memories: read by place, written version by version. Inside a transaction where it says `tx`. */
import { DAY_MS } from '../durations.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { isId, type MemoryId, type NewId } from '../ids.ts';
import type { Scope } from '../keys/record-key.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import { LIMITS } from '../limits.ts';
import type { MemoryRow, MemoryVersionRow } from '../store/schema.ts';
import type { SlotAllocator } from '../store/slots.ts';
import { insertRows, type ReadSql, type Tx } from '../store/store.ts';
import { requireRow, type FoundRow } from './archived-row.ts';
import { recordSources, tie } from './derivations.ts';
import { invalid, type MemoryDraft } from './memory-input.ts';
import {
  decodeScope,
  encodeScope,
  isReadable,
  MEMORY_COLUMNS,
  sealVersion,
  type JoinedRow,
  type NameLookup,
  type OpenedMemory,
} from './memory-row.ts';
import type { Conversation, People, Subject } from './people.ts';
import { vaultScope, type Vault } from './vault.ts';

export interface MemoryStoreParts {
  readonly sealer: RecordSealer;
  readonly slots: SlotAllocator;
  readonly people: People;
  readonly newId: NewId;
  readonly environment: Environment;
}

export type MemoryState = MemoryRow['state'];

/** Where versions go, and the principal that writes them. */
export interface Destination {
  readonly vault: Vault;
  readonly author: string;
  /** Whether what is replaced must be kept: a hold asked for it. */
  readonly isHeld?: boolean;
}

/** What an addition needs of a draft once its names have become slots. */
interface Placed {
  readonly draft: MemoryDraft;
  readonly subject: Subject | null;
  readonly conversation: Conversation | null;
  readonly scope: Scope;
}

export class MemoryStore {
  readonly #parts: MemoryStoreParts;

  constructor(parts: MemoryStoreParts) {
    this.#parts = parts;
  }

  async names(vault: Vault): Promise<NameLookup> {
    const { people } = this.#parts;
    const [subjects, conversations] = await Promise.all([
      people.subjects(vault.organization.id),
      people.conversations(vault),
    ]);
    return { subjects, conversations };
  }

  /** Seals and inserts; answers what was inserted, in order, as it would be read. */
  async insert(
    tx: Tx,
    to: Destination,
    drafts: readonly MemoryDraft[],
    /** Positions of those that wait for a decision. */
    held: ReadonlySet<number> = new Set(),
  ): Promise<readonly OpenedMemory[]> {
    const { slots, sealer, environment, newId } = this.#parts;
    const { vault } = to;
    const placed: Placed[] = [];
    for (const draft of drafts) placed.push(await this.#place(tx, vault, draft));
    const own = await slots.take(tx, vault.id, drafts.length);
    const now = environment.clock.now();
    const added = placed.map(
      ({ draft, subject, conversation, scope }, index): OpenedMemory & { row: SealedRow } => {
        const id = newId('memory');
        const slot = own[index] as Slot;
        const sealed = sealVersion(sealer, { id, version: 1, vault, slot, scope }, draft);
        const row: SealedRow = {
          id,
          state: held.has(index) ? 'review' : 'live',
          version: 1,
          subject: subject?.id ?? null,
          conversation: conversation?.id ?? null,
          expires_at: draft.expiresAt,
          created_at: now,
          updated_at: now,
          trashed_at: null,
          slot,
          scope: encodeScope(scope),
          ...sealed,
        };
        return { row, body: draft.body, vector: draft.vector };
      },
    );
    await insertRows(
      tx.sql,
      'memories',
      added.map(({ row }) => memoryColumns(tx, vault, row)),
    );
    await insertRows(
      tx.sql,
      'memory_versions',
      added.map(({ row }) => versionColumns(tx, to, row)),
    );
    await recordSources(
      tx,
      vault,
      added.map(({ row, body }) => ({ memory: row.id, sources: body.derivedFrom ?? [] })),
    );
    return added;
  }

  /** Writes the next version of a memory; the old one's slot is listed to die when no backup needs it any more. */
  async replace(tx: Tx, to: Destination, before: JoinedRow, draft: MemoryDraft): Promise<OpenedMemory> {
    const { slots, sealer, environment } = this.#parts;
    const { vault } = to;
    const { subject, conversation, scope } = await this.#place(tx, vault, draft, before);
    const slot = await slots.takeOne(tx, vault.id);
    const now = environment.clock.now();
    const id = before.id as MemoryId;
    const version = before.version + 1;
    const sealed = sealVersion(sealer, { id, version, vault, slot, scope }, draft);
    const row: SealedRow = {
      ...before,
      version,
      subject: subject?.id ?? null,
      conversation: conversation?.id ?? null,
      expires_at: draft.expiresAt,
      updated_at: now,
      slot,
      scope: encodeScope(scope),
      ...sealed,
    };
    const { id: _id, organization: _organization, vault: _vault, ...columns } = memoryColumns(tx, vault, row);
    // What the memory newly belongs to takes its older versions along, whose keys know nothing of it.
    const known = new Set(decodeScope(before.scope).map(([, slot]) => slot));
    const added = scope.flatMap(([, slot]) => (known.has(slot) ? [] : [slot]));
    await tie(tx, vault, id, added);
    await tx.sql.updateTable('memories').set(columns).where('id', '=', id).execute();
    await insertRows(tx.sql, 'memory_versions', [versionColumns(tx, to, row)]);
    if (!vault.history && to.isHeld === true) await this.#keepHeld(tx, vault, before);
    else if (!vault.history) await this.supersede(tx, vault, { ...before, memory: before.id });
    return { row, body: draft.body, vector: draft.vector };
  }

  async setState(tx: Tx, id: string, state: MemoryState): Promise<void> {
    const trashed_at = state === 'trashed' ? this.#parts.environment.clock.now() : null;
    await tx.sql
      .updateTable('memories')
      .set({ state, trashed_at, change: tx.change })
      .where('id', '=', id)
      .execute();
  }

  /** The same as `requireMemory`; what was erased is not there, whether or not its row still is. */
  async require(sql: ReadSql, vault: Vault, id: string, states: readonly MemoryState[]): Promise<JoinedRow> {
    const row = await requireMemory(sql, vault, id, states);
    if (!isReadable(this.#parts.sealer, vault, row)) throw new StrongroomError('not_found');
    return row;
  }

  /** The same, wherever its boxes lie: without them. */
  async requireAnywhere(sql: ReadSql, vault: Vault, id: string): Promise<FoundRow> {
    const row = await requireRow(sql, vault, id);
    const keys = await sql
      .selectFrom(row.state === 'archived' ? 'archived_versions' : 'memory_versions')
      .select(['slot', 'scope'])
      .where('memory', '=', id)
      .where('version', '=', row.version)
      .executeTakeFirst();
    if (keys === undefined || !isReadable(this.#parts.sealer, vault, { ...row, ...keys }))
      throw new StrongroomError('not_found');
    return row;
  }

  /** Takes an older version out; its slot dies when no backup needs it any more. */
  async supersede(
    tx: Tx,
    vault: Pick<Vault, 'id' | 'organization' | 'deletion'>,
    before: { readonly memory: string; readonly version: number; readonly slot: number },
  ): Promise<void> {
    const { memory, version, slot } = before;
    const days = vault.deletion.mode === 'immediate' ? 0 : Math.max(vault.deletion.days, LIMITS.backupDays);
    await tx.sql
      .deleteFrom('memory_versions')
      .where('memory', '=', memory)
      .where('version', '=', version)
      .execute();
    await tx.sql
      .insertInto('superseded_slots')
      .values({
        slot,
        organization: vault.organization.id,
        vault: vault.id,
        memory,
        version,
        due_at: this.#parts.environment.clock.now() + days * DAY_MS,
        change: tx.change,
      })
      .execute();
  }

  /** The version stays until the hold is released. */
  async #keepHeld(tx: Tx, vault: Vault, before: JoinedRow): Promise<void> {
    await tx.sql
      .insertInto('held_versions')
      .values({
        memory: before.id,
        version: before.version,
        organization: vault.organization.id,
        vault: vault.id,
        change: tx.change,
      })
      .execute();
  }

  /** `before`: the version that is replaced, whose people stay where its sources cannot be asked any more. */
  async #place(tx: Tx, vault: Vault, draft: MemoryDraft, before: JoinedRow | null = null): Promise<Placed> {
    const { people } = this.#parts;
    const subject =
      draft.subject === null ? null : await people.ensureSubject(tx, vault.organization, draft.subject);
    const conversation =
      draft.conversation === null ? null : await people.ensureConversation(tx, vault, draft.conversation);
    const own = [
      ...(conversation === null ? [] : [['conversation', conversation.slot] as const]),
      ...(subject === null ? [] : [['subject', subject.slot] as const]),
    ];
    const inherited = [
      ...(await this.#sourceScope(tx, vault, draft, before)),
      ...(before === null ? [] : inheritedScope(before, await this.names(vault), draft)),
    ];
    const scope: Scope = [...vaultScope(vault), ...distinct([...own, ...inherited])];
    return { draft, subject, conversation, scope };
  }

  /**
   * A memory derived from others dies with each person and conversation they belong to. A new one needs them all; a
   * change is not kept from happening by a source that is gone.
   */
  async #sourceScope(
    tx: Tx,
    vault: Vault,
    draft: MemoryDraft,
    before: JoinedRow | null,
  ): Promise<readonly ScopePart[]> {
    const sources = draft.body.derivedFrom ?? [];
    if (sources.length === 0) return [];
    const found = await selectJoined(tx.sql, vault)
      .where('memories.id', 'in', [...sources])
      .where('memories.state', '=', 'live')
      .execute();
    const rows = found.filter((row) => isReadable(this.#parts.sealer, vault, row));
    const missing = sources.findIndex((source) => !rows.some((row) => row.id === source));
    if (missing >= 0 && before === null)
      throw invalid(`${draft.path}/derivedFrom/${missing}`, 'no such memory in this vault');
    return rows.flatMap((row) => decodeScope(row.scope).filter(isInherited));
  }
}

type ScopePart = Scope[number];

const isInherited = ([role]: ScopePart): boolean => role === 'subject' || role === 'conversation';

/** Each slot once, in the order of scopes: conversations, then people, by slot. */
function distinct(parts: readonly ScopePart[]): ScopePart[] {
  const bySlot = new Map(parts.map((part) => [part[1], part]));
  return [...bySlot.values()].sort(
    (left, right) => Number(left[0] === 'subject') - Number(right[0] === 'subject') || left[1] - right[1],
  );
}

/** What a derived memory belongs to beside its own subject and conversation, as its version before had it. */
function inheritedScope(before: JoinedRow, names: NameLookup, draft: MemoryDraft): readonly ScopePart[] {
  if (draft.body.derivedFrom === undefined) return [];
  const own = new Set([
    before.subject === null ? undefined : names.subjects.withId(before.subject)?.slot,
    before.conversation === null ? undefined : names.conversations.withId(before.conversation)?.slot,
  ]);
  return decodeScope(before.scope).filter((part) => isInherited(part) && !own.has(part[1]));
}

type SealedRow = JoinedRow & { readonly body_box: Uint8Array; readonly vector_box: Uint8Array | null };

/** Memories of a vault joined with their current version; without the vector. */
export const selectJoined = (sql: ReadSql, vault: Pick<Vault, 'id'>) =>
  sql
    .selectFrom('memories')
    .innerJoin('memory_versions', (join) =>
      join
        .onRef('memory_versions.memory', '=', 'memories.id')
        .onRef('memory_versions.version', '=', 'memories.version'),
    )
    .where('memories.vault', '=', vault.id)
    .select([
      ...MEMORY_COLUMNS,
      'memories.version',
      'memory_versions.slot',
      'memory_versions.scope',
      'memory_versions.body_box',
    ]);

/** The same with the vector. */
export const selectWithVector = (sql: ReadSql, vault: Pick<Vault, 'id'>) =>
  selectJoined(sql, vault).select('memory_versions.vector_box');

/** Memories of a vault with every version that is kept, each as if it were the current one. */
export const selectVersions = (sql: ReadSql, vault: Pick<Vault, 'id'>, memories: readonly string[]) =>
  sql
    .selectFrom('memories')
    .innerJoin('memory_versions', (join) => join.onRef('memory_versions.memory', '=', 'memories.id'))
    .where('memories.vault', '=', vault.id)
    .where('memories.id', 'in', memories)
    .select([
      ...MEMORY_COLUMNS,
      'memories.version as newest',
      'memory_versions.version',
      'memory_versions.slot',
      'memory_versions.scope',
      'memory_versions.body_box',
      'memory_versions.vector_box',
    ]);

/** A run of slots: `to` is not in it, and at most `limit` of them are read. */
export interface SlotRun {
  readonly from: number;
  readonly to: number;
  readonly limit: number;
}

export interface RowsBySlot {
  readonly live: readonly JoinedRow[];
  /** The last slot that was looked at; null where there is none. */
  readonly last: number | null;
  /** Versions that were looked at. Fewer than the limit: there are no more. */
  readonly count: number;
}

/**
 * The vault's live memories whose current version has a slot of the run, in the order of slots. Two statements and no join, because a join would be planned from the vault's
 * side: all its rows would be read and sorted for each run.
 */
export async function selectBySlot(
  sql: ReadSql,
  vault: Pick<Vault, 'id'>,
  { from, to, limit }: SlotRun,
): Promise<RowsBySlot> {
  const versions = await sql
    .selectFrom('memory_versions')
    .select(['memory', 'version', 'slot', 'scope', 'body_box', 'vector_box'])
    .where('slot', '>=', from)
    .where('slot', '<', to)
    .orderBy('slot')
    .limit(limit)
    .execute();
  if (versions.length === 0) return { live: [], last: null, count: 0 };
  const memories = await sql
    .selectFrom('memories')
    .select(['id', 'state', 'version', 'subject', 'conversation', 'expires_at'])
    .select(['created_at', 'updated_at', 'trashed_at'])
    .where(
      'id',
      'in',
      versions.map(({ memory }) => memory),
    )
    .where('vault', '=', vault.id)
    .where('state', '=', 'live')
    .execute();
  const byId = new Map(memories.map((row) => [row.id, row]));
  const live = versions.flatMap(({ memory, version, ...columns }) => {
    const row = byId.get(memory);
    return row?.version === version ? [{ ...row, ...columns }] : [];
  });
  return { live, last: versions.at(-1)?.slot ?? null, count: versions.length };
}

/** One memory by id, or `not_found`: also for an id that is none, so that a guess learns nothing. */
export async function requireMemory(
  sql: ReadSql,
  vault: Vault,
  id: string,
  states: readonly MemoryState[],
): Promise<JoinedRow> {
  const row = isId('memory', id)
    ? await selectWithVector(sql, vault)
        .where('memories.id', '=', id)
        .where('memories.state', 'in', [...states])
        .executeTakeFirst()
    : undefined;
  if (row === undefined) throw new StrongroomError('not_found');
  return row;
}

const memoryColumns = (tx: Tx, vault: Vault, row: SealedRow): MemoryRow => ({
  id: row.id,
  organization: vault.organization.id,
  vault: vault.id,
  state: row.state,
  version: row.version,
  subject: row.subject,
  conversation: row.conversation,
  expires_at: row.expires_at,
  created_at: row.created_at,
  updated_at: row.updated_at,
  trashed_at: row.trashed_at,
  change: tx.change,
});

const versionColumns = (tx: Tx, { vault, author }: Destination, row: SealedRow): MemoryVersionRow => ({
  memory: row.id,
  version: row.version,
  organization: vault.organization.id,
  vault: vault.id,
  slot: row.slot,
  scope: row.scope,
  author,
  body_box: row.body_box,
  vector_box: row.vector_box,
  created_at: row.updated_at,
  change: tx.change,
});
