/**
 * Erasures as they are asked for: what is meant is found, the right to it checked, and the request and its entry become
 * durable together. From the answer on nothing of it is shown; see `erasures.ts` for what follows.
 */
import type {
  Erasure,
  ErasureInput,
  ErasureListQuery,
  ErasurePage,
  ErasurePlan,
  ErasureRecipients,
  ErasureTarget,
} from '@strongroom/client';
import type { Access } from '../access/access.ts';
import type { RequestContext } from '../access/context.ts';
import type { Cursors, ListBinding } from '../access/cursors.ts';
import type { Organizations } from '../access/organizations.ts';
import type { Deed, Recorder } from '../access/recorder.ts';
import { concat, decodeBase64Url, encodeHex, encodeUtf8 } from '../bytes/encoding.ts';
import { sha256 } from '../crypto/hash.ts';
import { DAY_MS } from '../durations.ts';
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { isId, type VaultId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { Action } from '../ledger/actions.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { LIMITS } from '../limits.ts';
import { parseFilter } from '../search/parse-filter.ts';
import type { ErasureRow } from '../store/schema.ts';
import type { Store, Tx } from '../store/store.ts';
import { chunks, withDerived } from '../vaults/derivations.ts';
import type { Ending } from '../vaults/deletion-guard.ts';
import { livingOf, type LivingMemory } from '../vaults/living.ts';
import { invalid } from '../vaults/memory-input.ts';
import type { MemoryReads } from '../vaults/memory-reads.ts';
import type { MemoryStore } from '../vaults/memory-store.ts';
import type { Conversation, People, Subject } from '../vaults/people.ts';
import type { Vaults } from '../vaults/vaults.ts';
import type { Vault } from '../vaults/vault.ts';
import { Confirmations, digestOfMemories, notConfirmed, type Counted } from './confirmations.ts';
import { countUnder } from './counting.ts';
import { erasureView } from './erasure-view.ts';
import { keepersOf } from './keepers.ts';
import { exportView } from './export-view.ts';
import { exportsBefore, recipientsOf } from './recipients.ts';
import type { Erasures, RequestedBy } from './erasures.ts';
import type { HoldGuard } from './hold-guard.ts';

export interface ErasureRequestsParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly access: Access;
  readonly organizations: Organizations;
  readonly vaults: Vaults;
  readonly people: People;
  readonly rows: MemoryStore;
  readonly memories: MemoryReads;
  readonly erasures: Erasures;
  readonly ledger: Pick<Ledger, 'entries'>;
  readonly guard: Pick<HoldGuard, 'keeps'>;
  readonly recorder: Recorder;
  readonly cursors: Cursors;
  readonly clock: Clock;
}

/** What is meant, found. */
type Found =
  | { readonly kind: 'memory'; readonly vault: Vault; readonly memory: string }
  | { readonly kind: 'filter'; readonly vault: Vault; readonly filter: NonNullable<ErasureTarget['filter']> }
  | { readonly kind: 'conversation'; readonly vault: Vault; readonly conversation: Conversation }
  | { readonly kind: 'subject'; readonly subject: Subject }
  | { readonly kind: 'vault'; readonly vault: Vault }
  | { readonly kind: 'organization' };

/** What was counted, and where it is a list of memories, which would end. */
interface Looked extends Counted {
  /** Archived memories that a filter could not be asked of. */
  readonly unasked?: number;
  readonly living?: readonly LivingMemory[];
}

/** An erasure that stands in its transaction. */
interface Placed {
  readonly id: string;
  readonly target: string;
  readonly finish: () => Promise<unknown>;
}

export class ErasureRequests {
  readonly #parts: ErasureRequestsParts;
  readonly #confirmations: Confirmations;

  constructor(parts: ErasureRequestsParts) {
    this.#parts = parts;
    this.#confirmations = new Confirmations(parts.cursors, parts.clock);
  }

