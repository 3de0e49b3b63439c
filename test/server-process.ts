/** A deployment served by a process of its own, through the command line, as people serve it. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const MAIN = 'src/cli/main.ts';

export interface ProcessOptions {
  /** Settings as `STRONGROOM_…` variables. */
  readonly variables?: Readonly<Record<string, string>>;
  /** A program and its arguments that run the server in turn. */
  readonly under?: readonly string[];
}

/** What a process said and how it ended. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

const PLAIN = { STRONGROOM_TLS: 'off', STRONGROOM_RATE_LIMIT: 'off', STRONGROOM_VERIFY_EVERY_HOURS: 'off' };

/** Nothing of the surroundings reaches the process but the path and the folder for temporary files. */
const variablesOf = ({ variables = {} }: ProcessOptions): Record<string, string> => ({
  PATH: process.env['PATH'] ?? '',
  ...PLAIN,
  ...variables,
});

export const spawnCli = (args: readonly string[], options: ProcessOptions = {}): ChildProcess =>
  spawnProgram([MAIN, ...args], options);

/** `node` with a program of this project and its arguments. */
export function spawnProgram(args: readonly string[], options: ProcessOptions = {}): ChildProcess {
  const command = [...(options.under ?? []), process.execPath, '--conditions=source', ...args];
  return spawn(command[0] ?? '', command.slice(1), {
    cwd: ROOT,
    env: variablesOf(options),
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs a command to its end; one that goes on for longer than a refusal may take is killed, and has no code. */
export async function runCli(
  args: readonly string[],
  options: ProcessOptions & { timeoutMs?: number } = {},
): Promise<Ended> {
  const child = spawnCli(args, options);
  const said = { out: '', err: '' };
  child.stdout?.on('data', (chunk) => (said.out += String(chunk)));
  child.stderr?.on('data', (chunk) => (said.err += String(chunk)));
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 20_000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  return { code, ...said };
}

export class ServerProcess {
  readonly url: string;
  readonly child: ChildProcess;
  readonly #said: { err: string };

  private constructor(child: ChildProcess, url: string, said: { err: string }) {
    this.child = child;
    this.url = url;
    this.#said = said;
  }

  /** Resolves when the server answers. */
  static async start(directory: string, options: ProcessOptions = {}): Promise<ServerProcess> {
    const child = spawnCli(['serve', '--data', directory, '--port', '0', '--json'], options);
    const said = { err: '' };
    child.stderr?.on('data', (chunk) => (said.err += String(chunk)));
    const ended = once(child, 'close');
    const lines = createInterface({ input: child.stdout! });
    const first = await Promise.race([once(lines, 'line') as Promise<[string]>, ended.then(() => null)]);
    if (first === null) throw new Error(`the server did not start: ${said.err}`);
    return new ServerProcess(child, (JSON.parse(first[0]) as { url: string }).url, said);
  }

  /** Everything it wrote to its error stream, the log with it. */
  get err(): string {
    return this.#said.err;
  }

  /** Ends it with a signal and waits until it is gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
    const closed = once(this.child, 'close') as Promise<[number | null]>;
    this.child.kill(signal);
    return (await closed)[0];
  }
}
