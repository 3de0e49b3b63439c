/** API keys as things that are made, listed, rotated and revoked. Their text is shown once, when made. */
import type { Key, KeyInput, KeyScope, NewKey } from '@strongroom/client';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { isId, type KeyId, type NewId, type OrganizationId, type VaultId } from '../ids.ts';
import type { RecordKeys } from '../keys/record-key.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import { ACTIONS, isAction, type Action } from '../ledger/actions.ts';
import type { Destruction } from '../store/destruction.ts';
import type { SlotAllocator } from '../store/slots.ts';
import type { ApiKeyRow } from '../store/schema.ts';
import type { Store, Tx } from '../store/store.ts';
import type { Access } from './access.ts';
import { createApiKey, matchApiKey, type KeyEnvironment } from './api-key.ts';
import type { Grant, RequestContext } from './context.ts';
import { includesEnvironment, includesGrant } from './grants.ts';
import {
  anchorOf,
  hashSecret,
  openSettings,
  sealHash,
  sealSettings,
  type KeyAnchor,
  type KeySettings,
} from './key-row.ts';
import { isNetwork } from './networks.ts';
import type { Organization, Organizations } from './organizations.ts';
import type { Recorder } from './recorder.ts';

export interface ApiKeysParts {
  readonly store: Store;
  readonly destruction: Destruction;
  readonly keys: RecordKeys;
  readonly sealer: RecordSealer;
  readonly slots: SlotAllocator;
  readonly organizations: Organizations;
  readonly access: Access;
  readonly recorder: Recorder;
  /** The slot of the deployment's pepper as it is now. */
  readonly pepper: () => Slot;
  /** The vault with that id or name in an organization, or null. */
  readonly vaultOf: (organization: OrganizationId, reference: string) => Promise<VaultId | null>;
  readonly newId: NewId;
  readonly environment: Environment;
}

/** A key that was just made: its row's values and the one copy of its text. */
interface Minted {
  readonly row: Omit<ApiKeyRow, 'change'>;
  readonly shown: NewKey;
}

/** The columns of a key's row by which its secret is known. */
interface StoredSecret extends Pick<ApiKeyRow, 'hash_box' | 'pepper_slot'> {
  readonly slot: Slot;
}

const CATALOGUE = Object.keys(ACTIONS).filter(isAction);

const FULL_GRANT: Grant = { actions: ['*'], vaults: ['*'] };

export class ApiKeys {
  readonly #parts: ApiKeysParts;

  constructor(parts: ApiKeysParts) {
    this.#parts = parts;
  }

  /** Makes a key with at most the powers of the one that asks. */
  async create(context: RequestContext, input: KeyInput): Promise<NewKey> {
    const { access, recorder, organizations, newId } = this.#parts;
    access.require(context, 'key.create', null);
    const organization = await organizations.get(context.organization);
    const settings = await this.#settingsOf(context, input);
    const environment = input.environment ?? context.principal.environment;
    if (!includesEnvironment(context.principal, environment)) throw refusedPower('/environment');
    const expiresAt = this.#expiryOf(context, input);
    const id = newId('key');
    return recorder.write(context, async (tx) => {
      const minted = await this.#mint(tx, { id, organization, environment, settings, expiresAt });
      return { result: minted.shown, deed: { action: 'key.create', target: id } };
    });
  }

