/**
 * The memories of an organization, or of one vault of it, a page at a time, in the order of the index that begins with them.
 *
 * By their ids they could only be had page by page if each page sorted all that there are: no index has ids right behind the
 * organization or the vault, and one for that would cost every memory that is added. A row that is changed meanwhile moves
 * to the end and is met again: none is passed by.
 */
import type { ReadSql } from '../store/store.ts';

export interface Walk {
  /** Null: all vaults of the organization whose handle it is, those in the trash as well. */
  readonly vault: string | null;
  readonly pageRows: number;
}

export interface Walked {
  readonly id: string;
  readonly vault: string;
  readonly version: number;
  readonly subject: string | null;
  readonly conversation: string | null;
  readonly change: number;
}

type Reader = <T>(work: (sql: ReadSql) => Promise<T>) => Promise<T>;

/** In memory between two pages; what was removed since is not met, what was added is. */
export async function* memoryPages(read: Reader, walk: Walk): AsyncGenerator<readonly Walked[]> {
  for (let after: Walked | null = null; ;) {
    const from: Walked | null = after;
    const page: readonly Walked[] = await read((sql) => pageQuery(sql, walk, from).execute());
    if (page.length > 0) yield page;
    after = page.at(-1) ?? null;
    if (after === null || page.length < walk.pageRows) return;
  }
}

/** The page after a memory; null: the first. */
export function pageQuery(sql: ReadSql, { vault, pageRows }: Walk, after: Walked | null) {
  const all = sql
    .selectFrom('memories')
    .select(['id', 'vault', 'version', 'subject', 'conversation', 'change'])
    .limit(pageRows);
  if (vault === null) {
    const ordered = all.orderBy('vault').orderBy('change').orderBy('id');
    if (after === null) return ordered;
    return ordered.where(({ eb, refTuple, tuple }) =>
      eb(refTuple('vault', 'change', 'id'), '>', tuple(after.vault, after.change, after.id)),
    );
  }
  const ordered = all.where('vault', '=', vault).orderBy('change').orderBy('id');
  if (after === null) return ordered;
  return ordered.where(({ eb, refTuple, tuple }) =>
    eb(refTuple('change', 'id'), '>', tuple(after.change, after.id)),
  );
}
