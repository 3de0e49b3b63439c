/** The command line in this process, over real deployments: what a person types, reads, and gets as exit code. */
import type { Io } from '../src/cli/io.ts';
import { run } from '../src/cli/run.ts';
import { realEnvironment } from '../src/environment.ts';

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

const PLAIN = {
  STRONGROOM_TLS: 'off',
  STRONGROOM_RATE_LIMIT: 'off',
  STRONGROOM_PORT: '0',
  STRONGROOM_LOG_LEVEL: 'silent',
};

/** A server that is started this way stops as soon as it is ready, so that a refusal that does not come is seen. */
export async function command(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Promise<Said> {
  const said = { out: '', err: '' };
  const stop = new AbortController();
  const { clock, random } = realEnvironment;
  const io: Io = {
    variables: { ...PLAIN, ...variables },
    directory: '/',
    out: (text) => {
      said.out += text;
      return Promise.resolve();
    },
    err: (text) => {
      said.err += text;
      if (text.includes('is ready')) stop.abort(new Error('stopped'));
    },
    outColumns: null,
    errColumns: null,
    input: () => Promise.resolve(null),
    stopped: stop.signal,
    clock,
    random,
    local: () => import('../src/deployment.ts'),
  };
  const code = await run(args, io);
  return { code, ...said };
}