  /** Makes the first key of an organization, with all powers, in the caller's transaction. */
  async createFirst(tx: Tx, organization: Organization, name: string): Promise<NewKey> {
    const settings: KeySettings = { name, grants: [FULL_GRANT], networks: [] };
    const id = this.#parts.newId('key');
    const minted = await this.#mint(tx, {
      id,
      organization,
      environment: 'production',
      settings,
      expiresAt: null,
    });
    return minted.shown;
  }

  /** Keys of the organization, newest first, after the id `after`; `last` is where the next page goes on. */
  async list(
    context: RequestContext,
    page: { limit: number; after: string | null },
  ): Promise<{ keys: Key[]; last: string | null }> {
    const { access, recorder, organizations, store } = this.#parts;
    access.require(context, 'key.list', null);
    const organization = await organizations.get(context.organization);
    const { limit, after } = page;
    const rows = await store.read(organization.id, (db) => {
      const query = db
        .selectFrom('api_keys')
        .selectAll()
        .orderBy('id', 'desc')
        .limit(limit + 1);
      return (after === null ? query : query.where('id', '<', after)).execute();
    });
    const keys = rows.slice(0, limit).map((row) => this.#keyOf(organization, row));
    await recorder.record(context, { action: 'key.list', target: organization.id, count: keys.length });
    return { keys, last: rows.length > limit ? (keys.at(-1)?.id ?? null) : null };
  }

  /** Gives the key a new secret; the old one is dead when this resolves. */
  async rotate(context: RequestContext, id: string): Promise<NewKey> {
    const { access, destruction } = this.#parts;
    access.require(context, 'key.rotate', null);
    const organization = await this.#parts.organizations.get(context.organization);
    const { shown, request } = await this.#parts.recorder.write(context, async (tx) => {
      const row = await this.#active(tx, id);
      const { grants, networks, name } = openSettings(
        this.#parts.sealer,
        anchorOf(organization, row),
        row.settings_box,
      );
      this.#requirePowers(context, row.environment as KeyEnvironment, grants);
      const minted = await this.#secretFor(tx, organization, row);
      await tx.sql
        .updateTable('api_keys')
        .set({ ...minted.stored, change: tx.change })
        .where('id', '=', row.id)
        .execute();
      const request = await destruction.order(tx, [row.slot as Slot], 'key.rotate');
      const shown: NewKey = { ...keyView(row, { name, grants, networks }), apiKey: minted.apiKey };
      return { result: { shown, request }, deed: { action: 'key.rotate', target: row.id } };
    });
    await destruction.carryOut(request);
    return shown;
  }

  /** Revokes the key: refused from the commit on, and its hash verifies nothing once this resolves. */
  async revoke(context: RequestContext, id: string): Promise<void> {
    const { access, environment, destruction, recorder } = this.#parts;
    access.require(context, 'key.revoke', null);
    const request = await recorder.write(context, async (tx) => {
      const row = await this.#active(tx, id);
      const organization = await this.#parts.organizations.get(context.organization);
      const { grants } = openSettings(this.#parts.sealer, anchorOf(organization, row), row.settings_box);
      if (row.id !== context.principal.id)
        this.#requirePowers(context, row.environment as KeyEnvironment, grants);
      await tx.sql
        .updateTable('api_keys')
        .set({ state: 'revoked', revoked_at: environment.clock.now(), change: tx.change })
        .where('id', '=', row.id)
        .execute();
      const request = await destruction.order(tx, [row.slot as Slot], 'key.revoke');
      return { result: request, deed: { action: 'key.revoke', target: row.id } };
    });
    await destruction.carryOut(request);
  }

  async #mint(
    tx: Tx,
    of: {
      id: KeyId;
      organization: Organization;
      environment: KeyEnvironment;
      settings: KeySettings;
      expiresAt: number | null;
    },
  ): Promise<Minted> {
    const { sealer, slots, environment } = this.#parts;
    const { id, organization, settings } = of;
    const principal = await slots.takeOne(tx, organization.id);
    const base = {
      id,
      organization: organization.id,
      environment: of.environment,
      principal_slot: principal,
    };
    const minted = await this.#secretFor(tx, organization, base);
    const anchor: KeyAnchor = { id, organization, credential: minted.stored.slot, principal };
    const row: Omit<ApiKeyRow, 'change'> = {
      ...base,
      ...minted.stored,
      state: 'active',
      settings_box: sealSettings(sealer, anchor, settings),
      expires_at: of.expiresAt,
      created_at: environment.clock.now(),
      revoked_at: null,
    };
    await tx.sql
      .insertInto('api_keys')
      .values({ ...row, change: tx.change })
      .execute();
    return { row, shown: { ...keyView(row, settings), apiKey: minted.apiKey } };
  }

  /** A fresh secret for a key under a fresh credential slot. */
  async #secretFor(
    tx: Tx,
    organization: Organization,
    row: { id: string; environment: string; principal_slot: number },
  ): Promise<{ stored: StoredSecret; apiKey: string }> {
    const { keys, sealer, slots, environment } = this.#parts;
    const slot = await slots.takeOne(tx, organization.id);
    const token = createApiKey(row.environment as KeyEnvironment, row.id as KeyId, environment.random);
    const parts = matchApiKey(token);
    if (parts === null) throw new StrongroomError('internal', 'a new key does not parse');
    const anchor = anchorOf(organization, { ...row, slot });
    const pepper = this.#parts.pepper();
    const hash_box = sealHash(sealer, anchor, pepper, hashSecret(keys, anchor, parts.secret));
    return { stored: { slot, hash_box, pepper_slot: pepper }, apiKey: token.reveal() };
  }

  async #active(tx: Tx, id: string): Promise<ApiKeyRow> {
    if (!isId('key', id)) throw new StrongroomError('not_found');
    const row = await tx.sql
      .selectFrom('api_keys')
      .selectAll()
      .where('id', '=', id)
      .where('state', '=', 'active')
      .executeTakeFirst();
    if (row === undefined) throw new StrongroomError('not_found');
    return row;
  }

  #keyOf(organization: Organization, row: ApiKeyRow): Key {
    return keyView(row, openSettings(this.#parts.sealer, anchorOf(organization, row), row.settings_box));
  }

  async #settingsOf(context: RequestContext, input: KeyInput): Promise<KeySettings> {
    const own = context.principal.networks;
    const networks = input.networks ?? own;
    // Only the very ranges of the asking key, or none where it has none: comparing ranges is left to people.
    if (own.length > 0 && !(networks.length > 0 && networks.every((network) => own.includes(network))))
      throw refusedPower('/networks');
    const bad = networks.findIndex((network) => !isNetwork(network));
    if (bad >= 0) throw invalid(`/networks/${bad}`, 'not an address or a CIDR range');
    const scopes = input.scopes ?? [{ actions: ['memory.*', 'vault.get', 'vault.list'], vaults: ['*'] }];
    const grants: Grant[] = [];
    for (const [index, scope] of scopes.entries()) {
      const grant = await this.#grantOf(context, scope, index);
      if (!includesGrant(context.principal, grant, CATALOGUE)) throw refusedPower(`/scopes/${index}`);
      grants.push(grant);
    }
    return { name: input.name, grants, networks };
  }

  async #grantOf(context: RequestContext, scope: KeyScope, index: number): Promise<Grant> {
    for (const [position, pattern] of scope.actions.entries())
      if (!matchesSome(pattern)) throw invalid(`/scopes/${index}/actions/${position}`, 'no such action');
    const vaults: (VaultId | '*')[] = [];
    for (const [position, reference] of scope.vaults.entries()) {
      const vault = reference === '*' ? '*' : await this.#parts.vaultOf(context.organization, reference);
      if (vault === null) throw invalid(`/scopes/${index}/vaults/${position}`, 'no such vault');
      vaults.push(vault);
    }
    return { actions: scope.actions, vaults };
  }

  #requirePowers(context: RequestContext, environment: KeyEnvironment, grants: readonly Grant[]): void {
    const isWithin = grants.every((grant) => includesGrant(context.principal, grant, CATALOGUE));
    if (!isWithin || !includesEnvironment(context.principal, environment)) throw refusedPower('');
  }

  /** Never later than the asking key's own end. */
  #expiryOf(context: RequestContext, input: KeyInput): number | null {
    const own = context.principal.expiresAt;
    if (input.expiresAt === undefined || input.expiresAt === null) return own;
    const at = Date.parse(input.expiresAt);
    if (!(at > this.#parts.environment.clock.now())) throw invalid('/expiresAt', 'lies in the past');
    if (own !== null && at > own) throw refusedPower('/expiresAt');
    return at;
  }
}

