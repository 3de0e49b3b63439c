/** The process's own streams, signals and clock as the `Io` of a command line. */
import { realEnvironment } from '../environment.ts';
import type { Io } from './io.ts';
import type { LocalCommands } from './local.ts';

export function processIo(local: () => Promise<LocalCommands>): Io {
  const { clock, random } = realEnvironment;
  const stop = new AbortController();
  const onSignal = (): void => {
    // Whoever asks twice does not want to wait for what is under way.
    if (stop.signal.aborted) process.exit(130);
    stop.abort(new Error('stopped'));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  // The reader of a pipe that has seen enough (`| head`) is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1);
  });
  return {
    variables: process.env,
    directory: process.cwd(),
    out: writeOut,
    err: (text) => void process.stderr.write(text),
    outColumns: process.stdout.isTTY ? process.stdout.columns : null,
    errColumns: process.stderr.isTTY ? process.stderr.columns : null,
    input: readInput,
    stopped: stop.signal,
    clock,
    random,
    local,
  };
}

function writeOut(text: string): Promise<void> {
  return new Promise((resolve) => {
    if (process.stdout.write(text)) resolve();
    else process.stdout.once('drain', resolve);
  });
}

async function readInput(): Promise<string | null> {
  if (process.stdin.isTTY) return null;
  const chunks: Uint8Array[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Uint8Array);
  return Buffer.concat(chunks).toString('utf8');
}
