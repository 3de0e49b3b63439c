export type * from './types.ts';
export { ERRORS, StrongroomError, isErrorCode } from './errors.ts';
export type { ErrorCode, ErrorOptions, Fault } from './errors.ts';
export { Strongroom } from './strongroom.ts';
export type { CallOptions, StrongroomOptions, VersionedOptions, WriteOptions } from './transport.ts';
export type { Fetch, FetchAnswer, FetchBody, FetchInit } from './fetch.ts';
export type { ClientEnvironment } from './environment.ts';
export type { VaultHandle } from './vault-handle.ts';
export type { PageQuery, Vaults } from './vaults.ts';
export type {
  ConversationInput,
  DeleteOptions,
  Deletion,
  IncludeOptions,
  Memories,
  MemoryChange,
  NewMemory,
  SearchQuery,
} from './memories.ts';
export { sentVector, type Vector } from './vector.ts';
export type { Erasures } from './erasures.ts';
export type { Exports } from './exports.ts';
export type { Keys } from './keys.ts';
export type { Ledger } from './ledger.ts';
export type { Backups } from './backups.ts';
export type { Rotations } from './rotations.ts';
export type { Verifications } from './verifications.ts';
