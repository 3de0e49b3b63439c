/**
 * Memories: what people and agents put in, and every way to get at it again. Each function is one action: it checks
 * the right, does the work in one transaction, keeps the entry in the ledger, and leaves the index in step.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type {
  Memory,
  MemoriesAdded,
  MemoryHistory,
  MemoryInput,
  MemoryListQuery,
  MemoryPage,
  MemoryPatch,
  SearchInput,
  SearchResult,
  SearchResults,
} from '@strongroom/client';
import type { RequestContext } from '../access/context.ts';
import type { Deed, Recorder } from '../access/recorder.ts';
import type { Json } from '../bytes/canonical-json.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { isId, type NewId } from '../ids.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import { LIMITS } from '../limits.ts';
import { isExpired, type ExpiryRules } from '../search/expiry.ts';
import { matchesFilter, type Filter } from '../search/filter.ts';
import type { Hit } from '../search/types.ts';
import { parseFilter } from '../search/parse-filter.ts';
import type { Destruction } from '../store/destruction.ts';
import type { Store } from '../store/store.ts';
import type { Cursors, ListBinding } from '../access/cursors.ts';
import { openArchived, requireRow, selectArchived, type ArchivedRow } from './archived-row.ts';
import type { DeletionGuard } from './deletion-guard.ts';
import type { Embedding } from './embedding.ts';
import type { VaultIndexes } from './indexes.ts';
import { toFloat32 } from './memory-content.ts';
import {
  checkVector,
  checkVectors,
  draftMemories,
  invalid,
  patchMemory,
  type MemoryDraft,
} from './memory-input.ts';
import {
  heldView,
  indexedRecord,
  memoryView,
  openMemory,
  type JoinedRow,
  type NameLookup,
  type OpenedMemory,
} from './memory-row.ts';
import {
  requireMemory,
  selectJoined,
  selectWithVector,
  type MemoryState,
  type MemoryStore,
} from './memory-store.ts';
import { isOver, type RetentionRules } from './retention.ts';
import { requireVersion, type Vaults } from './vaults.ts';
import { vaultView, type Vault } from './vault.ts';

export interface MemoriesParts {
  readonly store: Store;
  readonly destruction: Destruction;
  readonly guard: DeletionGuard;
  readonly retention: RetentionRules;
  readonly sealer: RecordSealer;
  readonly vaults: Vaults;
  readonly rows: MemoryStore;
  readonly indexes: VaultIndexes;
  readonly embedding: Embedding;
  readonly recorder: Recorder;
  readonly cursors: Cursors;
  readonly newId: NewId;
  readonly environment: Environment;
}

export interface MemoryPlace {
  readonly vault: string;
  readonly memory: string;
}

interface Include {
  readonly include?: 'vector' | undefined;
}

/** A list as it is worked through: all of it decided, `after` moving on. */
interface Scan extends Include {
  readonly state: MemoryState;
  readonly limit: number;
  readonly filter: Filter | null;
  readonly after: string | null;
  readonly names: NameLookup;
}

interface ArchivedScan extends Pick<Scan, 'limit' | 'filter' | 'after' | 'names'> {
  readonly vault: Vault;
  readonly binding: ListBinding;
}

/** Rows a filtered list opens for one answer at most; the cursor goes on from there. */
const SCAN_ROWS_MAX = 20_000;
const SCAN_PAGE_ROWS = 500;
/** Rows opened and matched before others get their turn. */
const SCAN_TURN_ROWS = 50;

export class Memories {
  readonly #parts: MemoriesParts;

  constructor(parts: MemoriesParts) {
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
    return { memories: added.map(({ row }) => ({ id: row.id })) };
  }

  async getMemory(context: RequestContext, place: MemoryPlace, query: Include): Promise<Memory> {
    const vault = await this.#parts.vaults.reach(context, 'memory.get', place.vault);
    const names = await this.#parts.rows.names(vault);
    const row = await this.#parts.store
      .read(vault.organization.id, (db) => requireMemory(db, vault, place.memory, ['live']))
      .catch((error: unknown) => this.#archived(vault, place.memory, error));
    const rules = await this.#parts.retention.of(vault);
    const memory =
      'archived_at' in row
        ? this.#archivedView(rules, vault, row, names)
        : memoryView(this.#requireCurrent(rules, vault, row), names, query.include === 'vector');
    if (memory === null) throw new StrongroomError('not_found');
    await this.#parts.recorder.record(context, this.#deed('memory.get', names, row));
    return memory;
  }

  /** What is not found among the live may lie in the archive: then that much is said of it. */
  async #archived(vault: Vault, id: string, notFound: unknown): Promise<ArchivedRow> {
    if (!(notFound instanceof StrongroomError) || notFound.code !== 'not_found') throw notFound;
    const row = await this.#parts.store.read(vault.organization.id, (db) =>
      selectArchived(db, vault).where('memories.id', '=', id).executeTakeFirst(),
    );
    if (row === undefined) throw notFound;
    return row;
  }

