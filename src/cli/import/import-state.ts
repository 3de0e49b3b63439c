/**
 * How far an import has come, kept in a small file under the user's state directory: a random id, numbers and times; no
 * content and no name. With it, an import that was interrupted goes on where it stopped, and sends what may or may not
 * have arrived again under the same idempotency key, so that nothing is added twice.
 */
import { createHash, createHmac } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { StrongroomError } from '../../errors.ts';
import type { Source } from './item.ts';

const position = z.strictObject({ items: z.int().min(0), offset: z.int().min(0) });

const schema = z.strictObject({
  version: z.literal(1),
  /** 32 random bytes in hexadecimal: the key under which idempotency keys are made. */
  importId: z.string().regex(/^[0-9a-f]{64}$/),
  sizeBytes: z.int().min(0),
  modifiedMs: z.int(),
  batch: z.int().min(1),
  position,
  added: z.int().min(0),
  skipped: z.int().min(0),
  /** HMAC under the import id of what lies before `position`, made when a run ends; null while one is under way. */
  prefix: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .nullable(),
  finishedAt: z.string().nullable(),
});

export type ImportState = z.output<typeof schema>;

/** What makes two runs the same import. */
export interface ImportIdentity {
  readonly url: string;
  readonly path: string;
  /** The vault, or `conversation` for one each. */
  readonly target: string;
  readonly format: string;
}

export function statePath(
  identity: ImportIdentity,
  variables: Readonly<Record<string, string | undefined>>,
): string {
  const root = variables['XDG_STATE_HOME'] || join(variables['HOME'] || homedir(), '.local', 'state');
  const { url, path, target, format } = identity;
  const name = createHash('sha256')
    .update(JSON.stringify([url, path, target, format]))
    .digest('hex');
  return join(root, 'strongroom', 'imports', `${name.slice(0, 32)}.json`);
}

/** The state, or null: this import has never run. */
export async function readState(path: string): Promise<ImportState | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw cause;
  }
  const parsed = schema.safeParse(parse(text));
  if (parsed.success) return parsed.data;
  throw new StrongroomError(
    'request.invalid',
    `${path} is damaged: remove it, or import again from the start with --again`,
  );
}

/** Whole or not at all: a crash leaves the state before or after. */
export async function writeState(path: string, state: ImportState): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const partial = `${path}.part`;
  const file = await open(partial, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(state)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(partial, path);
}

/** What was imported, in a form that says nothing without the import id and nothing to whom does not have the file. */
export async function prefixOf(source: Source, state: ImportState): Promise<string> {
  const digest = createHmac('sha256', Buffer.from(state.importId, 'hex'));
  await source.before(state.position, (bytes) => {
    digest.update(bytes);
  });
  return digest.digest('hex');
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
