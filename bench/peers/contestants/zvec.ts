/** zvec: an embedded database with HNSW, its defaults for building. */
import { join } from 'node:path';
import {
  ZVecCollectionSchema,
  ZVecCreateAndOpen,
  ZVecDataType,
  ZVecIndexType,
  ZVecInitialize,
  ZVecMetricType,
  type ZVecCollection,
} from '@zvec/zvec';
import type { Contestant } from '../contestant.ts';
import { NEIGHBOURS, vectorAt } from '../sets.ts';

const BATCH = 500;
const FIELD = 'vector';

export function zvec(): Contestant {
  let collection: ZVecCollection | null = null;
  let ef = 300;
  return {
    name: 'zvec',
    knob: 'ef',
    knobs: [16, 32, 64, 128, 256, 512, 1024, 2048],
    storage: 'disk, in the clear',
    build: (set, folder) => {
      ZVecInitialize({ queryThreads: 1, optimizeThreads: 1 });
      const schema = new ZVecCollectionSchema({
        name: 'bench',
        vectors: {
          name: FIELD,
          dataType: ZVecDataType.VECTOR_FP32,
          dimension: set.dimensions,
          indexParams: { indexType: ZVecIndexType.HNSW, metricType: ZVecMetricType.COSINE },
        },
      });
      collection = ZVecCreateAndOpen(join(folder, 'zvec'), schema);
      const count = set.base.length / set.dimensions;
      for (let at = 0; at < count; at += BATCH)
        collection.insertSync(
          Array.from({ length: Math.min(BATCH, count - at) }, (_, i) => ({
            id: String(at + i),
            vectors: { [FIELD]: vectorAt(set, set.base, at + i) },
          })),
        );
      collection.optimizeSync();
    },
    tune: (value) => {
      ef = value;
    },
    search: (vector) =>
      collection
        ?.querySync({
          fieldName: FIELD,
          vector,
          topk: NEIGHBOURS,
          outputFields: [],
          params: { indexType: ZVecIndexType.HNSW, ef },
        })
        .map(({ id }) => Number(id)) ?? [],
  };
}