  /** Null where its time is over. */
  #archivedView(rules: ExpiryRules, vault: Vault, row: ArchivedRow, names: NameLookup): Memory | null {
    const opened = openArchived(this.#parts.sealer, vault, row);
    if (isOver(rules, opened, this.#now())) return null;
    return { ...memoryView(opened, names, false), archivedAt: new Date(row.archived_at).toISOString() };
  }

  /** Newest first. A filter that keeps little may give a short page; `next` then goes on where the scan stopped. */
  async listMemories(
    context: RequestContext,
    reference: string,
    query: MemoryListQuery & { limit: number },
  ): Promise<MemoryPage> {
    const { vaults, cursors, recorder, rows } = this.#parts;
    const vault = await vaults.reach(context, 'memory.list', reference);
    const filter = query.filter === undefined ? null : parseFilter(query.filter);
    const binding: ListBinding = {
      organization: vault.organization.id,
      list: 'memories',
      vault: vault.id,
      query: { filter: (query.filter ?? null) as Json, state: query.state ?? 'live' },
    };
    const after = cursors.open(binding, query.cursor);
    const names = await rows.names(vault);
    const { state = 'live', include, limit } = query;
    if (state === 'archived')
      return this.#listArchived(context, { vault, binding, limit, after, names, filter });
    const { found, last } = await this.#scan(vault, { state, include, limit, filter, after, names });
    const memories = found.map((opened) => memoryView(opened, names, query.include === 'vector'));
    await recorder.record(context, { action: 'memory.list', target: vault.id, count: memories.length });
    return { memories, next: last === null ? null : cursors.seal(binding, last) };
  }

  /** What lies in the archive: which memories they are, and not what they say. */
  async #listArchived(
    context: RequestContext,
    { vault, binding, limit, after, names, filter }: ArchivedScan,
  ): Promise<MemoryPage> {
    if (filter !== null) throw invalid('/filter', 'what is archived can be listed and not be filtered');
    const { store, cursors, recorder, retention } = this.#parts;
    const rows = await store.read(vault.organization.id, (db) => {
      const all = selectArchived(db, vault)
        .orderBy('memories.id', 'desc')
        .limit(limit + 1);
      return (after === null ? all : all.where('memories.id', '<', after)).execute();
    });
    const rules = await retention.of(vault);
    const page = rows.slice(0, limit);
    const memories = page.flatMap((row) => this.#archivedView(rules, vault, row, names) ?? []);
    await recorder.record(context, { action: 'memory.list', target: vault.id, count: memories.length });
    const last = rows.length > limit ? page.at(-1)?.id : undefined;
    return { memories, next: last === undefined ? null : cursors.seal(binding, last) };
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
      const opened = this.#requireCurrent(await this.#parts.retention.of(vault), vault, row);
      requireVersion(row.version, ifMatch);
      const names = await rows.names(vault);
      const draft = patchMemory(opened, namesOf(names, row), patch, this.#now());
      const dimensions = checkVectors(vault, [draft]);
      if (dimensions !== null) await vaults.fixDimensions(tx, vault, dimensions);
      // What must be kept stays as an older version, and a change goes on.
      const isHeld = (await guard.released(tx, vault.id, [row.id])).length === 0;
      const after = await rows.replace(tx, { vault, author: context.principal.id, isHeld }, row, draft);
      // In a vault without a trash what is replaced is gone at once.
      const isImmediate = vault.deletion.mode === 'immediate' && !vault.history && !isHeld;
      const request = isImmediate ? await destruction.order(tx, [row.slot as Slot], 'memory.update') : null;
      this.#parts.indexes.change(tx, vault, { added: [indexedRecord(after, names)] });
      return { result: { after, names, request }, deed: this.#deed('memory.update', names, after.row) };
    });
    if (request !== null) await destruction.carryOut(request);
    return memoryView(after, names, false);
  }

  /** To the trash, or (`erase`, and by default in an `immediate` vault) gone: `done` once every replica of the keystore has destroyed its keys,
   * `accepted` while one that cannot be reached has yet to. */
  async deleteMemory(
    context: RequestContext,
    place: MemoryPlace,
    mode: 'trash' | 'erase' | null,
    ifMatch: number | null,
  ): Promise<'done' | 'accepted'> {
    const { vaults, rows, recorder, indexes, destruction, guard, store } = this.#parts;
    const vault = await vaults.reach(context, 'memory.delete', place.vault);
    const isErasure = (mode ?? (vault.deletion.mode === 'immediate' ? 'erase' : 'trash')) === 'erase';
    const request = await recorder.write(context, async (tx) => {
      const row = await requireRow(tx.sql, vault, place.memory);
      if (!isErasure && row.state === 'trashed') throw new StrongroomError('not_found');
      if (!isErasure && row.state === 'archived')
        throw new StrongroomError('conflict', 'is archived: it can be erased, and not be put into the trash');
      requireVersion(row.version, ifMatch);
      await guard.require(tx, { kind: 'memories', vault: vault.id, memories: [row.id] });
      await rows.setState(tx, row.id, isErasure ? 'erased' : 'trashed');
      const slots = isErasure ? await rows.slotsOf(tx.sql, row.id) : [];
      const request = isErasure ? await destruction.order(tx, slots, 'memory.delete') : null;
      indexes.change(tx, vault, { removed: [row.id] });
      const deed = this.#deed('memory.delete', await rows.names(vault), row);
      return { result: request, deed: { ...deed, facts: { mode: isErasure ? 'erase' : 'trash' } } };
    });
    if (request === null) return 'done';
    const { state } = await destruction.carryOut(request);
    // A replica that is away still holds the key: the rows stay, and the sweep removes them when it has forgotten too.
    if (state !== 'destroyed') return 'accepted';
    await store.write(vault.organization.id, (tx) => rows.purge(tx, place.memory));
    return 'done';
  }

  /** Takes a memory back out of the trash. */
  async restoreMemory(context: RequestContext, place: MemoryPlace): Promise<Memory> {
    const { vaults, rows, recorder, indexes } = this.#parts;
    const vault = await vaults.reach(context, 'memory.restore', place.vault);
    const names = await rows.names(vault);
    const opened = await recorder.write(context, async (tx) => {
      const row = await requireMemory(tx.sql, vault, place.memory, ['trashed']);
      const rules = await this.#parts.retention.of(vault);
      const opened = this.#requireCurrent(rules, vault, { ...row, state: 'live', trashed_at: null });
      await rows.setState(tx, row.id, 'live');
      indexes.change(tx, vault, { added: [indexedRecord(opened, names)] });
      return { result: opened, deed: this.#deed('memory.restore', names, row) };
    });
    return memoryView(opened, names, false);
  }

  /** The versions that are kept, newest first: all where the vault keeps a history, else the current one. */
  async memoryHistory(context: RequestContext, place: MemoryPlace, query: Include): Promise<MemoryHistory> {
    const { vaults, store, sealer, rows, recorder } = this.#parts;
    const vault = await vaults.reach(context, 'memory.history', place.vault);
    const rules = await this.#parts.retention.of(vault);
    const versions = await store.read(vault.organization.id, async (db) => {
      const current = await requireMemory(db, vault, place.memory, ['live']);
      this.#requireCurrent(rules, vault, current);
      const kept = await db
        .selectFrom('memory_versions')
        .select(['version', 'slot', 'scope', 'author', 'body_box', 'vector_box', 'created_at'])
        .where('memory', '=', current.id)
        .orderBy('version', 'desc')
        .execute();
      return kept.map((version) => ({
        ...current,
        ...version,
        created_at: current.created_at,
        updated_at: version.created_at,
      }));
    });
    const names = await rows.names(vault);
    const views = versions.map((row) => ({
      ...memoryView(openMemory(sealer, vault, row), names, query.include === 'vector'),
      author: row.author,
    }));
    await recorder.record(context, { action: 'memory.history', target: place.memory, count: views.length });
    return { versions: views };
  }

  /** Every live memory, oldest first. The entry is durable before the first one comes out. */
  async *exportMemories(context: RequestContext, reference: string, query: Include): AsyncGenerator<Memory> {
    const { vaults, store, sealer, rows, recorder } = this.#parts;
    const vault = await vaults.reach(context, 'memory.export', reference);
    await recorder.record(context, { action: 'memory.export', target: vault.id });
    const names = await rows.names(vault);
    let after = '';
    for (;;) {
      const rules = await this.#parts.retention.of(vault);
      const page = await store.read(vault.organization.id, (db) =>
        selectWithVector(db, vault)
          .where('memories.state', '=', 'live')
          .where('memories.id', '>', after)
          .orderBy('memories.id')
          .limit(SCAN_PAGE_ROWS)
          .execute(),
      );
      if (page.length === 0) return;
      after = page.at(-1)?.id ?? after;
      for (const row of page) {
        const opened = openMemory(sealer, vault, row);
        if (isOver(rules, opened, this.#now())) continue;
        yield memoryView(opened, names, query.include === 'vector');
      }
    }
  }

  async searchMemories(
    context: RequestContext,
    reference: string,
    input: SearchInput & { limit: number },
  ): Promise<SearchResults> {
    const { vaults, indexes, recorder } = this.#parts;
    const vault = await vaults.reach(context, 'memory.search', reference);
    const filter: Filter | undefined = input.filter === undefined ? undefined : parseFilter(input.filter);
    const { query, limit } = input;
    const mode = modeOf(vault, input);
    if (mode !== 'vector' && query === undefined) throw invalid('/query', `is needed in mode ${mode}`);
    if (mode !== 'hybrid' && input.weights !== undefined)
      throw invalid('/weights', `say nothing in mode ${mode}`);
    const vector = await this.#queryVector(context, vault, { ...input, mode });
    const weights = input.weights ?? vault.weights;
    const index = await indexes.of(vault);
    const withRecords = input.include !== 'vector';
    const mark = indexes.removalMark(vault);
    const asked = { query, vector, limit, filter, mode, weights, now: this.#now(), withRecords };
    const found = await index.search({ ...asked, rules: await this.#parts.retention.of(vault) });
    // By the rules as they are now: one may have been set while the index looked.
    const rules = await this.#parts.retention.of(vault);
    const hits = found.filter(({ record }) => record === undefined || !isExpired(rules, record, this.#now()));
    // What the index holds is the answer, unless something was taken out of the vault while it looked.
    const isAnswered = withRecords && indexes.removalMark(vault) === mark;
    const results = isAnswered ? hits.flatMap(heldResult) : await this.#resultsOf(vault, hits, !withRecords);
    await recorder.record(context, { action: 'memory.search', target: vault.id, count: results.length });
    return { results };
  }

  /** What an id stands for now, for a request that is repeated; null where it is gone. */
  async current(context: RequestContext, id: string): Promise<{ version: number; body: unknown } | null> {
    const { vaults, store, rows } = this.#parts;
    if (isId('vault', id)) {
      const vault = await vaults.find(context.organization, id);
      return vault === null ? null : { version: vault.version, body: vaultView(vault) };
    }
    const held = await store.read(context.organization, (db) =>
      db.selectFrom('memories').select('vault').where('id', '=', id).executeTakeFirst(),
    );
    const vault = held === undefined ? null : await vaults.find(context.organization, held.vault);
    if (vault === null) return null;
    const row = await store.read(context.organization, (db) => requireMemory(db, vault, id, ['live']));
    const opened = this.#requireCurrent(await this.#parts.retention.of(vault), vault, row);
    const names = await rows.names(vault);
    return { version: row.version, body: memoryView(opened, names, false) };
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
      const added = await rows.insert(tx, { vault, author: context.principal.id }, drafts);
      const names = await rows.names(vault);
      indexes.change(tx, vault, { added: added.map((opened) => indexedRecord(opened, names)) });
      return { result: added, deed: addition(vault, names, added, many) };
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
    this.#requireCurrent(await this.#parts.retention.of(vault), vault, row);
    requireVersion(row.version, ifMatch);
    return embedding.patch(context, vault, given);
  }

  /** The caller's vector or, where a mode needs one and the vault has an embedder, the query's. */
  async #queryVector(
    context: RequestContext,
    vault: Vault,
    { vector: given, query, mode }: SearchInput,
  ): Promise<Float32Array | undefined> {
    if (given !== undefined) {
      const vector = toFloat32(given);
      checkVector(vault, vector, vault.dimensions, '/vector');
      return vector;
    }
    if (mode === 'text') return undefined;
    if (query === undefined || vault.embedder === null)
      throw invalid('/vector', `is needed in mode ${mode}: the vault has no embedder`);
    return this.#parts.embedding.query(context, vault, query);
  }

  async #scan(vault: Vault, query: Scan): Promise<{ found: OpenedMemory[]; last: string | null }> {
    const { limit, filter, names } = query;
    const rules = await this.#parts.retention.of(vault);
    const found: OpenedMemory[] = [];
    let after = query.after;
    for (let scanned = 0; scanned < SCAN_ROWS_MAX;) {
      const size = filter === null ? limit + 1 - found.length : SCAN_PAGE_ROWS;
      const rows = await this.#page(vault, { ...query, after, size });
      for (const row of rows) {
        scanned++;
        if (found.length === limit) return { found, last: after };
        after = row.id;
        if (scanned % SCAN_TURN_ROWS === 0) await turn();
        const opened = openMemory(this.#parts.sealer, vault, row);
        if (isOver(rules, opened, this.#now())) continue;
        if (filter === null || matchesFilter(filter, indexedRecord(opened, names))) found.push(opened);
      }
      if (rows.length < size) return { found, last: null };
    }
    return { found, last: after };
  }

  #page(vault: Vault, query: Scan & { size: number }): Promise<JoinedRow[]> {
    return this.#parts.store.read(vault.organization.id, (db) => {
      const select = query.include === 'vector' ? selectWithVector(db, vault) : selectJoined(db, vault);
      const inState = select.where('memories.state', '=', query.state);
      const onward = query.after === null ? inState : inState.where('memories.id', '<', query.after);
      return onward.orderBy('memories.id', 'desc').limit(query.size).execute();
    });
  }

  async #resultsOf(
    vault: Vault,
    hits: readonly { id: string; score: number }[],
    withVector: boolean,
  ): Promise<SearchResult[]> {
    if (hits.length === 0) return [];
    const { store, rows, sealer } = this.#parts;
    const ids = hits.map(({ id }) => id);
    const found = await store.read(vault.organization.id, (db) =>
      (withVector ? selectWithVector(db, vault) : selectJoined(db, vault))
        .where('memories.id', 'in', ids)
        .where('memories.state', '=', 'live')
        .execute(),
    );
    const byId = new Map(found.map((row) => [row.id, row]));
    const names = await rows.names(vault);
    const rules = await this.#parts.retention.of(vault);
    return hits.flatMap(({ id, score }) => {
      const row = byId.get(id);
      // Deleted between the search and the reading: what is gone is not shown.
      if (row === undefined) return [];
      const opened = openMemory(sealer, vault, row);
      return isOver(rules, opened, this.#now()) ? [] : [{ ...memoryView(opened, names, withVector), score }];
    });
  }

  #deed(action: Deed['action'], names: NameLookup, row: Pick<JoinedRow, 'id' | 'subject'>): Deed {
    return {
      action,
      target: row.id,
      ...(row.subject === null ? {} : { targets: [row.subject], subjects: subjectSlots(names, [row]) }),
    };
  }

  /** What has expired is out of every answer at once; its bytes go with the next sweep. */
  #requireCurrent(rules: ExpiryRules, vault: Vault, row: JoinedRow): OpenedMemory {
    const opened = openMemory(this.#parts.sealer, vault, row);
    if (isOver(rules, opened, this.#now())) throw new StrongroomError('not_found');
    return opened;
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

/** A vault without any vector has nothing that a query's could be compared with, so it is not made. */
function modeOf(vault: Vault, { mode, query, vector }: SearchInput): 'text' | 'vector' | 'hybrid' {
  if (mode !== undefined) return mode;
  if (query === undefined) return 'vector';
  const canEmbed = vault.embedder !== null && vault.dimensions !== null;
  return vector !== undefined || canEmbed ? 'hybrid' : 'text';
}

const heldResult = ({ record, score }: Hit): SearchResult[] =>
  record === undefined ? [] : [{ ...heldView(record), score }];

function addition(vault: Vault, names: NameLookup, added: readonly OpenedMemory[], many: boolean): Deed {
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

/** At most so many people's slots go into the key of an entry's free text. */
const SUBJECT_SLOTS_MAX = 100;

function subjectSlots(names: NameLookup, rows: readonly Pick<JoinedRow, 'subject'>[]): readonly Slot[] {
  const slots = new Set(
    rows.flatMap(({ subject }) => (subject === null ? [] : (names.subjects.withId(subject)?.slot ?? []))),
  );
  return [...slots].slice(0, SUBJECT_SLOTS_MAX);
}
