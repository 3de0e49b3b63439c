/** What a server has written since a moment: the raw bytes of its files, in pieces that overlap so that nothing is cut. */
import { open, readdir, stat } from 'node:fs/promises';
import { join, relative } from 'node:path';
import type { Haystack } from './world.ts';

const PIECE_BYTES = 1 << 20;
/** A file system may round the time of a change down. */
const TIME_SLACK_MS = 2_000;

export async function* writtenFiles(
  folders: readonly string[],
  sinceMs: number,
  overlap: number,
): AsyncGenerator<Haystack> {
  for (const folder of folders) {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true });
    for (const entry of entries) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      if (await isOlder(path, sinceMs - TIME_SLACK_MS)) continue;
      yield* pieces(path, relative(folder, path), overlap);
    }
  }
}

/** One that goes while it is looked at holds nothing any more. */
const isOlder = async (path: string, sinceMs: number): Promise<boolean> =>
  stat(path).then(
    ({ mtimeMs }) => mtimeMs < sinceMs,
    (error: NodeJS.ErrnoException) => missing(error),
  );

async function* pieces(path: string, name: string, overlap: number): AsyncGenerator<Haystack> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    missing(error);
    return null;
  });
  if (file === null) return;
  try {
    const buffer = Buffer.alloc(PIECE_BYTES + overlap);
    for (let held = 0, at = 0; ;) {
      const { bytesRead } = await file.read(buffer, held, buffer.length - held, at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield { name, bytes: buffer.subarray(0, held + bytesRead) };
      const kept = Math.min(overlap, held + bytesRead);
      buffer.copyWithin(0, held + bytesRead - kept, held + bytesRead);
      held = kept;
    }
  } finally {
    await file.close();
  }
}

function missing(error: NodeJS.ErrnoException): true {
  if (error.code === 'ENOENT') return true;
  throw error;
}