function keyView(row: Omit<ApiKeyRow, 'change'>, settings: KeySettings): Key {
  return {
    id: row.id,
    name: settings.name,
    environment: row.environment as KeyEnvironment,
    scopes: settings.grants.map(({ actions, vaults }) => ({ actions: [...actions], vaults: [...vaults] })),
    networks: [...settings.networks],
    state: row.state,
    createdAt: new Date(row.created_at).toISOString(),
    ...(row.expires_at === null ? {} : { expiresAt: new Date(row.expires_at).toISOString() }),
    ...(row.revoked_at === null ? {} : { revokedAt: new Date(row.revoked_at).toISOString() }),
  };
}

const matchesSome = (pattern: string): boolean =>
  pattern === '*' ||
  CATALOGUE.some(
    (action: Action) =>
      action === pattern || (pattern.endsWith('.*') && action.startsWith(pattern.slice(0, -1))),
  );

const invalid = (path: string, message: string): StrongroomError =>
  new StrongroomError('request.invalid', { detail: `${path}: ${message}`, faults: [{ path, message }] });

const refusedPower = (path: string): StrongroomError =>
  new StrongroomError('access.refused', {
    detail: 'a key gives no more than the key that makes it has',
    ...(path === '' ? {} : { faults: [{ path, message: 'more than the asking key has' }] }),
  });
