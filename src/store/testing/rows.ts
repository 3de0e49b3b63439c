/** Rows for tests: any table's, with values that fit its columns. */
import type { OrganizationId } from '../../ids.ts';
import { tableOf } from '../migrations.ts';
import type { Database, TableName } from '../schema.ts';

export const ANN = 'org_00000000000000000000000ann' as OrganizationId;
export const BEN = 'org_00000000000000000000000ben' as OrganizationId;

const PLAIN = { text: '', integer: 0, bytes: new Uint8Array(0) } as const;

/** A row of `table`: empty but for what is given. */
export function rowOf<T extends TableName>(table: T, given: Partial<Database[T]>): Database[T] {
  const columns = Object.entries(tableOf(table).columns);
  const empty = columns.map(([name, { type, nullable }]) => [name, nullable ? null : PLAIN[type]]);
  return { ...(Object.fromEntries(empty) as Database[T]), ...given };
}

/** A person without a name: the smallest tenant row there is. */
export const personOf = (organization: OrganizationId, id: string, change: number): Database['subjects'] =>
  rowOf('subjects', { organization, id, change, state: 'active' });
