/** `strongroom ARGS`, from arguments to exit code: nothing in here ends the process or reaches for its streams. */
import { Command, CommanderError } from 'commander';
import { archiveCommands } from './commands/archive-commands.ts';
import { deploymentCommands } from './commands/deployment-commands.ts';
import { erasureCommands } from './commands/erasure-commands.ts';
import { exportCommand } from './commands/export-command.ts';
import { holdCommands } from './commands/hold-commands.ts';
import { importCommand } from './commands/import-command.ts';
import { keyCommands } from './commands/key-commands.ts';
import { keptExportCommands } from './commands/kept-export-commands.ts';
import { ledgerCommands } from './commands/ledger-commands.ts';
import { memoryCommands } from './commands/memory-commands.ts';
import { retentionCommands } from './commands/retention-commands.ts';
import { recoveryCommands } from './commands/recovery-commands.ts';
import { vaultCommands } from './commands/vault-commands.ts';
import { rotationCommands } from './commands/rotation-commands.ts';
import { verifyCommands } from './commands/verify-commands.ts';
import { VERSION } from '../version.ts';
import { Ended, EXIT, exitCodeOf, type ExitCode } from './exit.ts';
import type { Io } from './io.ts';
import { Session, type GlobalFlags } from './session.ts';

const EXAMPLES = `
Local commands (start, init, serve, doctor, clock trust, backup restore, keystore, ledger verify; key create, backup and drill
with --data) open a data directory.
All others speak to the server that these name:
  STRONGROOM_URL, STRONGROOM_API_KEY, STRONGROOM_CA

Examples:
  strongroom start
  strongroom add "Ann prefers tea" --subject ann
  strongroom search "what does Ann drink?"
  strongroom import chat.json --vault-per-conversation`;

export async function run(argv: readonly string[], io: Io): Promise<ExitCode> {
  const program = new Command('strongroom');
  const session = new Session(io, () => program.opts<GlobalFlags>());
  setUp(program, io);
  memoryCommands(program, session);
  importCommand(program, session);
  exportCommand(program, session);
  keptExportCommands(program, session);
  vaultCommands(program, session);
  retentionCommands(program, session);
  holdCommands(program, session);
  archiveCommands(program, session);
  keyCommands(program, session);
  erasureCommands(program, session);
  ledgerCommands(program, session);
  rotationCommands(program, session);
  verifyCommands(program, session);
  recoveryCommands(program, session);
  deploymentCommands(program, session);
  // What a subcommand is given is what its parent was given: commander copies settings when a command is made.
  try {
    await program.parseAsync(argv, { from: 'user' });
    return EXIT.good;
  } catch (error) {
    return ending(error, session);
  } finally {
    session.close();
  }
}

function setUp(program: Command, io: Io): void {
  const width = io.outColumns ?? 100;
  program
    .description('Memory for AI agents: sealed at rest, erasable, every action in a tamper-evident ledger.')
    .version(VERSION, '--version', 'the version of this program')
    .option('--json', 'data as JSON')
    .option('--url <url>', 'the server (default: STRONGROOM_URL)')
    .option('--ca <file>', 'the CA to trust, in PEM (default: STRONGROOM_CA)')
    .option('--purpose <text>', 'why: kept in the ledger')
    .addHelpText('after', EXAMPLES)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void io.out(text),
      writeErr: io.err,
      getOutHelpWidth: () => width,
      getErrHelpWidth: () => width,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
      outputError: (text, write) => {
        write(text.replace(/^error: /, 'strongroom: usage: '));
      },
    })
    .showHelpAfterError('(strongroom help says more)');
}

function ending(error: unknown, session: Session): ExitCode {
  if (error instanceof Ended) return error.exitCode;
  // Commander has said what was wrong, or shown the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.good : EXIT.usage;
  if (session.io.stopped.aborted && error === session.io.stopped.reason) return EXIT.unexpected;
  session.fail(error);
  return exitCodeOf(error);
}
