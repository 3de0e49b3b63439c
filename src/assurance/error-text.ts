import { StrongroomError } from '../errors.ts';

/** What went wrong inside a check. It can quote nothing but canaries: a check handles nothing else. */
export function errorText(error: unknown): string {
  if (error instanceof StrongroomError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
}
