/**
 * The application log: one line for each request, and what went wrong inside.
 *
 * Invariant: content-free. A line holds ids and patterns of ours, numbers and codes; no address, no URL with its values,
 * no header, no body, and of an error neither message nor values, since a message may quote what was sent.
 */
import { pino, type DestinationStream } from 'pino';
import { isoTime } from '../bytes/iso-time.ts';
import { realEnvironment } from '../environment.ts';
import type { ErrorCode, StrongroomError } from '../errors.ts';

export interface Log {
  info(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

export type LogFields = Readonly<Record<string, string | number | readonly string[] | undefined>>;

export const createLog = (level: string, destination: DestinationStream): Log =>
  pino(
    { level, base: null, timestamp: () => `,"time":"${isoTime(realEnvironment.clock.now())}"` },
    destination,
  );

export const silentLog: Log = { info: () => undefined, error: () => undefined };

/** What may be told of an error: its code, the kinds of its causes, and where they were thrown. */
export function errorFields(error: StrongroomError): LogFields {
  const causes: string[] = [];
  let stack: readonly string[] = [];
  let inner: unknown = error;
  // Bounded, because a cause can be its own.
  for (let depth = 0; inner instanceof Error && depth < 5; depth++) {
    causes.push('code' in inner ? `${inner.name} ${codeOf(inner.code)}` : inner.name);
    stack = framesOf(inner.stack);
    inner = inner.cause;
  }
  const named = TELLING.has(error.code) ? { detail: error.detail } : {};
  return { code: error.code, ...named, causes, stack };
}

/** Errors whose detail is made of ids and numbers of ours, and says which record is to be repaired. */
const TELLING: ReadonlySet<ErrorCode> = new Set([
  'box.damaged',
  'ledger.damaged',
  'keyring.damaged',
] as const);

/** Codes of ours and of Node's are words; anything else could be content. */
const codeOf = (code: unknown): string =>
  typeof code === 'string' && /^[\w.]{1,64}$/.test(code) ? code : '';

const framesOf = (stack: string | undefined): string[] =>
  (stack ?? '')
    .split('\n')
    .filter((line) => /^ {4}at /.test(line))
    .map((line) => line.trim())
    .slice(0, 12);
