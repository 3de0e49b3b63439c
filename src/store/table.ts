/**
 * What a table is, as data: its columns with their annotations, from which the DDL of both engines, the tenancy rules,
 * the enumeration of sealed rows, and later exports, erasure and the record of processing are derived.
 *
 * A column says what kind of data it holds, whose it is, how long it is kept and how it is erased. A column without
 * these is a fault that a test finds.
 */

/** Text, integer (milliseconds, counts, slots) or bytes: the same three on both engines. */
export const COLUMN_TYPES = ['text', 'integer', 'bytes'] as const;
export type ColumnType = (typeof COLUMN_TYPES)[number];

export const CATEGORIES = [
  /** An id of ours, or a name of ours: never what a customer typed. */
  'identifier',
  'time',
  'state',
  'setting',
  'count',
  /** The number of an erasable key, or a list of such numbers. */
  'slot',
  /** A sealed box. */
  'sealed',
  /** A keyed one-way value: confirms a guess only to who has the key of its slot. */
  'keyed hash',
  /** Public hashes and proofs of the ledger, over ciphertext and content-free facts. */
  'proof',
  /** The name of a blob, whose bytes are sealed. */
  'blob',
] as const;
export type Category = (typeof CATEGORIES)[number];

export const OWNERS = [
  'deployment',
  'organization',
  'vault',
  'subject',
  'conversation',
  'memory',
  'principal',
] as const;
export type Owner = (typeof OWNERS)[number];

export const RETENTIONS = [
  /** As long as the deployment. */
  'deployment',
  /** As long as the thing it describes, then purged. */
  'record',
  /** Until its due date. */
  'dated',
  /** A day. */
  'request',
  /** Seven years. */
  'ledger',
] as const;
export type Retention = (typeof RETENTIONS)[number];

export const ERASURES = [
  /** Destroying one of its keys makes it unreadable wherever copies lie; the row is purged later. */
  'key',
  /** The row is deleted. */
  'row',
  /** Content-free and never about a person: kept. */
  'kept',
] as const;
export type Erasure = (typeof ERASURES)[number];

/** Where the parts of a sealed column's place and key stand in its row; a number stands for itself. */
export interface Seal {
  /** Null, as with the version, where the owner of the table keeps it elsewhere. */
  readonly id: string | null;
  readonly version: string | number | null;
  readonly vault: string | null;
  /** The column with the box's own slot, or null where the slot is found through another row. */
  readonly slot: string | null;
  /** The column with the scope as JSON, or null where the scope follows from the place. */
  readonly scope: string | null;
}

export interface Column<T extends ColumnType = ColumnType, N extends boolean = boolean> {
  readonly type: T;
  readonly nullable: N;
  readonly category: Category;
  readonly whose: Owner;
  readonly retention: Retention;
  readonly erased: Erasure;
  readonly seal?: Seal;
}

export interface Index {
  readonly columns: readonly string[];
  readonly unique?: true;
}

export interface Table {
  readonly columns: Readonly<Record<string, Column>>;
  readonly key: readonly string[];
  readonly indexes?: readonly Index[];
  /** The engine itself refuses to change or delete a row. */
  readonly appendOnly?: true;
  /** Small rows that are read by key or in key order: kept in the key's own tree where the engine can. */
  readonly clustered?: true;
  /** Why no backup carries the table; every other table is in each of them. */
  readonly unbacked?: Unbacked;
}

export type Unbacked =
  /** Made again from other rows. */
  | 'derived'
  /** Over before it could be missed. */
  | 'short-lived'
  /** Says where this store stands, which a restored one says anew. */
  | 'own';

export type Tables = Readonly<Record<string, Table>>;

/** The annotations of a column that must say one of the words above. */
const WORDS = { category: CATEGORIES, whose: OWNERS, retention: RETENTIONS, erased: ERASURES } as const;

/** What is wrong with the annotations of these tables; empty when nothing is. */
export const annotationFaults = (tables: Tables): string[] =>
  Object.entries(tables).flatMap(([name, { columns }]) =>
    Object.entries(columns).flatMap(([column, definition]) => columnFaults(`${name}.${column}`, definition)),
  );

function columnFaults(name: string, column: Column): string[] {
  const unsaid = Object.entries(WORDS).flatMap(([annotation, words]) => {
    const said: unknown = column[annotation as keyof typeof WORDS];
    return (words as readonly unknown[]).includes(said) ? [] : [`${name} does not say: ${annotation}`];
  });
  const isBox = name.endsWith('_box') || name.endsWith('.box');
  const isSealed = column.category === 'sealed';
  if (isBox !== isSealed || isSealed !== (column.seal !== undefined))
    unsaid.push(`${name}: a box says how it is sealed`);
  if ((isSealed || column.category === 'keyed hash') && column.erased !== 'key')
    unsaid.push(`${name} dies with its key`);
  return unsaid;
}

/** A step from one version of the schema to the next. Steps are never changed once released. */
export interface Migration {
  readonly name: string;
  readonly creates: Tables;
  /** Further indexes of tables that earlier steps made. */
  readonly indexes?: Readonly<Record<string, readonly Index[]>>;
  /** What no table says: rules in the engine itself, in its own words. */
  readonly statements?: Statements;
}

/** The same on both engines, done after the tables of the step. */
export interface Statements {
  readonly sqlite: readonly string[];
  /** `role`: the application's, quoted. */
  readonly postgres: (role: string) => readonly string[];
}

/** The column whose presence makes a table a tenant table. */
export const TENANT_COLUMN = 'organization';

export const isTenantTable = (table: Table): boolean => Object.hasOwn(table.columns, TENANT_COLUMN);

type Annotation = Pick<Column, 'whose' | 'retention' | 'erased'>;

/** Column makers for things of one owner; `nullable(column)` where it may be empty. */
export function columnsOf(whose: Owner, retention: Retention, erased: Erasure) {
  const annotation: Annotation = { whose, retention, erased };
  const column =
    <T extends ColumnType>(type: T, category: Category) =>
    (): Column<T, false> => ({ type, nullable: false, category, ...annotation });
  return {
    id: column('text', 'identifier'),
    state: column('text', 'state'),
    setting: column('text', 'setting'),
    number: column('integer', 'setting'),
    count: column('integer', 'count'),
    time: column('integer', 'time'),
    slot: column('integer', 'slot'),
    slots: column('text', 'slot'),
    packedSlots: column('bytes', 'slot'),
    blob: column('text', 'blob'),
    /** Dies with the key it was made under. */
    hash: (): Column<'bytes', false> => ({ ...column('bytes', 'keyed hash')(), erased: 'key' }),
    bytes: column('bytes', 'setting'),
    proof: column('bytes', 'proof'),
    note: column('text', 'proof'),
    sealed: (seal: Seal): Column<'bytes', false> => ({ ...column('bytes', 'sealed')(), erased: 'key', seal }),
  };
}

export const nullable = <T extends ColumnType>(column: Column<T, false>): Column<T, true> => ({
  ...column,
  nullable: true,
});
