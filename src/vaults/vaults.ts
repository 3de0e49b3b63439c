/** Vaults: made, listed, changed, put into the trash and taken back. Each is its own namespace with its own slot, leaves and index. */
import type { Vault as VaultView, VaultInput, VaultPatch } from '@strongroom/client';
import type { Access } from '../access/access.ts';
import type { RequestContext } from '../access/context.ts';
import { decide, includesEnvironment } from '../access/grants.ts';
import type { Organizations } from '../access/organizations.ts';
import type { Recorder } from '../access/recorder.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { NewId, OrganizationId, VaultId } from '../ids.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Action } from '../ledger/actions.ts';
import { LIMITS } from '../limits.ts';
import type { SlotAllocator } from '../store/slots.ts';
import type { Store, Tx } from '../store/store.ts';
import type { DeletionGuard } from './deletion-guard.ts';
import { Directory, type Names } from './directory.ts';
import type { VaultRow } from '../store/schema.ts';
import { onRollback } from './rollback.ts';
import { matchVaultRow, selectVaults, vaultColumns, vaultView, type Vault } from './vault.ts';
import { DEFAULT_SEARCH, requireModel, writeVaultSearch } from './vault-search.ts';

export interface VaultsParts {
  readonly store: Store;
  readonly sealer: RecordSealer;
  readonly slots: SlotAllocator;
  readonly organizations: Organizations;
  readonly access: Access;
  readonly recorder: Recorder;
  readonly guard: DeletionGuard;
  readonly newId: NewId;
  readonly environment: Environment;
  /** The embedding models that this server has. */
  readonly models: readonly string[];
}

export class Vaults {
  readonly #parts: VaultsParts;
  readonly #directory: Directory<Vault>;

  constructor(parts: VaultsParts) {
    this.#parts = parts;
    this.#directory = new Directory((organization) => this.#load(organization as OrganizationId));
  }

