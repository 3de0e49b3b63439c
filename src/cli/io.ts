/**
 * What a command line has around it: streams, terminal, environment, time. Commands get it as an argument, so that a
 * test can run them in its own process and read what a person would have read.
 */
import type { ClientEnvironment, Fetch } from '@strongroom/client';
import type { Clock, Random } from '../environment.ts';
import type { LocalCommands } from './local.ts';

export interface Io {
  /** Environment variables. */
  readonly variables: Readonly<Record<string, string | undefined>>;
  /** The working directory, which relative paths begin at. */
  readonly directory: string;
  /** Data. Resolves once more may be written. */
  readonly out: (text: string) => Promise<void>;
  /** Words. */
  readonly err: (text: string) => void;
  /** Width of the terminal that data goes to; null: it goes to a file or a pipe. */
  readonly outColumns: number | null;
  readonly errColumns: number | null;
  /** All of standard input as text; null when a person sits there. */
  readonly input: () => Promise<string | null>;
  /** Aborted when the user or the system asks the command to stop. */
  readonly stopped: AbortSignal;
  readonly clock: Clock;
  readonly random: Random;
  /** In place of the network. */
  readonly fetch?: Fetch | undefined;
  /** In place of the client's own waiting and chance. */
  readonly clientEnvironment?: ClientEnvironment | undefined;
  /** The half that opens a data directory, loaded only when a command needs it. */
  readonly local: () => Promise<LocalCommands>;
}
