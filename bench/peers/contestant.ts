/** An engine under measurement: it takes all vectors, then answers one query at a time, in one thread. */
import type { VectorSet } from './sets.ts';

export interface Contestant {
  readonly name: string;
  /** What is turned to trade speed for recall, in words; its values, from fast to thorough. */
  readonly knob: string;
  readonly knobs: readonly number[];
  /** Whether its data lie on disk, and in what form. */
  readonly storage: string;
  /** Everything until searches are as fast as they get. */
  build(set: VectorSet, folder: string): Promise<void> | void;
  tune(knob: number): Promise<void> | void;
  /** What the index of vectors takes by its own account, where it gives one. */
  indexBytes?(): number;
  /** The rows found, best first. */
  search(query: Float32Array): readonly number[] | Promise<readonly number[]>;
}

export interface Built {
  readonly name: string;
  readonly knob: string;
  readonly knobs: readonly number[];
  readonly storage: string;
  readonly version: string;
  readonly addsPerSecond: number;
  /** Growth of the process's resident memory for each vector. */
  readonly bytesPerVector: number;
  /** Of the index of vectors alone, by its own account; null where it gives none. */
  readonly indexBytesPerVector: number | null;
}

/** All queries once, one after the other. */
export interface Pass {
  readonly recall: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly perSecond: number;
}

export interface ContestQuestions {
  readonly build: { takes: string; answers: Built };
  readonly pass: { takes: number; answers: Pass };
}
