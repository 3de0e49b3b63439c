import { closeSync, openSync } from 'node:fs';
import { StrongroomError } from '../errors.ts';

const FILE_MODE = 0o600;

/** Makes an empty file that its owner alone can read, or finds that it is there and can be written. */
export function touchPrivate(path: string): void {
  try {
    closeSync(openSync(path, 'a', FILE_MODE));
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw new StrongroomError('store.unavailable', { detail: `${path} cannot be written (${code})`, cause });
  }
}
