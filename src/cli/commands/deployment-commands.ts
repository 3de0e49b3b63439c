/** init, serve, start, doctor: the commands that open a data directory in this process. */
import type { Command } from 'commander';
import { Ended, EXIT } from '../exit.ts';
import { wholeNumber } from '../flags.ts';
import type { Access, Finding, LocalCommands, RunningServer } from '../local.ts';
import type { Session } from '../session.ts';
import { readSettings, type SettingFlags } from '../settings.ts';
import { called } from '../show/text.ts';
import type { Settings } from '../../config.ts';

interface DataFlags extends SettingFlags {
  readonly data?: string;
}

const DEFAULT_DATA = 'strongroom-data';

const withData = (command: Command): Command =>
  command.option('--data <dir>', `the data directory (default: STRONGROOM_DATA or ./${DEFAULT_DATA})`);

const withListener = (command: Command): Command =>
  withData(command)
    .option('--port <n>', 'the port to listen on', wholeNumber(0, 65_535))
    .option('--host <address>', 'the address to listen on');

export function deploymentCommands(program: Command, session: Session): void {
  withListener(program.command('init'))
    .description('make a deployment: keystore, certificates, a vault and the first key')
    .action(async (flags: DataFlags) => {
      const { local, directory, settings } = await openFlags(session, flags);
      await showAccess(session, await local.initDeployment(directory, settings));
      session.say(`\nServe it with: ${session.command} serve --data ${shellWord(directory)}`);
    });
  withListener(program.command('serve'))
    .description('serve a deployment')
    .action(async (flags: DataFlags) => {
      const { local, directory, settings } = await openFlags(session, flags);
      const server = await local.serve(directory, settings);
      await session.show(reachOf(server), () => '');
      session.say(`Strongroom is ready at ${server.url} (data: ${directory}). Stop it with Ctrl-C.`);
      await untilStopped(session, server);
    });
  withListener(program.command('start'))
    .description('init if needed, then serve')
    .action(async (flags: DataFlags) => {
      await start(session, flags);
    });
  withData(program.command('clock').description('the clock of a stopped server').command('trust'))
    .description('say that the clock is right: what was doubted is destroyed by it from then on')
    .action(async (flags: DataFlags) => {
      const { local, directory, settings } = await openFlags(session, flags);
      const { now } = await local.trustClock(directory, settings);
      await session.show({ now }, () => `${now}\n`);
    });
  withData(program.command('doctor'))
    .description('look for what weakens a deployment')
    .action(async (flags: DataFlags) => {
      const { local, directory, settings } = await openFlags(session, flags);
      await showFindings(session, await local.doctor(directory, settings));
    });
}

async function start(session: Session, flags: DataFlags): Promise<void> {
  const { local, directory, settings } = await openFlags(session, flags);
  const isNew = !(await local.isInitialised(directory));
  const access = isNew ? await local.initDeployment(directory, settings) : null;
  let server: RunningServer;
  try {
    server = await local.serve(directory, { ...settings, logLevel: settings.logLevel ?? 'warn' });
  } catch (error) {
    // The key has been made and will not be shown again.
    if (access !== null) await showAccess(session, access);
    throw error;
  }
  if (access === null) {
    await session.show(reachOf(server), () => '');
    sayOld(session, server, directory);
  } else {
    session.say(
      `Strongroom is ready at ${server.url} (data: ${directory}).\n\nIn another terminal, paste these lines:\n`,
    );
    await showAccess(session, { ...access, url: server.url });
    session.say(
      `${nextSteps(session.command)}\nThe key is shown this once: keep it in a safe place. Stop the server with Ctrl-C.`,
    );
  }
  await untilStopped(session, server);
}

const nextSteps = (command: string): string => `
then try it:

  ${command} add "Ann prefers tea to coffee"
  ${command} search "what does Ann drink?"
  ${command} ledger list
`;

function sayOld(session: Session, server: RunningServer, directory: string): void {
  const ca = server.ca === null ? '' : ` STRONGROOM_CA=${shellWord(server.ca)}`;
  session.say(`Strongroom is ready at ${server.url} (data: ${directory}).

In another terminal, with the key you were shown when it was made:

  export STRONGROOM_URL=${server.url}${ca} STRONGROOM_API_KEY=sr_…
  ${session.command} search "what does Ann drink?"

Without that key, stop the server (Ctrl-C) and make a new one:

  ${session.command} key create NAME --data ${shellWord(directory)}
`);
}

/** Lines to paste, which a shell's eval takes as well. */
async function showAccess(session: Session, access: Access): Promise<void> {
  const indent = session.io.outColumns === null ? '' : '  ';
  await session.show(access, () =>
    [
      `export STRONGROOM_URL=${shellWord(access.url)}`,
      `export STRONGROOM_API_KEY=${shellWord(access.apiKey)}`,
      ...(access.ca === null ? [] : [`export STRONGROOM_CA=${shellWord(access.ca)}`]),
    ]
      .map((line) => `${indent}${line}\n`)
      .join(''),
  );
}

const reachOf = ({ url, ca }: RunningServer): object => ({ url, ca });

async function untilStopped(session: Session, server: RunningServer): Promise<void> {
  const { stopped } = session.io;
  if (!stopped.aborted)
    await new Promise((resolve) => {
      stopped.addEventListener('abort', resolve, { once: true });
    });
  session.say('Stopping.');
  await server.close();
}

async function showFindings(session: Session, findings: readonly Finding[]): Promise<void> {
  const { command } = session;
  await session.show({ findings }, () => findings.map((finding) => findingText(finding, command)).join(''));
  if (findings.some((finding) => finding.status === 'failing')) throw new Ended(EXIT.claim);
}

const MARKS = { ok: 'ok      ', warning: 'warning ', failing: 'FAILING ' } as const;

const findingText = ({ name, status, detail, advice }: Finding, command: string): string =>
  `${MARKS[status]} ${name}: ${detail}\n${advice === undefined ? '' : `         ${called(advice, command)}\n`}`;

async function openFlags(
  session: Session,
  flags: DataFlags,
): Promise<{ local: LocalCommands; directory: string; settings: Settings }> {
  const directory = session.path(flags.data ?? (session.io.variables['STRONGROOM_DATA'] || DEFAULT_DATA));
  const settings = await readSettings(session.io, directory, flags);
  return { local: await session.io.local(), directory, settings };
}

/** A word that a POSIX shell reads back as it is. */
export const shellWord = (text: string): string =>
  /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
