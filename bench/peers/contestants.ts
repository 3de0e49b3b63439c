/** The contestants by the name they are asked for, each loaded only in its own process. */
import type { Contestant } from './contestant.ts';

export const CONTESTANTS: Readonly<Record<string, () => Promise<Contestant>>> = {
  strongroom: async () => (await import('./contestants/strongroom.ts')).strongroom(),
  usearch: async () => (await import('./contestants/usearch.ts')).usearch(),
  zvec: async () => (await import('./contestants/zvec.ts')).zvec(),
  'lancedb-rq': async () => (await import('./contestants/lancedb.ts')).lanceRq(),
  'lancedb-hnsw': async () => (await import('./contestants/lancedb.ts')).lanceHnsw(),
  'sqlite-vec': async () => (await import('./contestants/sqlite-vec.ts')).sqliteVec(),
};

/** Where the version of each is written. */
export const PACKAGES: Readonly<Record<string, string>> = {
  usearch: 'usearch',
  zvec: '@zvec/zvec',
  'lancedb-rq': '@lancedb/lancedb',
  'lancedb-hnsw': '@lancedb/lancedb',
  'sqlite-vec': 'sqlite-vec',
};
