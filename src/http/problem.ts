/**
 * Errors as problem documents (RFC 9457): `{type, title, status, code, detail?, errors?}`.
 *
 * Invariants: every error of any layer ends here and has a code of the table; inner messages stay inside; what is not
 * there and what belongs to another tenant give the same bytes, whatever the layer below had to say about it.
 */
import type { Problem } from '@strongroom/client';
import { ERRORS, StrongroomError, type ErrorCode } from '../errors.ts';

export const PROBLEM_TYPE = 'application/problem+json';
const FAULTS_MAX = 20;

/** What the framework and Node call the things that go wrong before a route is reached. */
const FRAMEWORK_ERRORS: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  FST_ERR_BAD_URL: ['request.invalid', 'the URL is not well-formed'],
  FST_ERR_MAX_PARAM_LENGTH: ['not_found', ''],
  FST_ERR_CTP_BODY_TOO_LARGE: ['request.too_large', 'the body is larger than the limit'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['request.unsupported', 'send application/json'],
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: ['request.malformed', 'the body is not as long as Content-Length says'],
  FST_ERR_CTP_EMPTY_JSON_BODY: ['request.malformed', 'the body is empty'],
  ECONNRESET: ['request.malformed', 'the body ended early'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request.timeout', 'the request did not arrive in time'],
  HPE_HEADER_OVERFLOW: ['request.headers', 'the header fields are larger than the limit'],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ['request.too_large', 'the chunk extensions are larger than the limit'],
};

/** Any thrown value as an error of the table; the value itself becomes its cause, for the log. */
export function toStrongroomError(error: unknown): StrongroomError {
  if (error instanceof StrongroomError) return error;
  const name = error instanceof Error && 'code' in error ? String(error.code) : '';
  const known = Object.hasOwn(FRAMEWORK_ERRORS, name) ? FRAMEWORK_ERRORS[name] : undefined;
  if (known === undefined) return new StrongroomError('internal', { cause: error });
  const [code, detail] = known;
  return new StrongroomError(code, { cause: error, ...(detail === '' ? {} : { detail }) });
}

const NOT_FOUND: Problem = {
  type: 'urn:strongroom:error:not_found',
  title: ERRORS.not_found.title,
  status: 404,
  code: 'not_found',
};

export function problemOf(error: StrongroomError): Problem {
  const { code, detail, faults } = error;
  const { status, title } = ERRORS[code];
  // Not there, not yours, or erased: nothing may tell which of them it was.
  if (status === 404) return NOT_FOUND;
  const problem: Problem = { type: `urn:strongroom:error:${code}`, title, status, code };
  if (detail !== undefined && isShown(error)) problem.detail = detail;
  if (faults.length > 0) problem.errors = faults.slice(0, FAULTS_MAX).map((fault) => ({ ...fault }));
  return problem;
}

/** What went wrong inside is for the log: the caller can do nothing with it, an attacker perhaps. */
const isShown = ({ code, status }: StrongroomError): boolean => status < 500 || SHOWN.has(code);

/** Whose details are content-free words that help: what the embedding service did, and never what it said. */
const SHOWN: ReadonlySet<ErrorCode> = new Set(['busy', 'embedder.failed', 'embedder.unavailable']);

/** Headers that belong to an error, whatever it was an error of. */
export function problemHeaders(error: StrongroomError): Record<string, string> {
  const headers: Record<string, string> = { 'content-type': PROBLEM_TYPE };
  if (error.status === 401)
    headers['www-authenticate'] =
      `Bearer realm="strongroom"${error.code === 'auth.required' ? '' : ', error="invalid_token"'}`;
  if (error.retryAfterS !== undefined)
    headers['retry-after'] = String(Math.max(1, Math.ceil(error.retryAfterS)));
  return headers;
}
