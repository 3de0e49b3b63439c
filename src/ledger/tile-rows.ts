/** Tiles as the store holds them; the unfinished tile of level 0 is read from the entries. */
import { sql as raw } from 'kysely';
import type { Bytes } from '../bytes/encoding.ts';
import { HASH_BYTES } from '../crypto/hash.ts';
import type { ReadSql } from '../store/store.ts';
import type { LogId } from './entry.ts';
import { decodeTile, TILE_WIDTH, type LoadTile } from './tiles.ts';

export const tileLoader =
  (sql: ReadSql, log: LogId): LoadTile =>
  async ({ level, tile }) => {
    const row = await sql
      .selectFrom('ledger_tiles')
      .select('hashes')
      .where('log', '=', log)
      .where('level', '=', level)
      .where('tile', '=', tile)
      .executeTakeFirst();
    if (row !== undefined) return decodeTile(row.hashes);
    return level === 0 ? entryHashes(sql, log, tile * TILE_WIDTH) : [];
  };

/** The stored leaf hashes of up to a tile of entries from `from` on. */
async function entryHashes(sql: ReadSql, log: LogId, from: number): Promise<Bytes[]> {
  const rows = await sql
    .selectFrom('ledger_entries')
    .select(raw<Bytes>`substr(leaf, 1, ${raw.lit(HASH_BYTES)})`.as('hash'))
    .where('log', '=', log)
    .where('n', '>=', from)
    .where('n', '<', from + TILE_WIDTH)
    .orderBy('n')
    .execute();
  return rows.map(({ hash }) => new Uint8Array(hash));
}
