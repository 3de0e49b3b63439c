/** Strongroom's index as a search worker has it: one engine in this thread, records and all. */
import { Engine } from '../../../src/search/engine.ts';
import { openEngineRoom } from '../../../src/search/engine-room.ts';
import type { IndexedRecord } from '../../../src/search/types.ts';
import type { Contestant } from '../contestant.ts';
import { NEIGHBOURS, vectorAt, type VectorSet } from '../sets.ts';

const BATCH = 1000;

export function strongroom(): Contestant {
  // The engine reads its settings at each search, so the recall that is asked for can be turned on an index that stands.
  const settings = {
    id: 'bench',
    metric: 'cosine' as const,
    dimensions: null as number | null,
    recall: 0.99,
  };
  let engine: Engine | null = null;
  return {
    name: 'Strongroom',
    knob: 'recall set',
    knobs: [0.99, 0.8, 0.9, 0.95, 0.995, 0.999],
    storage: 'memory (sealed on disk)',
    build: (set) => {
      settings.dimensions = set.dimensions;
      const built = new Engine(settings, openEngineRoom());
      const count = set.base.length / set.dimensions;
      for (let at = 0; at < count; at += BATCH)
        built.add(Array.from({ length: Math.min(BATCH, count - at) }, (_, i) => recordOf(set, at + i)));
      // What a worker does between requests belongs to adding, and some of it begins once somebody asks.
      while (built.work());
      built.search({ vector: vectorAt(set, set.base, 0), limit: NEIGHBOURS, mode: 'vector', now: 0 });
      while (built.work());
      engine = built;
    },
    indexBytes: () => engine?.stats().vectorBytes ?? Number.NaN,
    tune: (recall) => {
      settings.recall = recall;
    },
    search: (vector) =>
      engine
        ?.search({ vector, limit: NEIGHBOURS, mode: 'vector', now: 0 })
        .map(({ id }) => Number(id.slice(4))) ?? [],
  };
}

const recordOf = (set: VectorSet, row: number): IndexedRecord => ({
  id: `mem_${String(row).padStart(8, '0')}`,
  slot: row,
  vector: vectorAt(set, set.base, row),
  text: '',
  metadata: null,
  subject: null,
  conversation: null,
  speaker: null,
  kind: null,
  at: null,
  createdAt: 0,
  updatedAt: 0,
  expiresAt: null,
  version: 1,
  visibility: null,
  derivedFrom: null,
});
