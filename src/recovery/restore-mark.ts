/**
 * The file `restore` in a data directory: its database was laid in from a backup and is not committed yet. While it is there
 * the data can be looked at and nothing can be changed.
 *
 *     {"backup": "bkp_…", "takenAt": milliseconds, "state": "loading" | "ready" | "committing"}
 *
 * `loading`: what lies beside it may be half there and is made again. `ready`: nothing of the keystore was touched. `committing`: the commit has begun and must be run to its end.
 */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { StrongroomError } from '../errors.ts';
import { isMissing, realDisk } from '../keys/disk.ts';

const MARK_FILE = 'restore';

const mark = z.strictObject({
  backup: z.string(),
  takenAt: z.number(),
  state: z.enum(['loading', 'ready', 'committing']),
});

export type RestoreMark = z.infer<typeof mark>;

/** Null where nothing is being restored. */
export async function readRestoreMark(directory: string): Promise<RestoreMark | null> {
  let text: string;
  try {
    text = await readFile(join(directory, MARK_FILE), 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
  try {
    return mark.parse(JSON.parse(text));
  } catch (cause) {
    throw new StrongroomError('box.damaged', {
      detail: `${join(directory, MARK_FILE)} cannot be read`,
      cause,
    });
  }
}

export async function writeRestoreMark(directory: string, content: RestoreMark): Promise<void> {
  const path = join(directory, MARK_FILE);
  await writeFile(`${path}.new`, `${JSON.stringify(content)}\n`, { mode: 0o600, flush: true });
  await rename(`${path}.new`, path);
  await realDisk.syncFolder(directory);
}

export async function removeRestoreMark(directory: string): Promise<void> {
  await rm(join(directory, MARK_FILE), { force: true });
  await realDisk.syncFolder(directory);
}
