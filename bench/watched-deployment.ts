/** A deployment of a benchmark's own, opened in this process, that says when it last came to each of its named points. */
import { join } from 'node:path';
import { parseSettings } from '../src/config.ts';
import { initDeployment } from '../src/deployment.ts';
import { realEnvironment } from '../src/environment.ts';
import { silentLog } from '../src/http/request-log.ts';
import { openStrongroom, type Strongroom } from '../src/strongroom.ts';

export interface Watched {
  readonly open: Strongroom;
  readonly directory: string;
  /** Times of `performance.now()`, by the names of fault points. */
  readonly points: ReadonlyMap<string, number>;
}

export async function watchedDeployment(folder: string, name: string): Promise<Watched> {
  const points = new Map<string, number>();
  const directory = join(folder, name);
  const settings = parseSettings(JSON.stringify({ tls: 'off', port: 0, logLevel: 'silent' }), {});
  await initDeployment(directory, settings, { log: silentLog });
  const open = await openStrongroom({
    directory,
    settings,
    environment: { ...realEnvironment, fault: (point) => void points.set(point, performance.now()) },
    log: silentLog,
    onFatal: (error) => {
      throw error;
    },
  });
  return { open, directory, points };
}
