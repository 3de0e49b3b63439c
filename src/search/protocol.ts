/**
 * The messages between the main thread and a search worker: one call for a vault, one answer with the same number.
 *
 * Vectors of a batch travel in one buffer that is handed over, not copied. An error travels as its code and faults;
 * what has no code of ours never leaves the worker as an answer (worker.ts).
 */
import { StrongroomError, isErrorCode, type Fault } from '../errors.ts';
import type {
  Forgotten,
  HeldRecord,
  Hit,
  IndexedRecord,
  LoadedSegment,
  SearchRequest,
  SegmentStep,
  VaultSettings,
  VaultStats,
  WrittenHits,
} from './types.ts';

/** Records with their vectors taken out: `lengths` says how many of `numbers` each has, -1 for no vector. */
export interface RecordBatch {
  readonly records: readonly (HeldRecord & { readonly slot: number })[];
  readonly lengths: Int32Array<ArrayBuffer>;
  readonly numbers: Float32Array<ArrayBuffer>;
}

/** Each operation with what it takes and what it answers. */
export interface Operations {
  open: { takes: VaultSettings; answers: null };
  add: { takes: RecordBatch; answers: null };
  remove: { takes: readonly string[]; answers: null };
  forget: { takes: Forgotten; answers: readonly string[] };
  search: { takes: SearchRequest; answers: readonly Hit[] };
  answer: { takes: SearchRequest; answers: WrittenHits };
  stats: { takes: null; answers: VaultStats };
  leaves: { takes: null; answers: readonly number[] };
  changedLeaves: { takes: null; answers: readonly number[] };
  beginSegment: { takes: number; answers: SegmentStep };
  continueSegment: { takes: number; answers: SegmentStep };
  loadSegment: { takes: Uint8Array; answers: LoadedSegment };
  close: { takes: null; answers: null };
}

export type Operation = keyof Operations;

/** What a worker is asked, one member for each operation. */
export type Call = {
  [O in Operation]: {
    readonly number: number;
    readonly vault: string;
    readonly operation: O;
    readonly argument: Operations[O]['takes'];
  };
}[Operation];

export interface SentError {
  readonly code: string;
  readonly detail: string | undefined;
  readonly faults: readonly Fault[];
  /** For the log. */
  readonly cause: string | undefined;
}

export type Answer =
  | { readonly number: number; readonly value: Operations[Operation]['answers'] }
  | { readonly number: number; readonly error: SentError };

export function packRecords(records: readonly IndexedRecord[]): RecordBatch {
  const lengths = Int32Array.from(records, ({ vector }) => vector?.length ?? -1);
  const numbers = new Float32Array(lengths.reduce((sum, length) => sum + Math.max(length, 0), 0));
  let at = 0;
  const rest = records.map(({ vector, ...record }) => {
    if (vector !== null) numbers.set(vector, at);
    at += vector?.length ?? 0;
    return record;
  });
  return { records: rest, lengths, numbers };
}

export function unpackRecords({ records, lengths, numbers }: RecordBatch): readonly IndexedRecord[] {
  let at = 0;
  return records.map((record, i) => {
    const length = lengths[i] as number;
    const vector = length < 0 ? null : numbers.subarray(at, at + length);
    at += Math.max(length, 0);
    return { ...record, vector };
  });
}

export const errorToSent = ({ code, detail, faults, cause }: StrongroomError): SentError => ({
  code,
  detail,
  faults,
  cause: cause instanceof Error ? cause.stack : undefined,
});

export function sentToError({ code, detail, faults, cause }: SentError): StrongroomError {
  return new StrongroomError(isErrorCode(code) ? code : 'internal', {
    ...(detail === undefined ? {} : { detail }),
    faults,
    cause,
  });
}
