/** The settings of a data directory, as the file, the environment and this command's flags give them. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseSettings, type Settings } from '../config.ts';
import { StrongroomError } from '../errors.ts';
import type { Io } from './io.ts';

export interface SettingFlags {
  readonly port?: number;
  readonly host?: string;
}

/** Flags win over the environment, which wins over `config.json`. */
export async function readSettings(
  io: Io,
  dataDirectory: string,
  flags: SettingFlags = {},
): Promise<Settings> {
  const variables = {
    ...io.variables,
    ...(flags.port === undefined ? {} : { STRONGROOM_PORT: String(flags.port) }),
    ...(flags.host === undefined ? {} : { STRONGROOM_HOST: flags.host }),
  };
  return parseSettings(await readIfThere(join(dataDirectory, 'config.json')), variables);
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw new StrongroomError('config.invalid', { detail: `${path} cannot be read (${code})`, cause });
  }
}
