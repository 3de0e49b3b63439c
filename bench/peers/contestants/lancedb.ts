/** LanceDB: an embedded database on disk, with its lists of RaBitQ codes or with HNSW over scalar codes. */
import { join } from 'node:path';
import { connect, Index, type Table } from '@lancedb/lancedb';
import {
  Field,
  FixedSizeList,
  Float32,
  Int32,
  makeData,
  makeVector,
  Table as ArrowTable,
} from 'apache-arrow';
import type { Contestant } from '../contestant.ts';
import { NEIGHBOURS, type VectorSet } from '../sets.ts';

const PARTITIONS = 256;
/** Candidates read in full for each neighbour that is wanted: more where many lists are looked at, or codes alone decide. */
const refineOf = (probes: number): number => (probes < 32 ? 10 : 40);
const HNSW_REFINE = 5;

export const lanceRq = (): Contestant =>
  lancedb('LanceDB IVF_RQ', 'probes', [1, 2, 4, 8, 16, 32, 64, 128, 256], (table, query, probes) =>
    table
      .vectorSearch(query)
      .column('vector')
      .distanceType('cosine')
      .nprobes(probes)
      .refineFactor(refineOf(probes)),
  );

export const lanceHnsw = (): Contestant =>
  lancedb('LanceDB HNSW_SQ', 'ef', [50, 64, 128, 256, 512, 1024, 2048], (table, query, ef) =>
    table.vectorSearch(query).column('vector').distanceType('cosine').ef(ef).refineFactor(HNSW_REFINE),
  );

type Ask = (table: Table, query: Float32Array, knob: number) => ReturnType<Table['vectorSearch']>;

function lancedb(name: string, knob: string, knobs: readonly number[], ask: Ask): Contestant {
  let table: Table | null = null;
  let value = knobs[0] ?? 1;
  return {
    name,
    knob,
    knobs,
    storage: 'disk, in the clear',
    build: async (set, folder) => {
      const db = await connect(join(folder, 'lance'));
      table = await db.createTable('bench', arrowOf(set));
      const config =
        knob === 'ef'
          ? Index.hnswSq({ distanceType: 'cosine', numPartitions: 1 })
          : Index.ivfRq({ distanceType: 'cosine', numPartitions: PARTITIONS });
      await table.createIndex('vector', { config });
      await table.optimize();
    },
    tune: (next) => {
      value = next;
    },
    search: async (query) => {
      if (table === null) return [];
      const found = await ask(table, query, value).limit(NEIGHBOURS).select(['id']).toArray();
      return found.map(({ id }) => id);
    },
  };
}

/** The vectors as they are, without a JavaScript object for each. */
function arrowOf({ base, dimensions }: VectorSet): object {
  const length = base.length / dimensions;
  const child = makeData({ type: new Float32(), data: base });
  const type = new FixedSizeList(dimensions, new Field('item', new Float32(), true));
  const vector = makeVector(makeData({ type, length, nullCount: 0, child }));
  const ids = Int32Array.from({ length }, (_, at) => at);
  const id = makeVector(makeData({ type: new Int32(), data: ids }));
  return new ArrowTable({ id, vector });
}
