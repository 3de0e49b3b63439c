/**
 * Folders of scratch instances. One that a killed process left behind holds nothing but canaries under keys that lie
 * beside them; the next scratch instance takes it away.
 */
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { HOUR_MS } from '../durations.ts';
import { StrongroomError } from '../errors.ts';
import { lockDirectory } from '../store/directory-lock.ts';

const PREFIX = 'strongroom-scratch-';
/** The data directory within. */
export const SCRATCH_DATA = 'data';
/** Younger ones may be in the making. */
const ABANDONED_MS = HOUR_MS;

/** `parent` stands for the system's folder for temporary files. */
export async function makeScratchFolder(nowMs: number, parent = tmpdir()): Promise<string> {
  await removeAbandoned(nowMs, parent);
  return mkdtemp(join(parent, PREFIX));
}

export const removeScratchFolder = (folder: string): Promise<void> =>
  rm(folder, { recursive: true, force: true, maxRetries: 3 });

async function removeAbandoned(nowMs: number, parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    if (!name.startsWith(PREFIX)) continue;
    const folder = join(parent, name);
    const found = await stat(folder).catch(() => null);
    const isOld = found !== null && nowMs - found.mtimeMs > ABANDONED_MS;
    if (isOld && found.uid === process.geteuid?.() && isUnlocked(join(folder, SCRATCH_DATA)))
      await removeScratchFolder(folder);
  }
}

/** A lock dies with its process; where there is no place for one, nobody is at work. */
function isUnlocked(directory: string): boolean {
  try {
    lockDirectory(directory).release();
    return true;
  } catch (error) {
    return error instanceof StrongroomError && error.code !== 'data.in_use';
  }
}
