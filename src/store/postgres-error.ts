/** PostgreSQL's errors as the store's (SQLSTATE codes: PostgreSQL documentation, appendix A). */
import { DatabaseError } from 'pg';
import { StrongroomError } from '../errors.ts';

const UNIQUE_VIOLATION = '23505';
const INTEGRITY_CLASS = '23';
/** Connection, resources, operator intervention, transaction rollback, and locks that did not come. */
const UNAVAILABLE = /^(?:08|53|57|40|55P03)/;

export function postgresError(error: unknown): unknown {
  if (error instanceof StrongroomError) return error;
  // Without a SQLSTATE it did not come from the server: it could not be reached, or the connection broke.
  if (!(error instanceof DatabaseError)) return isTransport(error) ? unavailable(error) : error;
  const code = error.code ?? '';
  if (code === UNIQUE_VIOLATION) return new StrongroomError('conflict', { cause: error });
  if (UNAVAILABLE.test(code)) return unavailable(error);
  if (code.startsWith(INTEGRITY_CLASS)) {
    return new StrongroomError('internal', {
      detail: 'a constraint of the store refused a row',
      cause: error,
    });
  }
  return new StrongroomError('internal', { detail: 'the store refused a statement', cause: error });
}

/** Whether the server itself answered with an error and kept the connection: then it has rolled back. */
export function isRefused(error: unknown): boolean {
  const cause = error instanceof StrongroomError ? error.cause : error;
  return cause instanceof DatabaseError && cause.severity === 'ERROR';
}

/** Whether the connection is gone: the server ended it, or nothing came back. */
export function isLost(error: unknown): boolean {
  const cause = error instanceof StrongroomError ? error.cause : error;
  return cause instanceof DatabaseError ? cause.severity !== 'ERROR' : isTransport(cause);
}

const isTransport = (error: unknown): boolean =>
  error instanceof Error &&
  ('syscall' in error || /connection|timeout|closed|not queryable/i.test(error.message));

const unavailable = (cause: unknown): StrongroomError => new StrongroomError('store.unavailable', { cause });
