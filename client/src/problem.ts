/**
 * Problem documents (RFC 9457) as errors. Whatever stands in for the server (a proxy, a captive portal, another
 * service) answers without a code: that is said as such, and never taken for an answer of the server.
 */
import { isErrorCode, StrongroomError, type ErrorCode, type Fault } from './errors.ts';
import type { FetchAnswer } from './fetch.ts';

const REQUEST_ID = /req_[0-9a-hjkmnp-tv-z]{26}/;
const SHOWN_CHARACTERS = 200;

/** The error that an answer with a status of 400 or more stands for. `text` is its body. */
export function problemToError(answer: FetchAnswer, text: string): StrongroomError {
  const problem = parseObject(text);
  const requestId = requestIdOf(answer);
  const retryAfterS = retryAfterOf(answer);
  const occurrence = { requestId, ...(retryAfterS === undefined ? {} : { retryAfterS }) };
  if (typeof problem?.['code'] !== 'string') {
    return new StrongroomError(codeOfStranger(answer.status), {
      ...occurrence,
      detail: `the answer with status ${answer.status} is not a problem document: ${excerpt(text)}`,
    });
  }
  const detail = problem['detail'] ?? problem['title'];
  const code = problem['code'];
  return new StrongroomError(isErrorCode(code) ? code : codeOfStatus(answer.status), {
    ...occurrence,
    faults: faultsOf(problem['errors']),
    ...(typeof detail === 'string' ? { detail: isErrorCode(code) ? detail : `${code}: ${detail}` } : {}),
  });
}

/** Every answer carries its request's id in a header; the document has none, so that two "not found" are the same bytes. */
const requestIdOf = (answer: FetchAnswer): string | undefined =>
  REQUEST_ID.exec(answer.headers.get('x-request-id') ?? '')?.[0];

function retryAfterOf(answer: FetchAnswer): number | undefined {
  const text = answer.headers.get('retry-after');
  // The header's other form is a date, which the server does not use and clocks that disagree cannot.
  return text !== null && /^\d{1,6}$/.test(text) ? Number(text) : undefined;
}

/** What a gateway answers while the server behind it is away may pass; nothing else of a stranger will. */
const codeOfStranger = (status: number): ErrorCode =>
  status === 502 || status === 503 || status === 504 ? 'server.unreachable' : 'answer.invalid';

const CODES_BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  400: 'request.invalid',
  401: 'auth.invalid',
  403: 'access.refused',
  404: 'not_found',
  405: 'request.method',
  408: 'request.timeout',
  409: 'conflict',
  412: 'version.mismatch',
  413: 'request.too_large',
  415: 'request.unsupported',
  429: 'rate.limited',
};

/** A newer server may know codes that this client does not; the nearest known one keeps a caller's `switch` whole. */
const codeOfStatus = (status: number): ErrorCode => CODES_BY_STATUS[status] ?? 'internal';

function faultsOf(errors: unknown): readonly Fault[] {
  if (!Array.isArray(errors)) return [];
  return errors.filter(
    (fault: unknown): fault is Fault =>
      isObject(fault) && typeof fault['path'] === 'string' && typeof fault['message'] === 'string',
  );
}

function parseObject(text: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : null;
  } catch {
    return null;
  }
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function excerpt(text: string): string {
  const line = text.replaceAll(/[\s\p{Cc}]+/gu, ' ').trim();
  if (line === '') return '(empty)';
  return line.length > SHOWN_CHARACTERS ? `${line.slice(0, SHOWN_CHARACTERS)}…` : line;
}
