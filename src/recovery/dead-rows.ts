/**
 * Takes out of a restored store what has died since: rows whose keys the keyring has destroyed, and rows that nothing is
 * left of. Whatever stands in the backup, erasures and revocations of today hold for it.
 *
 * A row dies with its own slot, with a slot of its scope, with its vault and with its organization. Entries of the ledger stay:
 * their text dies with its keys, and the log stays whole. Only the keyring says that a slot is dead; a missing row never does.
 */
import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import type { Keyring } from '../keys/keyring.ts';
import { parseSlot } from '../keys/slot.ts';
import { TABLES } from '../store/migrations.ts';
import type { Database, TableName } from '../store/schema.ts';
import { SYSTEM, type ReadSql, type Store, type Tx } from '../store/store.ts';
import { TENANT_COLUMN, type Table } from '../store/table.ts';

export interface DeadRowsParts {
  readonly store: Store;
  readonly keyring: Pick<Keyring, 'isErased'>;
  readonly now: number;
  /** Tables whose dead rows somebody else takes out, with what belongs to them. */
  readonly except?: ReadonlySet<string>;
}

/** How many rows went, by table. */
export type DroppedRows = Readonly<Record<string, number>>;

const PAGE_ROWS = 1000;
const LIST_MAX = 400;
/** Keys of rows. */
type Key = readonly (string | number)[];

export async function dropDeadRows(parts: DeadRowsParts): Promise<DroppedRows> {
  const dropped: Record<string, number> = {};
  const count = (table: string, rows: number): void => {
    if (rows > 0) dropped[table] = (dropped[table] ?? 0) + rows;
  };
  const isDead = remembered((slot) => parts.keyring.isErased(parseSlot(slot)));
  await endKeys(parts, isDead, count);
  for (const [name, table] of Object.entries(TABLES)) {
    if (table.appendOnly === true || table.unbacked === 'own' || parts.except?.has(name) === true) continue;
    const dead = await deadKeys(parts.store, name, table, isDead);
    await removeKeys(parts.store, name, table, dead);
    count(name, dead.length);
  }
  await dropOrphans(parts, count);
  return dropped;
}

/** The same few slots of scopes come again and again. */
function remembered(isErased: (slot: number) => boolean): (slot: number) => boolean {
  const known = new Map<number, boolean>();
  return (slot) => {
    const before = known.get(slot);
    if (before !== undefined) return before;
    const is = isErased(slot);
    known.set(slot, is);
    return is;
  };
}

type IsDead = (slot: number) => boolean;
type Count = (table: string, rows: number) => void;

/** A key that was revoked or rotated since: it stays in the lists, as what it is. */
async function endKeys({ store, now }: DeadRowsParts, isDead: IsDead, count: Count): Promise<void> {
  const keys = await store.read(SYSTEM, (db) =>
    db
      .selectFrom('api_keys')
      .select(['id', 'slot', 'principal_slot'])
      .where('state', '=', 'active')
      .execute(),
  );
  const ended = keys.filter((key) => isDead(key.slot) && !isDead(key.principal_slot));
  for (const { id } of ended) {
    await store.write(SYSTEM, (tx) =>
      tx.sql
        .updateTable('api_keys')
        .set({ state: 'revoked', revoked_at: now, change: tx.change })
        .where('id', '=', id)
        .execute(),
    );
  }
  count('api_keys', ended.length);
}

/** The column with a row's own slot, and the one with its scope. */
function slotColumns(name: string, { columns }: Table): { own: string | null; scope: string | null } {
  const seals = Object.values(columns).flatMap(({ seal }) => (seal === undefined ? [] : [seal]));
  // A key outlives its credential: its rows die with the principal.
  const own = name === 'api_keys' ? 'principal_slot' : 'slot' in columns ? 'slot' : null;
  return { own, scope: seals.find(({ scope }) => scope !== null)?.scope ?? null };
}

async function deadKeys(store: Store, name: string, table: Table, isDead: IsDead): Promise<Key[]> {
  const { own, scope } = slotColumns(name, table);
  if (own === null && scope === null) return [];
  const isScopeDead = deadScopes(isDead);
  const columns = [...table.key, ...(own === null ? [] : [own]), ...(scope === null ? [] : [scope])];
  const dead: Key[] = [];
  for (let after: Key | null = null; ;) {
    const from: Key | null = after;
    const rows = await store.read(SYSTEM, (db) => pageOf(db, { name, table, columns, after: from }));
    for (const row of rows) {
      const isOver =
        (own !== null && typeof row[own] === 'number' && isDead(row[own])) ||
        (scope !== null && isScopeDead(String(row[scope])));
      if (isOver) dead.push(keyOf(table, row));
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE_ROWS) return dead;
    after = keyOf(table, last);
  }
}