  async request(context: RequestContext, input: ErasureInput): Promise<Erasure | ErasurePlan> {
    const found = await this.#find(context, input.target);
    if (input.dryRun === true) return this.#plan(context, input.target, found);
    if (input.reason === undefined) throw invalid('/reason', 'is needed');
    if (input.graceDays !== undefined && found.kind !== 'organization')
      throw invalid('/graceDays', 'only an organization has a grace period');
    const by = this.#requestedBy(context, input);
    const begin = await this.#begin(context, input, found);
    const details = { reason: input.reason };
    const placed = await this.#parts.recorder.write(context, async (tx) => {
      const placed = await begin(tx, by);
      const deed: Deed = {
        action: 'erasure.request',
        target: placed.id,
        targets: [placed.target],
        facts: { kind: found.kind },
        details,
      };
      return { result: placed, deed };
    });
    await placed.finish();
    return this.#view(placed.id);
  }

  async get(context: RequestContext, id: string): Promise<Erasure> {
    const row = await this.reach(context, 'erasure.get', id);
    await this.#parts.recorder.record(context, { action: 'erasure.get', target: row.id });
    return erasureView(row);
  }

  /** Who took copies away before it was asked for. */
  async recipients(context: RequestContext, id: string): Promise<ErasureRecipients> {
    const row = await this.reach(context, 'erasure.get', id);
    const recipients = await recipientsOf(this.#parts, row);
    const exports = await exportsBefore(this.#parts.store, row, row.requested_at);
    await this.#parts.recorder.record(context, {
      action: 'erasure.get',
      target: row.id,
      count: recipients.length,
    });
    return { recipients: [...recipients], exports: exports.map(exportView) };
  }

  /** Newest first. */
  async list(context: RequestContext, query: ErasureListQuery & { limit: number }): Promise<ErasurePage> {
    const { store, access, cursors, recorder } = this.#parts;
    access.require(context, 'erasure.list', null);
    const { limit, state, cursor } = query;
    const { organization } = context;
    const binding: ListBinding = { organization, list: 'erasures', query: { state: state ?? null } };
    const after = cursors.open(binding, cursor);
    const rows = await store.read(organization, (db) => {
      const all = db.selectFrom('erasures').selectAll().orderBy('id', 'desc');
      const inState = state === undefined ? all : all.where('state', '=', state);
      return (after === null ? inState : inState.where('id', '<', after)).limit(limit + 1).execute();
    });
    const { page, next } = cursors.page(binding, rows, limit);
    const erasures = page.map(erasureView);
    await recorder.record(context, {
      action: 'erasure.list',
      target: organization,
      count: erasures.length,
    });
    return { erasures, next };
  }

  /** Takes back what is only requested. */
  async cancel(context: RequestContext, id: string): Promise<Erasure> {
    const row = await this.reach(context, 'erasure.cancel', id);
    await this.#parts.recorder.write(context, async (tx) => {
      await this.#parts.erasures.cancel(tx, row);
      return { result: null, deed: { action: 'erasure.cancel', target: row.id, targets: [row.target] } };
    });
    await this.#parts.erasures.note(row.id);
    return this.#view(id);
  }

  /** The row, if the principal may look at erasures of what it was about; `not_found` else. */
  async reach(context: RequestContext, action: Action, id: string): Promise<ErasureRow> {
    const row = await this.#row(context, id);
    this.#parts.access.require(context, action, await this.#placeOf(context, row));
    return row;
  }

  /** As a repeated request is answered. */
  async current(
    context: RequestContext,
    id: string,
  ): Promise<{ readonly version: number; readonly body: unknown } | null> {
    const row = await this.#parts.erasures.row(id);
    if (row?.organization !== context.organization) return null;
    return { version: 1, body: erasureView(row) };
  }

  async #row(context: RequestContext, id: string): Promise<ErasureRow> {
    const row = isId('erasure', id) ? await this.#parts.erasures.row(id) : null;
    if (row?.organization !== context.organization) throw new StrongroomError('not_found');
    return row;
  }

  /** A vault that is gone is looked at as one of the key's own environment. */
  async #placeOf(context: RequestContext, { vault }: ErasureRow) {
    if (vault === null) return null;
    const found = await this.#parts.vaults.find(context.organization, vault);
    return found ?? { id: vault as VaultId, environment: context.principal.environment };
  }

  async #find(context: RequestContext, target: ErasureTarget): Promise<Found> {
    const { access, vaults, people, store, rows } = this.#parts;
    const action = 'erasure.request';
    if (target.organization !== undefined) {
      access.require(context, action, null);
      if (target.organization !== context.organization) throw new StrongroomError('not_found');
      return { kind: 'organization' };
    }
    if (target.subject !== undefined) {
      access.require(context, action, null);
      const subject = (await people.subjects(context.organization)).withName(target.subject);
      if (subject === undefined) throw new StrongroomError('not_found');
      return { kind: 'subject', subject };
    }
    if (target.memory !== undefined) {
      const { memory } = target;
      const vault = await this.#vaultOf(context, target);
      await store.read(context.organization, (db) => rows.requireAnywhere(db, vault, memory));
      return { kind: 'memory', vault, memory };
    }
    const reference = target.vault ?? '';
    if (target.filter === undefined && target.conversation === undefined)
      return { kind: 'vault', vault: await vaults.reachKept(context, action, reference) };
    const vault = await vaults.reach(context, action, reference);
    if (target.filter !== undefined) return { kind: 'filter', vault, filter: target.filter };
    const conversation = (await people.conversations(vault)).withName(target.conversation ?? '');
    if (conversation === undefined) throw new StrongroomError('not_found');
    return { kind: 'conversation', vault, conversation };
  }

  /** A memory's id says where it lies; a vault that is named as well must be that one. */
  async #vaultOf(context: RequestContext, { memory = '', vault }: ErasureTarget): Promise<Vault> {
    const { store, vaults } = this.#parts;
    if (vault !== undefined) return vaults.reach(context, 'erasure.request', vault);
    const row = await store.read(context.organization, (db) =>
      db.selectFrom('memories').select('vault').where('id', '=', memory).executeTakeFirst(),
    );
    return vaults.reach(context, 'erasure.request', row?.vault ?? '');
  }

  async #plan(context: RequestContext, target: ErasureTarget, found: Found): Promise<ErasurePlan> {
    const counted = await this.#count(context, found);
    await this.#parts.recorder.record(context, {
      action: 'erasure.request',
      target: found.kind === 'memory' ? found.memory : 'vault' in found ? found.vault.id : '',
      count: counted.count,
      facts: { kind: found.kind, dryRun: 1 },
    });
    const kind = found.kind === 'memory' || found.kind === 'filter' ? 'memories' : found.kind;
    const { unasked = 0, living = [] } = counted;
    const keptBy = await this.#keptBy(context, found, living);
    return {
      dryRun: true,
      kind,
      count: counted.count,
      ...(unasked === 0 ? {} : { unasked }),
      ...(keptBy.length === 0 ? {} : { keptBy }),
      ...this.#confirmations.give(context, target, counted),
    };
  }

  /** What would refuse the request, as far as it stands now. */
  #keptBy(context: RequestContext, found: Found, living: readonly LivingMemory[]): Promise<string[]> {
    const { store, guard } = this.#parts;
    const tied =
      found.kind === 'subject'
        ? found.subject.slot
        : found.kind === 'conversation'
          ? found.conversation.slot
          : null;
    const planned = { ending: endingOf(found), memories: living, tied };
    return store.read(context.organization, (db) => keepersOf(db, guard, context.organization, planned));
  }

  async #count(context: RequestContext, found: Found): Promise<Looked> {
    const { organizations } = this.#parts;
    if (found.kind === 'memory') return this.#countMemories(context, [found.memory]);
    if (found.kind === 'filter') return (await this.#matching(context, found)).counted;
    const slot =
      found.kind === 'subject'
        ? found.subject.slot
        : found.kind === 'conversation'
          ? found.conversation.slot
          : found.kind === 'vault'
            ? found.vault.slot
            : (await organizations.get(context.organization)).slot;
    const digest = found.kind === 'organization' ? context.organization : targetIdOf(found);
    // Nothing is derived from another vault's memories.
    const vault = 'vault' in found ? found.vault.id : null;
    const under = { organization: context.organization, vault, slot };
    return { count: await countUnder(this.#parts, under), digest };
  }

  async #countMemories(context: RequestContext, ids: readonly string[]): Promise<Looked> {
    const { store, keyring } = this.#parts;
    return store.read(context.organization, async (db) => {
      const all = await withDerived(db, context.organization, ids);
      const living = await livingOf(db, keyring, all);
      return { count: living.length, digest: '', living };
    });
  }

  async #matching(
    context: RequestContext,
    { vault, filter }: Extract<Found, { kind: 'filter' }>,
  ): Promise<{ readonly counted: Looked; readonly memories: ReadonlyMap<string, number> }> {
    const parsed = parseFilter(filter, '/target/filter');
    const memories = new Map<string, number>();
    for await (const { row } of this.#parts.memories.matching(vault, parsed)) {
      memories.set(row.id, row.version);
      if (memories.size > LIMITS.erasureMemoriesMax)
        throw invalid('/target/filter', `keeps more than ${LIMITS.erasureMemoriesMax}: erase in parts`);
    }
    const found = await this.#countMemories(context, [...memories.keys()]);
    const digest = digestOfMemories(Array.from(memories, ([id, version]) => ({ id, version })));
    const unasked = await this.#parts.memories.unasked(vault, parsed);
    return { counted: { ...found, digest, unasked }, memories };
  }

  /** What is done in the transaction; whatever takes long has been done before. */
  async #begin(
    context: RequestContext,
    input: ErasureInput,
    found: Found,
  ): Promise<(tx: Tx, by: RequestedBy) => Promise<Placed>> {
    const { erasures, rows, organizations } = this.#parts;
    const confirmed =
      input.confirm === undefined ? null : this.#confirmations.take(context, input.target, input.confirm);
    if (found.kind === 'filter') return this.#beginFilter(context, found, confirmed);
    if (confirmed === null) requireRevocable(input, found);
    else await this.#requireUnchanged(context, found, confirmed);
    const organization = await organizations.get(context.organization);
    return async (tx, by) => {
      if (found.kind === 'memory') {
        const { vault, memory } = found;
        await rows.requireAnywhere(tx.sql, vault, memory);
        const begun = await erasures.memories(tx, by, vault, [memory]);
        return { ...begun, target: memory };
      }
      if (found.kind === 'organization') return this.#close(tx, by, input, organization.id);
      const under = await this.#underWay(tx, targetIdOf(found));
      if (under !== null) return under;
      if (found.kind === 'subject')
        return placed(await erasures.subject(tx, by, organization, found.subject), found.subject.id);
      if (found.kind === 'conversation')
        return placed(
          await erasures.conversation(tx, by, found.vault, found.conversation),
          found.conversation.id,
        );
      return placed(await erasures.vault(tx, by, found.vault), found.vault.id);
    };
  }

  async #requireUnchanged(context: RequestContext, found: Found, confirmed: Counted): Promise<void> {
    const { count, digest } = await this.#count(context, found);
    if (count !== confirmed.count || digest !== confirmed.digest) throw hasChanged();
  }

  async #beginFilter(
    context: RequestContext,
    found: Extract<Found, { kind: 'filter' }>,
    confirmed: Counted | null,
  ): Promise<(tx: Tx, by: RequestedBy) => Promise<Placed>> {
    if (confirmed === null) throw notConfirmed('is needed for a filter: do a dry run first');
    const { counted, memories } = await this.#matching(context, found);
    if (counted.count !== confirmed.count || counted.digest !== confirmed.digest) throw hasChanged();
    if (memories.size === 0) throw invalid('/target/filter', 'keeps nothing: there is nothing to erase');
    return async (tx, by) => {
      await requireVersions(tx, memories);
      const begun = await this.#parts.erasures.memories(tx, by, found.vault, [...memories.keys()]);
      if (begun.count !== confirmed.count) throw hasChanged();
      return { ...begun, target: found.vault.id };
    };
  }

  async #close(tx: Tx, by: RequestedBy, input: ErasureInput, id: string): Promise<Placed> {
    const { erasures, organizations, clock } = this.#parts;
    const under = await this.#underWay(tx, id);
    if (under !== null) return under;
    const dueAt = clock.now() + (input.graceDays ?? LIMITS.closingDaysDefault) * DAY_MS;
    const organization = await organizations.get(id as Parameters<Organizations['get']>[0]);
    const erasure = await erasures.closing(tx, by, organization, dueAt);
    return { id: erasure, target: id, finish: () => erasures.note(erasure) };
  }

  /** Whoever asks for what has been asked for at the same moment gets the first one's. */
  async #underWay(tx: Tx, target: string): Promise<Placed | null> {
    const row = await tx.sql
      .selectFrom('erasures')
      .select('id')
      .where('target', '=', target)
      .where('kind', '!=', 'memories')
      .where('state', '!=', 'cancelled')
      .executeTakeFirst();
    return row === undefined ? null : { id: row.id, target, finish: () => Promise.resolve() };
  }

  #requestedBy(context: RequestContext, { nonce, requester }: ErasureInput): RequestedBy {
    const { id: principal, receipt } = context.principal;
    const by = { principal, cause: 'request', receipt: receipt?.() } as const;
    if (nonce === undefined) {
      if (requester !== undefined) throw invalid('/nonce', 'is needed with `requester`');
      return by;
    }
    const bytes = decodeBase64Url(nonce);
    if (bytes.length < LIMITS.nonceBytesMin || bytes.length > LIMITS.nonceBytesMax)
      throw invalid('/nonce', `must hold ${LIMITS.nonceBytesMin} to ${LIMITS.nonceBytesMax} bytes`);
    const id = encodeUtf8(requester ?? context.principal.id);
    return { ...by, requester: encodeHex(sha256(concat(bytes, id))) };
  }

  async #view(id: string): Promise<Erasure> {
    const row = await this.#parts.erasures.row(id);
    if (row === null) throw new StrongroomError('internal', 'an erasure without a row');
    return erasureView(row);
  }
}

