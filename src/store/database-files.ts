/**
 * The files under an open SQLite database, as their folder shows them.
 *
 * A process goes on writing to a file that was removed or renamed, and what it writes is lost to the next opening: so the
 * names are compared with the files that were opened. The database itself is written at our own checkpoints only; where
 * its size or its time of change moved in between, somebody wrote over the bytes.
 *
 * The log is looked at by the name of its open handle (proc(5)), which shows removal and renaming: since Linux 6.13, asking
 * for a file's times makes the next write to it store a finer one, and a commit a third slower. Nothing is opened here,
 * because closing any handle of the file would drop SQLite's locks on it (sqlite.org/howtocorrupt.html, 2.2).
 */
import { readdirSync, readlinkSync, statSync } from 'node:fs';

interface Seen {
  readonly device: bigint;
  readonly inode: bigint;
  readonly size: bigint;
  readonly changedNs: bigint;
}

export type FileFault = 'its file is gone' | 'another file lies in its place' | 'its file was changed';

const CHANGED = 'its file was changed';
const HANDLES = '/proc/self/fd';

export class DatabaseFiles {
  readonly #path: string;
  readonly #logPath: string;
  #database: Seen | null = null;
  #log: Seen | null = null;
  #isLogCut = false;
  /** An open handle of the log, and its name when it was found; null where the system shows no handles. */
  #logHandle: { readonly place: string; readonly name: string } | null = null;

  /** To be made when the database has been opened and not been closed since. */
  constructor(path: string) {
    this.#path = path;
    this.#logPath = `${path}-wal`;
    this.note();
  }

  /** Takes over what our own checkpoint made of the database; one that is gone or another stays so. */
  note(): void {
    const found = look(this.#path);
    if (found !== null && identityFault(found, this.#database) === null) this.#database = found;
    if (this.#log !== null) return;
    this.#log = look(this.#logPath);
    this.#logHandle = this.#log === null ? null : handleOf(this.#logPath);
  }

  /** Whether what is committed now can be found again: two system calls, some microseconds. */
  fault(): FileFault | null {
    const found = look(this.#path);
    const fault = identityFault(found, this.#database) ?? this.#logFault();
    return fault ?? (this.#isLogCut ? CHANGED : contentFault(found, this.#database));
  }

  /** The same, and whether the log was cut off: it never shrinks while it is open, it starts over in place. */
  thoroughFault(): FileFault | null {
    const found = look(this.#logPath);
    if (found !== null && this.#log !== null && identityFault(found, this.#log) === null) {
      this.#isLogCut ||= found.size < this.#log.size;
      this.#log = found;
    }
    return this.fault();
  }

  #logFault(): FileFault | null {
    const handle = this.#logHandle;
    if (handle !== null && nameAt(handle.place) === handle.name) return null;
    return identityFault(look(this.#logPath), this.#log);
  }
}

function look(path: string): Seen | null {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  return found === undefined
    ? null
    : { device: found.dev, inode: found.ino, size: found.size, changedNs: found.mtimeNs };
}

/** What was never seen cannot be missed. */
function identityFault(found: Seen | null, seen: Seen | null): FileFault | null {
  if (seen === null) return null;
  if (found === null) return 'its file is gone';
  const isSame = found.device === seen.device && found.inode === seen.inode;
  return isSame ? null : 'another file lies in its place';
}

const contentFault = (found: Seen | null, seen: Seen | null): FileFault | null =>
  found !== null && (found.size !== seen?.size || found.changedNs !== seen.changedNs) ? CHANGED : null;

/** Null where the system keeps no such list. */
function handleOf(path: string): { place: string; name: string } | null {
  try {
    for (const number of readdirSync(HANDLES)) {
      const place = `${HANDLES}/${number}`;
      const name = nameAt(place);
      if (name !== null && isSamePlace(place, path)) return { place, name };
    }
  } catch {
    // No such file system: the log is looked at by its path.
  }
  return null;
}

/** The handle of the reading itself is closed by the time it is asked for. */
function nameAt(place: string): string | null {
  try {
    return readlinkSync(place);
  } catch {
    return null;
  }
}

function isSamePlace(place: string, path: string): boolean {
  const [left, right] = [look(place), look(path)];
  return left !== null && identityFault(right, left) === null;
}
