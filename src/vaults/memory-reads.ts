/**
 * Reading memories: one, a list, a search, a history, an export. Each function is one action with its entry in the
 * ledger. What was erased is not there, from the moment it was asked for and whether or not its row still is.
 */
import { setImmediate as turn } from 'node:timers/promises';
import type {
  Memory,
  MemoryHistory,
  MemoryListQuery,
  MemoryPage,
  SearchInput,
  SearchResult,
  SearchResults,
  SearchWeights,
} from '@strongroom/client';
import type { RequestContext } from '../access/context.ts';
import type { Cursors, ListBinding } from '../access/cursors.ts';
import type { Recorder } from '../access/recorder.ts';
import type { Json } from '../bytes/canonical-json.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { isId } from '../ids.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import { NO_RULES, type ExpiryRules } from '../search/expiry.ts';
import { asksOnly, matchesFilter, type Filter } from '../search/filter.ts';
import { parseFilter } from '../search/parse-filter.ts';
import type { Hit } from '../search/types.ts';
import type { Store } from '../store/store.ts';
import { ARCHIVED_FIELDS, matchArchived, selectArchived, type ArchivedRow } from './archived-row.ts';
import type { Embedding } from './embedding.ts';
import type { VaultIndexes } from './indexes.ts';
import { liveMemories } from './live-memories.ts';
import { toFloat32 } from './memory-content.ts';
import { memoryDeed } from './memory-deeds.ts';
import { checkVector, invalid } from './memory-input.ts';
import {
  indexedRecord,
  matchMemory,
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
import type { Vaults } from './vaults.ts';
import { vaultView, type Vault } from './vault.ts';
import { WrittenResults } from './written-results.ts';

export interface MemoryReadsParts {
  readonly store: Store;
  readonly sealer: RecordSealer;
  readonly vaults: Vaults;
  readonly rows: MemoryStore;
  readonly indexes: VaultIndexes;
  readonly embedding: Embedding;
  readonly recorder: Recorder;
  readonly cursors: Cursors;
  readonly retention: RetentionRules;
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

export class MemoryReads {
  readonly #parts: MemoryReadsParts;

  constructor(parts: MemoryReadsParts) {
    this.#parts = parts;
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
        : memoryView(this.requireCurrent(rules, vault, row), names, query.include === 'vector');
    if (memory === null) throw new StrongroomError('not_found');
    await this.#parts.recorder.record(context, memoryDeed('memory.get', names, row));
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

  /** Null where its time is over, or it is erased. */
  #archivedView(rules: ExpiryRules, vault: Vault, row: ArchivedRow, names: NameLookup): Memory | null {
    const opened = matchArchived(this.#parts.sealer, vault, row);
    if (opened === null || isOver(rules, opened, this.#now())) return null;
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
    const { page, next } = cursors.page(binding, rows, limit);
    const memories = page.flatMap((row) => this.#archivedView(rules, vault, row, names) ?? []);
    await recorder.record(context, { action: 'memory.list', target: vault.id, count: memories.length });
    return { memories, next };
  }

  /** The versions that are kept, newest first: all where the vault keeps a history, else the current one. */
  async memoryHistory(context: RequestContext, place: MemoryPlace, query: Include): Promise<MemoryHistory> {
    const { vaults, store, sealer, rows, recorder } = this.#parts;
    const vault = await vaults.reach(context, 'memory.history', place.vault);
    const rules = await this.#parts.retention.of(vault);
    const versions = await store.read(vault.organization.id, async (db) => {
      const current = await requireMemory(db, vault, place.memory, ['live']);
      this.requireCurrent(rules, vault, current);
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
    const views = versions.flatMap((row) => {
      const opened = matchMemory(sealer, vault, row);
      if (opened === null) return [];
      return [{ ...memoryView(opened, names, query.include === 'vector'), author: row.author }];
    });
    await recorder.record(context, { action: 'memory.history', target: place.memory, count: views.length });
    return { versions: views };
  }

  /** Every live memory, oldest first. The entry is durable before the first one comes out. */
  async *exportMemories(context: RequestContext, reference: string, query: Include): AsyncGenerator<Memory> {
    const { vaults, store, sealer, rows, recorder, retention, environment } = this.#parts;
    const vault = await vaults.reach(context, 'memory.export', reference);
    await recorder.record(context, { action: 'memory.export', target: vault.id });
    const names = await rows.names(vault);
    const live = { store, sealer, retention, clock: environment.clock };
    for await (const opened of liveMemories(live, vault, { filter: null, names }))
      yield memoryView(opened, names, query.include === 'vector');
  }

  async searchMemories(
    context: RequestContext,
    reference: string,
    input: SearchInput & { limit: number },
  ): Promise<SearchResults> {
    const { vaults, indexes, recorder, retention } = this.#parts;
    const vault = await vaults.reach(context, 'memory.search', reference);
    const filter: Filter | undefined = input.filter === undefined ? undefined : parseFilter(input.filter);
    const { query, limit } = input;
    const mode = modeOf(vault, input);
    if (mode !== 'vector' && query === undefined) throw invalid('/query', `is needed in mode ${mode}`);
    if (mode !== 'hybrid' && input.weights !== undefined)
      throw invalid('/weights', `say nothing in mode ${mode}`);
    const weights = input.weights ?? vault.weights;
    const vector = await this.#queryVector(context, vault, { ...input, mode, weights });
    const withVector = input.include === 'vector';
    let rules = NO_RULES;
    const asking = indexes.ask(vault, async (index) => {
      rules = await retention.of(vault);
      const asked = { query, vector, limit, filter, mode, weights, now: this.#now(), rules };
      return withVector ? index.search(asked) : index.answer(asked);
    });
    // Sealed while the index looks.
    const sealing = turn().then(() =>
      recorder.prepare(context, { action: 'memory.search', target: vault.id }),
    );
    const [{ answer: found, isCurrent }, record] = await Promise.all([asking, sealing]);
    // What the index wrote is the answer, unless something was taken out of the vault or came to its end while it looked.
    if ('text' in found) {
      const isOver = found.until !== null && found.until <= this.#now();
      if (isCurrent() && !isOver && (await retention.of(vault)) === rules) {
        await record(found.count);
        return new WrittenResults(found.text);
      }
    }
    const hits = 'text' in found ? new WrittenResults(found.text).results : found;
    const results = await this.#resultsOf(vault, hits, withVector);
    await record(results.length);
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
    const row = await store.read(context.organization, (db) =>
      requireMemory(db, vault, id, ['live', 'review']),
    );
    const opened = this.requireCurrent(await this.#parts.retention.of(vault), vault, row);
    const names = await rows.names(vault);
    return { version: row.version, body: memoryView(opened, names, false) };
  }

  /**
   * Every memory of the vault that the filter keeps, in the trash or not: for erasures. Of what is archived only where the
   * filter asks for nothing that lies in the archive.
   */
  async *matching(vault: Vault, filter: Filter): AsyncGenerator<OpenedMemory> {
    const names = await this.#parts.rows.names(vault);
    for (const state of ['live', 'trashed', 'review'] as const) {
      for (let after: string | null = null; ;) {
        const query = { state, limit: SCAN_PAGE_ROWS, filter, after, names };
        const { found, last } = await this.#scan(vault, query, true);
        yield* found;
        if (last === null) break;
        after = last;
      }
    }
    if (asksOnly(filter, ARCHIVED_FIELDS)) yield* this.#archivedMatching(vault, filter, names);
  }

  async *#archivedMatching(vault: Vault, filter: Filter, names: NameLookup): AsyncGenerator<OpenedMemory> {
    for (let after = ''; ;) {
      const from = after;
      const rows = await this.#parts.store.read(vault.organization.id, (db) =>
        selectArchived(db, vault)
          .where('memories.id', '>', from)
          .orderBy('memories.id')
          .limit(SCAN_PAGE_ROWS)
          .execute(),
      );
      for (const row of rows) {
        const opened = matchArchived(this.#parts.sealer, vault, row);
        if (opened !== null && matchesFilter(filter, indexedRecord(opened, names))) yield opened;
      }
      after = rows.at(-1)?.id ?? '';
      if (rows.length < SCAN_PAGE_ROWS) return;
      await turn();
    }
  }

  /** How many archived memories of the vault `matching` says nothing of. */
  async unasked(vault: Vault, filter: Filter): Promise<number> {
    if (asksOnly(filter, ARCHIVED_FIELDS)) return 0;
    const { archived } = await this.#parts.store.read(vault.organization.id, (db) =>
      db
        .selectFrom('memories')
        .select((of) => of.fn.countAll<number | bigint>().as('archived'))
        .where('vault', '=', vault.id)
        .where('state', '=', 'archived')
        .executeTakeFirstOrThrow(),
    );
    return Number(archived);
  }

  /** The caller's vector or, where a mode needs one and the vault has an embedder, the query's. */
  async #queryVector(
    context: RequestContext,
    vault: Vault,
    { vector: given, query, mode, weights }: SearchInput & { readonly weights: SearchWeights },
  ): Promise<Float32Array | undefined> {
    if (given !== undefined) {
      const vector = toFloat32(given);
      checkVector(vault, vector, vault.dimensions, '/vector');
      return vector;
    }
    // A list that counts for nothing needs no vector, and for nothing the query does not leave.
    if (mode === 'text' || (mode === 'hybrid' && weights.vector === 0)) return undefined;
    if (query === undefined || vault.embedder === null)
      throw invalid('/vector', `is needed in mode ${mode}: the vault has no embedder`);
    return this.#parts.embedding.query(context, vault, query);
  }

  /** `all`: also what has expired. */
  async #scan(
    vault: Vault,
    query: Scan,
    all = false,
  ): Promise<{ found: OpenedMemory[]; last: string | null }> {
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
        const opened = matchMemory(this.#parts.sealer, vault, row);
        if (opened === null || (!all && isOver(rules, opened, this.#now()))) continue;
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

  async #resultsOf(vault: Vault, hits: readonly Hit[], withVector: boolean): Promise<SearchResult[]> {
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
      const opened = row === undefined ? null : matchMemory(sealer, vault, row);
      if (opened === null || isOver(rules, opened, this.#now())) return [];
      return [{ ...memoryView(opened, names, withVector), score }];
    });
  }

  /** What has expired, or is erased, is out of every answer at once; its bytes go with the next chores. */
  protected requireCurrent(rules: ExpiryRules, vault: Vault, row: JoinedRow): OpenedMemory {
    const opened = openMemory(this.#parts.sealer, vault, row);
    if (isOver(rules, opened, this.#now())) throw new StrongroomError('not_found');
    return opened;
  }

  #now(): number {
    return this.#parts.environment.clock.now();
  }
}

/** A vault without any vector has nothing that a query's could be compared with, so it is not made. */
function modeOf(vault: Vault, { mode, query, vector }: SearchInput): 'text' | 'vector' | 'hybrid' {
  if (mode !== undefined) return mode;
  if (query === undefined) return 'vector';
  const canEmbed = vault.embedder !== null && vault.dimensions !== null;
  return vector !== undefined || canEmbed ? 'hybrid' : 'text';
}