const placed = (
  begun: { readonly id: string; readonly finish: () => Promise<unknown> },
  target: string,
): Placed => ({ id: begun.id, target, finish: begun.finish });

const targetIdOf = (found: Exclude<Found, { kind: 'memory' | 'filter' | 'organization' }>): string =>
  found.kind === 'subject'
    ? found.subject.id
    : found.kind === 'conversation'
      ? found.conversation.id
      : found.vault.id;

/** Null where single memories end, which are looked at one by one. */
function endingOf(found: Found): Ending | null {
  if (found.kind === 'memory' || found.kind === 'filter') return null;
  if (found.kind === 'organization') return { kind: 'organization' };
  if (found.kind === 'subject') return { kind: 'subject', subject: found.subject.id };
  const vault = found.vault.id;
  if (found.kind === 'vault') return { kind: 'vault', vault };
  return { kind: 'conversation', vault, conversation: found.conversation.id };
}

/** What asks for a second look although it names its target. Throws `request.invalid`. */
function requireRevocable({ target, graceDays }: ErasureInput, found: Found): void {
  // Everything there is, and no day on which it could be taken back.
  if (found.kind === 'organization' && graceDays === 0)
    throw notConfirmed('is needed to close without a grace period: do a dry run first');
  // The name may have been another vault's a moment ago: who asks twice must not end the one below.
  if (found.kind === 'vault' && found.vault.trashedAt !== undefined && target.vault !== found.vault.id)
    throw notConfirmed('is needed for a vault in the trash: do a dry run first, or name it by its id');
}

const hasChanged = (): StrongroomError =>
  new StrongroomError('conflict', 'what it would erase has changed: do the dry run again');

/** Nothing of it has changed since it was looked at. */
async function requireVersions(tx: Tx, memories: ReadonlyMap<string, number>): Promise<void> {
  for (const part of chunks([...memories.keys()])) {
    const rows = await tx.sql
      .selectFrom('memories')
      .select(['id', 'version'])
      .where('id', 'in', part)
      .execute();
    const isSame =
      rows.length === part.length && rows.every(({ id, version }) => memories.get(id) === version);
    if (!isSame) throw hasChanged();
  }
}
