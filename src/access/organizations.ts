/** Organizations and their projects: the tenants. Their names are sealed under their own slots. */
import { decodeUtf8, encodeUtf8 } from '../bytes/encoding.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { NewId, OrganizationId, ProjectId } from '../ids.ts';
import type { Scope } from '../keys/record-key.ts';
import type { RecordSealer, SealedRecord } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import type { SlotAllocator } from '../store/slots.ts';
import { SYSTEM, type Flusher, type Store, type Tx } from '../store/store.ts';

export interface Organization {
  readonly id: OrganizationId;
  readonly slot: Slot;
  readonly name: string;
  /** Its closing has been asked for: nothing can be done in it but to look at that and to take it back. */
  readonly isClosing: boolean;
}

export interface OrganizationsParts {
  readonly store: Store;
  readonly slots: SlotAllocator;
  readonly sealer: RecordSealer;
  readonly newId: NewId;
  readonly environment: Environment;
}

/** The row of `meta` that names the organization whose the deployment is. */
export const FOUNDER = 'founder';

export class Organizations {
  readonly #parts: OrganizationsParts;
  readonly #known = new Map<OrganizationId, Organization>();
  readonly #undone: Flusher<Organization> = {
    flush: () => Promise.resolve(),
    failed: (items) => items.forEach(({ item }) => this.#known.delete(item.id)),
  };

  constructor(parts: OrganizationsParts) {
    this.#parts = parts;
  }

  /** The organization with that id; `not_found` if there is none. */
  async get(id: OrganizationId): Promise<Organization> {
    const known = this.#known.get(id);
    if (known !== undefined) return known;
    const { store, sealer } = this.#parts;
    const row = await store.read(id, (db) =>
      db.selectFrom('organizations').selectAll().where('id', '=', id).executeTakeFirst(),
    );
    if (row === undefined) throw new StrongroomError('not_found');
    const slot = row.slot as Slot;
    const boxes = sealer.at(organizationRecord({ id, slot }, row.version));
    const name = decodeUtf8(boxes.open('name_box', row.name_box));
    const organization: Organization = { id, slot, name, isClosing: row.state === 'closing' };
    this.#known.set(id, organization);
    return organization;
  }

  /** The same; null where it is erased, whether or not its rows are gone. */
  async find(id: OrganizationId): Promise<Organization | null> {
    try {
      return await this.get(id);
    } catch (error) {
      if (error instanceof StrongroomError && error.status === 404) return null;
      throw error;
    }
  }

  /** The same, if it has been read since it was last written to. */
  known(id: OrganizationId): Organization | undefined {
    return this.#known.get(id);
  }

  /** Adds an organization in the caller's transaction. */
  async create(tx: Tx, id: OrganizationId, name: string): Promise<Organization> {
    const { slots, sealer, environment } = this.#parts;
    const slot = await slots.takeOne(tx, id);
    const now = environment.clock.now();
    await tx.sql
      .insertInto('organizations')
      .values({
        id,
        organization: id,
        slot,
        state: 'active',
        name_box: sealer.at(organizationRecord({ id, slot }, 1)).seal('name_box', encodeUtf8(name)),
        version: 1,
        created_at: now,
        updated_at: now,
        change: tx.change,
      })
      .execute();
    return { id, slot, name, isClosing: false };
  }

  /** Begins or takes back a closing, in the caller's transaction. */
  async setClosing(tx: Tx, organization: Organization, isClosing: boolean): Promise<void> {
    const { change } = tx;
    await tx.sql
      .updateTable('organizations')
      .set({
        state: isClosing ? 'closing' : 'active',
        updated_at: this.#parts.environment.clock.now(),
        change,
      })
      .where('id', '=', organization.id)
      .execute();
    this.#known.set(organization.id, { ...organization, isClosing });
    tx.defer(this.#undone, organization);
  }

  /** Forgets what is known of it: read anew when next asked for. */
  drop(id: OrganizationId): void {
    this.#known.delete(id);
  }

  /** Adds a project in the caller's transaction. */
  async createProject(tx: Tx, organization: Organization, name: string): Promise<ProjectId> {
    const { slots, sealer, environment, newId } = this.#parts;
    const id = newId('project');
    const slot = await slots.takeOne(tx, organization.id);
    const now = environment.clock.now();
    const record: SealedRecord = {
      ...organizationRecord(organization, 1),
      table: 'projects',
      id,
      own: slot,
      scope: organizationScope(organization),
    };
    await tx.sql
      .insertInto('projects')
      .values({
        id,
        organization: organization.id,
        slot,
        state: 'active',
        name_box: sealer.at(record).seal('name_box', encodeUtf8(name)),
        version: 1,
        created_at: now,
        updated_at: now,
        change: tx.change,
      })
      .execute();
    return id;
  }

  /** The one that `init` made, whose the deployment itself is; null where init was interrupted. */
  async first(): Promise<OrganizationId | null> {
    const row = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('meta').select('value').where('name', '=', FOUNDER).executeTakeFirst(),
    );
    return row === undefined ? null : (decodeUtf8(row.value) as OrganizationId);
  }

  /** The organization's first project: where vaults go until projects can be chosen. */
  async defaultProject(id: OrganizationId): Promise<ProjectId> {
    const row = await this.#parts.store.read(id, (db) =>
      db.selectFrom('projects').select('id').orderBy('id').limit(1).executeTakeFirst(),
    );
    if (row === undefined) throw new StrongroomError('not_found', 'the organization has no project');
    return row.id as ProjectId;
  }
}

/** The part of every record key that dies with the organization. */
export const organizationScope = (organization: Organization): Scope => [['organization', organization.slot]];

const organizationRecord = (
  { id, slot }: Pick<Organization, 'id' | 'slot'>,
  version: number,
): SealedRecord => ({
  table: 'organizations',
  organization: id,
  vault: '',
  id,
  version,
  own: slot,
  scope: [],
});
