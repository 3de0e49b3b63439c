/** usearch: HNSW in memory, float32, its defaults for building. */
import { join } from 'node:path';
import { Index, MetricKind, ScalarKind } from 'usearch';
import type { Contestant } from '../contestant.ts';
import { NEIGHBOURS } from '../sets.ts';

const BATCH = 1000;
const THREADS = 1;

export function usearch(): Contestant {
  let dimensions = 0;
  let graph = '';
  let index: Index | null = null;
  const open = (expansion: number): Index =>
    new Index({
      dimensions,
      metric: MetricKind.Cos,
      quantization: ScalarKind.F32,
      connectivity: 16,
      expansion_add: 128,
      expansion_search: expansion,
      multi: false,
    });
  return {
    name: 'usearch',
    knob: 'expansion',
    knobs: [16, 32, 64, 128, 256, 512, 1024, 2048, 4096],
    storage: 'memory, in the clear',
    build: (set, folder) => {
      dimensions = set.dimensions;
      graph = join(folder, 'graph');
      index = open(64);
      const count = set.base.length / dimensions;
      for (let at = 0; at < count; at += BATCH) {
        const keys = BigUint64Array.from({ length: Math.min(BATCH, count - at) }, (_, i) => BigInt(at + i));
        index.add(keys, set.base.subarray(at * dimensions, (at + keys.length) * dimensions), THREADS);
      }
    },
    // The expansion is fixed when an index is opened: the same graph is opened again with another.
    tune: (expansion) => {
      index?.save(graph);
      index = open(expansion);
      index.load(graph);
    },
    search: (query) => Array.from(index?.search(query, NEIGHBOURS, THREADS).keys ?? [], Number),
  };
}