  async createVault(context: RequestContext, input: VaultInput): Promise<VaultView> {
    const { access, organizations, recorder } = this.#parts;
    access.require(context, 'vault.create', null);
    requireModel(input.embedder, this.#parts.models);
    const environment = input.environment ?? context.principal.environment;
    if (!includesEnvironment(context.principal, environment))
      throw new StrongroomError(
        'access.refused',
        `a ${context.principal.environment} key makes no ${environment} vault`,
      );
    const organization = await organizations.get(context.organization);
    const project = await organizations.defaultProject(context.organization);
    const vault = await recorder.write(context, async (tx) => {
      const vault = await this.create(tx, { organization, project }, { ...input, environment });
      return { result: vault, deed: { action: 'vault.create', target: vault.id } };
    });
    return vaultView(vault);
  }

  /** Makes a vault in the caller's transaction. */
  async create(tx: Tx, owner: Pick<Vault, 'organization' | 'project'>, input: VaultInput): Promise<Vault> {
    const { slots, newId, environment } = this.#parts;
    const names = await this.#directory.of(owner.organization.id);
    const slot = await slots.takeOne(tx, owner.organization.id);
    const now = environment.clock.now();
    const vault: Vault = {
      ...owner,
      id: newId('vault'),
      slot,
      name: input.name,
      dimensions: input.dimensions ?? null,
      metric: input.metric ?? 'cosine',
      deletion: { mode: input.deletion?.mode ?? 'trash', days: input.deletion?.days ?? LIMITS.trashDaysMax },
      history: input.history ?? false,
      tombstones: input.tombstones ?? 'off',
      language: input.language ?? DEFAULT_SEARCH.language,
      weights: input.weights ?? DEFAULT_SEARCH.weights,
      embedder: input.embedder ?? null,
      environment: input.environment ?? 'production',
      version: 1,
      createdAt: now,
      updatedAt: now,
    };
    requireFreeName(names, vault);
    await tx.sql.insertInto('vaults').values(this.#columns(tx, vault)).execute();
    if (hasOwnSearch(input)) await writeVaultSearch(tx, vault);
    names.put(vault);
    onRollback(tx, () => names.remove(vault.id));
    return vault;
  }

  async listVaults(
    context: RequestContext,
    page: { limit: number; after: string | null; state: 'live' | 'trashed' },
  ): Promise<{ vaults: VaultView[]; last: string | null }> {
    const { limit, after, state } = page;
    const { organization } = context;
    const all = state === 'live' ? await this.all(organization) : await this.trashed(organization);
    const visible = all
      .filter((vault) => this.#isVisible(context, vault) && (after === null || vault.id < after))
      .sort((left, right) => (left.id < right.id ? 1 : -1));
    const vaults = visible.slice(0, limit).map(vaultView);
    await this.#parts.recorder.record(context, {
      action: 'vault.list',
      target: context.organization,
      count: vaults.length,
    });
    return { vaults, last: visible.length > limit ? (vaults.at(-1)?.id ?? null) : null };
  }

  async getVault(context: RequestContext, reference: string): Promise<VaultView> {
    const vault = await this.reach(context, 'vault.get', reference);
    await this.#parts.recorder.record(context, { action: 'vault.get', target: vault.id });
    return vaultView(vault);
  }

  async updateVault(
    context: RequestContext,
    reference: string,
    patch: VaultPatch,
    ifMatch: number | null,
  ): Promise<VaultView> {
    const { recorder, environment } = this.#parts;
    const reached = await this.reach(context, 'vault.update', reference);
    requireModel(patch.embedder, this.#parts.models);
    const names = await this.#directory.of(context.organization);
    const changed = await recorder.write(context, async (tx) => {
      const current = this.#current(names, reached.id);
      requireVersion(current.version, ifMatch);
      const next: Vault = {
        ...current,
        name: patch.name ?? current.name,
        deletion: { ...current.deletion, ...definedOnly(patch.deletion ?? {}) },
        history: patch.history ?? current.history,
        tombstones: patch.tombstones ?? current.tombstones,
        language: patch.language ?? current.language,
        weights: patch.weights ?? current.weights,
        embedder: patch.embedder === undefined ? current.embedder : patch.embedder,
        version: current.version + 1,
        updatedAt: environment.clock.now(),
      };
      await this.#write(tx, names, next);
      if (hasOwnSearch(patch)) await writeVaultSearch(tx, next);
      return { result: next, deed: { action: 'vault.update', target: next.id } };
    });
    return vaultView(changed);
  }

  /** Puts the vault into the trash, in the caller's transaction: hidden from everything at once. */
  async trash(tx: Tx, vault: Vault, ifMatch: number | null): Promise<void> {
    const names = await this.#directory.of(vault.organization.id);
    const current = this.#current(names, vault.id);
    requireVersion(current.version, ifMatch);
    await tx.sql
      .updateTable('vaults')
      .set({ state: 'trashed', deleted_at: this.#parts.environment.clock.now(), change: tx.change })
      .where('id', '=', current.id)
      .execute();
    names.remove(current.id);
    onRollback(tx, () => names.put(current));
  }

  /** Takes it out of the trash, and answers it as it is then; `conflict` where another has its name by now. */
  async recover(tx: Tx, { trashedAt: _, ...vault }: Vault): Promise<Vault> {
    const names = await this.#directory.of(vault.organization.id);
    requireFreeName(names, vault);
    const { numUpdatedRows } = await tx.sql
      .updateTable('vaults')
      .set({ state: 'live', deleted_at: null, change: tx.change })
      .where('id', '=', vault.id)
      .where('state', '=', 'trashed')
      .executeTakeFirst();
    if (numUpdatedRows === 0n) throw new StrongroomError('not_found');
    names.put(vault);
    onRollback(tx, () => names.remove(vault.id));
    return vault;
  }

  /** The same as `reach`, for a vault in the trash: by id, or by the name of the one that was thrown away last. */
  async reachTrashed(context: RequestContext, action: Action, reference: string): Promise<Vault> {
    return this.#allowed(context, action, await this.#findTrashed(context.organization, reference));
  }

  /** A live vault, else one in the trash: for what may be asked about either. */
  async reachKept(context: RequestContext, action: Action, reference: string): Promise<Vault> {
    return this.#allowed(context, action, await this.findKept(context.organization, reference));
  }

  async findKept(organization: OrganizationId, reference: string): Promise<Vault | null> {
    return (await this.find(organization, reference)) ?? this.#findTrashed(organization, reference);
  }

  async #findTrashed(organization: OrganizationId, reference: string): Promise<Vault | null> {
    const vaults = await this.trashed(organization);
    const found = vaults.find(({ id }) => id === reference) ?? vaults.find(({ name }) => name === reference);
    return found ?? null;
  }

  /** What lies in the trash, the last one that was thrown away first. */
  async trashed(id: OrganizationId): Promise<readonly Vault[]> {
    const { store, sealer, organizations } = this.#parts;
    const organization = await organizations.get(id);
    const rows = await store.read(id, (db) =>
      selectVaults(db).where('vaults.state', '=', 'trashed').orderBy('vaults.deleted_at', 'desc').execute(),
    );
    return rows.flatMap((row) => matchVaultRow(sealer, organization, row) ?? []);
  }

  /** Takes a vault that is being erased out of the directory, in the caller's transaction. */
  async forget(tx: Tx, vault: Vault): Promise<void> {
    const names = await this.#directory.of(vault.organization.id);
    const current = names.withId(vault.id);
    if (current === undefined) return;
    names.remove(vault.id);
    onRollback(tx, () => names.put(current));
  }

  /** All live vaults of an organization. */
  async all(organization: OrganizationId): Promise<readonly Vault[]> {
    return [...(await this.#directory.of(organization)).all()];
  }

  /** Forgets what is known of an organization's vaults. */
  drop(organization: OrganizationId): void {
    this.#directory.drop(organization);
  }

  /** The vault with that id or name, if the principal may do the action there; `not_found` or `access.refused` else. */
  async reach(context: RequestContext, action: Action, reference: string): Promise<Vault> {
    return this.#allowed(context, action, await this.find(context.organization, reference));
  }

  #allowed(context: RequestContext, action: Action, vault: Vault | null): Vault {
    if (vault === null) throw new StrongroomError('not_found');
    this.#parts.access.require(context, action, vault);
    return vault;
  }

  /** The live vault with that id or name, or null. */
  async find(organization: OrganizationId, reference: string): Promise<Vault | null> {
    const names = await this.#directory.of(organization);
    return names.withId(reference) ?? names.withName(reference) ?? null;
  }

  /** The vault as it is now, inside a transaction; `not_found` if it was deleted meanwhile. */
  async within(vault: Vault): Promise<Vault> {
    return this.#current(await this.#directory.of(vault.organization.id), vault.id);
  }

  /** Fixes the vault's dimensions by its first vector, inside the transaction that adds it. */
  async fixDimensions(tx: Tx, vault: Vault, dimensions: number): Promise<void> {
    const names = await this.#directory.of(vault.organization.id);
    const current = this.#current(names, vault.id);
    if (current.dimensions !== null) return;
    await tx.sql
      .updateTable('vaults')
      .set({ dimensions, change: tx.change })
      .where('id', '=', vault.id)
      .execute();
    names.put({ ...current, dimensions });
    onRollback(tx, () => names.put(current));
  }

  async #write(tx: Tx, names: Names<Vault>, next: Vault): Promise<void> {
    const before = this.#current(names, next.id);
    requireFreeName(names, next);
    const { id: _id, organization: _organization, ...columns } = this.#columns(tx, next);
    await tx.sql.updateTable('vaults').set(columns).where('id', '=', next.id).execute();
    names.put(next);
    onRollback(tx, () => names.put(before));
  }

  #columns(tx: Tx, vault: Vault): VaultRow {
    return { ...vaultColumns(this.#parts.sealer, vault), change: tx.change };
  }

  #current(names: Names<Vault>, id: VaultId): Vault {
    const vault = names.withId(id);
    if (vault === undefined) throw new StrongroomError('not_found');
    return vault;
  }

  #isVisible(context: RequestContext, vault: Vault): boolean {
    return decide(context.principal, 'vault.list', vault) === 'allowed';
  }

  async #load(id: OrganizationId): Promise<readonly Vault[]> {
    const { store, sealer, organizations } = this.#parts;
    const organization = await organizations.get(id);
    const rows = await store.read(id, (db) => selectVaults(db).where('vaults.state', '=', 'live').execute());
    return rows.flatMap((row) => matchVaultRow(sealer, organization, row) ?? []);
  }
}

/** Throws `version.mismatch` unless the caller's `If-Match` (null: none given) names the current version. */
export function requireVersion(current: number, ifMatch: number | null): void {
  if (ifMatch !== null && ifMatch !== current)
    throw new StrongroomError('version.mismatch', `the current version is ${current}`);
}

function requireFreeName(names: Names<Vault>, vault: Vault): void {
  const holder = names.withName(vault.name) ?? names.withId(vault.name);
  if (holder !== undefined && holder.id !== vault.id)
    throw new StrongroomError('conflict', {
      detail: 'a vault of that name exists',
      faults: [{ path: '/name', message: 'is the name of another vault' }],
    });
}

const hasOwnSearch = ({ language, weights, embedder }: VaultPatch): boolean =>
  language !== undefined || weights !== undefined || embedder !== undefined;

const definedOnly = <T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
