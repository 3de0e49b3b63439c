/** Data into a file that is there whole or not at all, or onto standard output. */
import { open, rename, rm } from 'node:fs/promises';
import { usage } from './exit.ts';
import type { Session } from './session.ts';

const TOGETHER = 64 * 1024;

/** Writes what `parts` give and returns how many they were: onto standard output, or into a file as `writeFileWhole` does. */
export async function writeWhole(
  session: Session,
  name: string | undefined,
  parts: AsyncIterable<string>,
): Promise<number> {
  if (name === undefined || name === '-') return await copy(parts, session.io.out);
  return writeFileWhole(session.path(name), parts);
}

/**
 * The same for text or bytes. A file is written beside its place, readable by its owner
 * only, and takes its name at the end, so that an export that broke off is never mistaken for a whole one.
 */
export async function writeFileWhole(
  path: string,
  parts: AsyncIterable<string | Uint8Array>,
): Promise<number> {
  const partial = `${path}.part`;
  await refuseExisting(path);
  const file = await open(partial, 'w', 0o600);
  let count = 0;
  try {
    count = await copy(parts, (part) => file.appendFile(part));
    await file.sync();
    await file.close();
    await rename(partial, path);
  } catch (error) {
    await file.close();
    await rm(partial, { force: true });
    throw error;
  }
  return count;
}

/** Lines are small and calls are not: several go out together. */
async function copy<Part extends string | Uint8Array>(
  parts: AsyncIterable<Part>,
  write: (part: Part | string) => Promise<void>,
): Promise<number> {
  let count = 0;
  let held = '';
  for await (const part of parts) {
    count += 1;
    if (typeof part !== 'string') {
      await write(part);
      continue;
    }
    held += part;
    if (held.length < TOGETHER) continue;
    await write(held);
    held = '';
  }
  if (held !== '') await write(held);
  return count;
}

async function refuseExisting(path: string): Promise<void> {
  try {
    await (await open(path, 'r')).close();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  throw usage(`${path} is there already: name a new file, or remove it first`);
}
