/** sqlite-vec: an exact scan inside SQLite, on disk. */
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { getLoadablePath } from 'sqlite-vec';
import type { Contestant } from '../contestant.ts';
import { NEIGHBOURS, vectorAt } from '../sets.ts';

const BATCH = 1000;

export function sqliteVec(): Contestant {
  let statement: StatementSync | null = null;
  return {
    name: 'sqlite-vec',
    knob: 'exact',
    knobs: [1],
    storage: 'disk, in the clear',
    build: (set, folder) => {
      const db = new DatabaseSync(join(folder, 'vec.db'), { allowExtension: true });
      db.loadExtension(getLoadablePath());
      db.exec('pragma journal_mode = wal');
      db.exec(
        `create virtual table vectors using vec0(vector float[${set.dimensions}] distance_metric=cosine)`,
      );
      const insert = db.prepare('insert into vectors (rowid, vector) values (?, ?)');
      const count = set.base.length / set.dimensions;
      for (let at = 0; at < count; at += BATCH) {
        db.exec('begin');
        for (let row = at; row < Math.min(at + BATCH, count); row++)
          insert.run(BigInt(row), vectorAt(set, set.base, row));
        db.exec('commit');
      }
      statement = db.prepare('select rowid from vectors where vector match ? and k = ? order by distance');
    },
    tune: () => undefined,
    search: (query) => (statement?.all(query, NEIGHBOURS) ?? []).map(({ rowid }) => Number(rowid)),
  };
}