/** Scopes repeat as texts too. */
function deadScopes(isDead: IsDead): (scope: string) => boolean {
  const known = new Map<string, boolean>();
  return (scope) => {
    const before = known.get(scope);
    if (before !== undefined) return before;
    const is = (JSON.parse(scope) as [string, number][]).some(([, slot]) => isDead(slot));
    known.set(scope, is);
    return is;
  };
}

type Row = Readonly<Record<string, unknown>>;

const keyOf = ({ key }: Table, row: Row): Key => key.map((column) => row[column] as string | number);

interface Page {
  readonly name: string;
  readonly table: Table;
  readonly columns: readonly string[];
  readonly after: Key | null;
}

function pageOf(db: ReadSql, { name, table, columns, after }: Page): Promise<readonly Row[]> {
  const key = table.key.map((column) => sql.ref(column));
  let query = (db as Kysely<Database>)
    .selectFrom(name as TableName)
    .select(columns.map((column) => sql.ref(column).as(column)))
    .limit(PAGE_ROWS);
  for (const column of key) query = query.orderBy(column);
  if (after !== null) query = query.where(sql<boolean>`(${sql.join(key)}) > (${sql.join(after)})`);
  return query.execute();
}

async function removeKeys(store: Store, name: string, table: Table, keys: readonly Key[]): Promise<void> {
  for (let at = 0; at < keys.length; at += LIST_MAX) {
    const some = keys.slice(at, at + LIST_MAX);
    await store.write(SYSTEM, (tx) => removeSome(tx, name, table, some));
  }
}

async function removeSome(tx: Tx, name: string, { key }: Table, keys: readonly Key[]): Promise<void> {
  for (const values of keys) {
    let query = tx.sql.deleteFrom(name as TableName);
    for (const [at, column] of key.entries())
      query = query.where(sql<boolean>`${sql.ref(column)} = ${values[at]}`);
    await query.execute();
  }
}

/** Rows of an organization or a vault that is gone, memories without their current version, and versions without their memory. */
async function dropOrphans({ store, except }: DeadRowsParts, count: Count): Promise<void> {
  for (const [name, table] of Object.entries(TABLES)) {
    if (table.appendOnly === true || isKept(table) || except?.has(name) === true) continue;
    const of = (column: string, owner: string): Promise<void> =>
      dropWhere(
        store,
        { name, table, count },
        sql<boolean>`${sql.ref(column)} not in (select id from ${sql.table(owner)})`,
      );
    if (TENANT_COLUMN in table.columns && name !== 'organizations') await of(TENANT_COLUMN, 'organizations');
    if ('vault' in table.columns) await of('vault', 'vaults');
  }
  await dropWhere(
    store,
    { name: 'memories', table: TABLES['memories'] as Table, count },
    sql<boolean>`not exists (select 1 from memory_versions as v where v.memory = memories.id and v.version = memories.version) and not exists (select 1 from archived_versions as a where a.memory = memories.id and a.version = memories.version)`,
  );
  for (const name of OF_A_MEMORY)
    await dropWhere(
      store,
      { name, table: TABLES[name] as Table, count },
      sql<boolean>`memory not in (select id from memories)`,
    );
  await dropWhere(
    store,
    { name: 'tombstones', table: TABLES['tombstones'] as Table, count },
    sql<boolean>`tombstone_set not in (select id from tombstone_sets)`,
  );
}

/** What outlives whose it is: the ledger, and the record of what was erased. */
const isKept = ({ columns }: Table): boolean =>
  Object.values(columns).some(({ retention }) => retention === 'ledger');

const OF_A_MEMORY = [
  'memory_versions',
  'archived_versions',
  'superseded_slots',
  'memory_sources',
  'tied_slots',
] as const;

interface Target {
  readonly name: string;
  readonly table: Table;
  readonly count: Count;
}

async function dropWhere(
  store: Store,
  { name, table, count }: Target,
  condition: ReturnType<typeof sql<boolean>>,
): Promise<void> {
  const rows = await store.read(SYSTEM, (db) =>
    (db as Kysely<Database>)
      .selectFrom(name as TableName)
      .select(table.key.map((column) => sql.ref(column).as(column)))
      .where(condition)
      .execute(),
  );
  await removeKeys(
    store,
    name,
    table,
    (rows as readonly Row[]).map((row) => keyOf(table, row)),
  );
  count(name, rows.length);
}
