/**
 * Organizations reserved for canaries: marked in the deployment's own table, with one key for each verification, and
 * emptied before and after it. Every entry in their logs says which verification it belongs to.
 */
import type { ApiKeys } from '../access/api-keys.ts';
import type { Organizations } from '../access/organizations.ts';
import { decodeUtf8, encodeUtf8 } from '../bytes/encoding.ts';
import type { NewId, OrganizationId } from '../ids.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import type { Tenant } from './world.ts';

/** What is open, as far as it is needed here. */
export interface Reserving {
  readonly store: Store;
  readonly ledger: Ledger;
  readonly organizations: Organizations;
  readonly apiKeys: ApiKeys;
  readonly newId: NewId;
}

const RESERVED_NAME = 'canary';
const RESERVED_MARK = 'canary/';
/** A check reads the whole log of a reserved organization; one that has grown longer is given up for a new one. */
const RESERVED_ENTRIES_MAX = 10_000;

/** A key of the reserved organization with that number, which is made and marked when it is first needed. */
export async function reserve(
  open: Reserving,
  number: number,
  purpose: string,
): Promise<Pick<Tenant, 'organization' | 'keyId' | 'apiKey'>> {
  const { store, ledger, organizations, apiKeys } = open;
  const id = (await reserved(open, number)) ?? (await found(open, number, purpose));
  const organization = await organizations.get(id);
  const key = await store.write(id, async (tx) => {
    const key = await apiKeys.createFirst(tx, organization, 'verification');
    ledger.append(tx, { ...tagged(purpose), action: 'key.create', target: key.id });
    return key;
  });
  return { organization: id, keyId: key.id, apiKey: key.apiKey };
}

/** Whether the organization is one of these. */
export async function isReserved(store: Store, organization: OrganizationId): Promise<boolean> {
  const rows = await store.read(SYSTEM, (db) =>
    db.selectFrom('meta').select('value').where('name', 'like', `${RESERVED_MARK}%`).execute(),
  );
  return rows.some(({ value }) => decodeUtf8(value) === organization);
}

async function reserved(
  { store, ledger, organizations }: Reserving,
  number: number,
): Promise<OrganizationId | null> {
  const row = await store.read(SYSTEM, (db) =>
    db.selectFrom('meta').select('value').where('name', '=', `${RESERVED_MARK}${number}`).executeTakeFirst(),
  );
  if (row === undefined) return null;
  const id = decodeUtf8(row.value) as OrganizationId;
  const organization = await organizations.find(id);
  // A check that was interrupted may have left it closing.
  if (organization === null || organization.isClosing) return null;
  const { size } = await ledger.head(id);
  return size > RESERVED_ENTRIES_MAX ? null : id;
}

async function found(
  { store, ledger, organizations, newId }: Reserving,
  number: number,
  purpose: string,
): Promise<OrganizationId> {
  const id = newId('organization');
  await store.write(id, async (tx) => {
    const organization = await organizations.create(tx, id, RESERVED_NAME);
    const project = await organizations.createProject(tx, organization, RESERVED_NAME);
    const made = tagged(purpose);
    ledger.append(tx, { ...made, action: 'organization.create', target: id });
    ledger.append(tx, { ...made, action: 'project.create', target: project });
  });
  // A crash before this leaves an empty organization that nobody has a key to.
  await store.write(SYSTEM, async (tx) => {
    const value = encodeUtf8(id);
    const { change } = tx;
    await tx.sql
      .insertInto('meta')
      .values({ name: `${RESERVED_MARK}${number}`, value, change })
      .onConflict((conflict) => conflict.column('name').doUpdateSet({ value, change }))
      .execute();
  });
  return id;
}

/** Takes away what checks left in it; the key that asks stays. */
export async function clear({ client, keyId }: Tenant): Promise<void> {
  // First, because what is held cannot be taken away.
  for (const hold of await Array.fromAsync(client.holds.listAll()))
    if (hold.state === 'active') await client.holds.release(hold.id);
  for (const { id } of await Array.fromAsync(client.vaults.listAll())) await client.vaults.delete(id);
  const keys = await Array.fromAsync(client.keys.listAll());
  const left = keys.filter(({ id, state }) => id !== keyId && state === 'active');
  // At once, so that they share an epoch.
  await Promise.all(left.map(({ id }) => client.keys.revoke(id)));
}

const tagged = (purpose: string) =>
  ({ principal: 'system', outcome: 'done', request: '', scope: [], details: { purpose } }) as const;
