/** Exit codes, as scripts read them. */
import { StrongroomError, type ErrorCode } from '../errors.ts';

export const EXIT = {
  good: 0,
  unexpected: 1,
  usage: 2,
  /** A claim does not hold: a ledger that does not verify, a finding of `doctor`. */
  claim: 3,
  notSignedIn: 4,
  /** A check could not finish: what it was to look at could not be opened or reached. */
  unfinished: 5,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const USAGE: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'request.malformed',
  'request.invalid',
  'request.too_large',
  'cursor.invalid',
  'purpose.required',
  'config.invalid',
  'tls.required',
]);
const NOT_SIGNED_IN: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'auth.required',
  'auth.invalid',
  'auth.expired',
]);

export function exitCodeOf(error: unknown): ExitCode {
  if (!(error instanceof StrongroomError)) return EXIT.unexpected;
  if (USAGE.has(error.code)) return EXIT.usage;
  return NOT_SIGNED_IN.has(error.code) ? EXIT.notSignedIn : EXIT.unexpected;
}

/** Thrown by a command that has said all there is to say and ends with another code than 0. */
export class Ended extends Error {
  override readonly name = 'Ended';
  readonly exitCode: ExitCode;

  constructor(exitCode: ExitCode) {
    super(`ended with ${exitCode}`);
    this.exitCode = exitCode;
  }
}

export const usage = (detail: string): StrongroomError => new StrongroomError('request.invalid', detail);
