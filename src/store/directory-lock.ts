/**
 * One process per data directory: a lock that dies with its process, however it dies.
 *
 * It is SQLite's own exclusive lock on a small file of its own, held by an open transaction. The system drops it when
 * the process ends, so there is never a stale one to break; the file stays and means nothing.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { StrongroomError } from '../errors.ts';
import { touchPrivate } from './private-file.ts';

export interface DirectoryLock {
  release(): void;
}

const LOCK_FILE = 'lock';

/** Keeps the locks of this process from being collected, and so dropped, where nobody holds on to the answer. */
const held = new Set<DatabaseSync>();

/** Locks an existing directory; `data.in_use` if another process, or this one, has it. */
export function lockDirectory(directory: string): DirectoryLock {
  const path = join(directory, LOCK_FILE);
  touchPrivate(path);
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    // Without a journal file beside it: nothing is ever written here.
    database.exec('pragma journal_mode = memory; begin exclusive');
  } catch (cause) {
    database.close();
    throw new StrongroomError('data.in_use', { detail: `${directory} is in use by another process`, cause });
  }
  held.add(database);
  return {
    release: () => {
      if (held.delete(database)) database.close();
    },
  };
}
