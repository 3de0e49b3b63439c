/**
 * The one table of errors: what each code means on the wire, in the client, the CLI and the documents.
 *
 * Callers switch on `code`. A status and a public message belong to the code; what is particular to one
 * occurrence ("where", "what") travels in `detail` and `errors`, and never names another tenant's things.
 */

import type { FaultPlace } from './types.ts';

interface ErrorKind {
  /** HTTP status of the problem document (RFC 9457). */
  readonly status: number;
  /** Whether the same request may succeed later without being changed. */
  readonly retryable: boolean;
  /** The `title` of the problem document: the same for every occurrence. */
  readonly title: string;
}

const kind = (status: number, retryable: boolean, title: string): ErrorKind => ({ status, retryable, title });

export const ERRORS = {
  // What was asked
  'request.malformed': kind(400, false, 'The request body is not well-formed JSON'),
  'request.invalid': kind(400, false, 'The request does not fit its schema'),
  'request.too_large': kind(413, false, 'The request is larger than the limit'),
  'request.headers': kind(431, false, 'The header fields are larger than the limit'),
  'request.unsupported': kind(415, false, 'The content type or encoding is not supported'),
  'request.method': kind(405, false, 'The method is not allowed here'),
  'request.timeout': kind(408, true, 'The request did not arrive in time'),
  'cursor.invalid': kind(400, false, 'The cursor is not one of this list'),
  'purpose.required': kind(400, false, 'A purpose is required for this action'),
  // Who asked
  'auth.required': kind(401, false, 'An API key is required'),
  'auth.invalid': kind(401, false, 'The API key is not valid'),
  'auth.expired': kind(401, false, 'The API key has expired'),
  'access.refused': kind(403, false, 'The API key does not allow this'),
  'access.network': kind(403, false, 'The API key does not allow this network'),
  'rate.limited': kind(429, true, 'Too many requests'),
  // What it was asked of
  not_found: kind(404, false, 'Not found'),
  conflict: kind(409, false, 'The current state does not allow this'),
  'erased.before': kind(409, false, 'This was erased and must not come back'),
  'organization.closing': kind(403, false, 'The organization is being closed'),
  'certificate.pending': kind(409, true, 'There is no certificate yet: the erasure is not done'),
  held: kind(409, false, 'A legal hold keeps this'),
  'idempotency.conflict': kind(409, false, 'The idempotency key was used for another request'),
  'version.mismatch': kind(412, false, 'The version is not the current one'),
  erased: kind(404, false, 'Not found'),
  // What stands in the way here
  busy: kind(503, true, 'The server is busy; try again'),
  'epoch.changed': kind(503, true, 'Keys changed while the request ran; try again'),
  'ledger.unavailable': kind(503, true, 'The action could not be recorded and did not happen'),
  'search.unavailable': kind(503, true, 'The search index is not available; try again'),
  'embedder.unavailable': kind(503, true, 'The embedding service does not answer; try again'),
  'embedder.failed': kind(502, false, 'The embedding service gave no vectors'),
  'egress.failed': kind(502, true, 'An exchange with the outside failed'),
  'egress.refused': kind(502, false, 'The server may not connect there'),
  'store.unavailable': kind(503, true, 'The store is not available'),
  'store.restoring': kind(409, false, 'A restored copy can only be read until the restore is committed'),
  'box.damaged': kind(503, false, 'A stored record is damaged'),
  'ledger.damaged': kind(503, false, 'The ledger does not verify'),
  'keyring.damaged': kind(503, false, 'The keyring is damaged'),
  internal: kind(500, false, 'Unexpected error'),
  // What went wrong on the way (the client says so itself; no server answers these)
  'server.unreachable': kind(503, true, 'The server cannot be reached'),
  'server.untrusted': kind(502, false, 'The certificate of the server is not trusted'),
  'answer.invalid': kind(502, false, 'The answer is not one of a Strongroom server'),
  // Why it does not start
  'config.invalid': kind(500, false, 'The configuration is not valid'),
  'data.missing': kind(500, false, 'The data directory has not been initialised'),
  'data.in_use': kind(500, false, 'The data directory is in use by another process'),
  'data.exists': kind(500, false, 'The data directory is already initialised'),
  'schema.newer': kind(500, false, 'The store was written by a newer version'),
  'schema.older': kind(500, false, 'The store was written by an older version'),
  'keystore.missing': kind(500, false, 'No keystore replica was found'),
  'keystore.exposed': kind(500, false, 'The keystore can be read by others'),
  'keystore.foreign': kind(500, false, 'The keystore belongs to another deployment'),
  'keystore.older': kind(500, false, 'The keystore is older than the database'),
  'store.older': kind(500, false, 'The database is older than the keystore'),
  'port.taken': kind(500, false, 'The port is taken'),
  'tls.required': kind(500, false, 'A public address needs TLS'),
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERRORS;

/** One thing that is wrong with a request, and where: `path` is a JSON Pointer (RFC 6901) into the body. */
export interface Fault {
  readonly path: string;
  readonly message: string;
  /** Where the pointer points into, when it is not the body. */
  readonly in?: FaultPlace;
}

export interface ErrorOptions {
  /** What is wrong in this occurrence, safe to show to the caller. */
  readonly detail?: string;
  readonly faults?: readonly Fault[];
  /** Seconds after which a retry makes sense. */
  readonly retryAfterS?: number;
  /** Id of the request that failed (`req_…`), as the server's log and ledger know it. */
  readonly requestId?: string | undefined;
  /** Inner error: for the log, never on the wire. */
  readonly cause?: unknown;
}

export class StrongroomError extends Error {
  override readonly name = 'StrongroomError';
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly faults: readonly Fault[];
  readonly retryAfterS: number | undefined;
  readonly requestId: string | undefined;

  constructor(code: ErrorCode, options: ErrorOptions | string = {}) {
    const {
      detail,
      faults = [],
      retryAfterS,
      requestId,
      cause,
    } = typeof options === 'string' ? { detail: options } : options;
    super(detail ?? ERRORS[code].title, cause === undefined ? undefined : { cause });
    this.code = code;
    this.detail = detail;
    this.faults = faults;
    this.retryAfterS = retryAfterS;
    this.requestId = requestId;
  }

  get status(): number {
    return ERRORS[this.code].status;
  }

  get retryable(): boolean {
    return ERRORS[this.code].retryable;
  }
}

export const isErrorCode = (code: unknown): code is ErrorCode =>
  typeof code === 'string' && Object.hasOwn(ERRORS, code);
