/** backup, drill, restore, keystore. With --data they open a stopped deployment; else they ask its server. */
import { StrongroomError, type Backup } from '@strongroom/client';
import { Option, type Command } from 'commander';
import { Ended, EXIT, usage } from '../exit.ts';
import { time } from '../flags.ts';
import type {
  CommittedRestore,
  DrillReport,
  KeystoreChange,
  KeystoreState,
  LocalCommands,
  RecoveryReport,
  RestoredCopy,
} from '../local.ts';
import type { Session } from '../session.ts';
import { readSettings } from '../settings.ts';
import { NowAndThen } from '../show/now-and-then.ts';
import { counted, grouped } from '../show/number.ts';
import { tableText } from '../show/table.ts';
import { showSpan, showTime } from '../show/time.ts';
import type { Settings } from '../../config.ts';

interface BackupFlags {
  readonly kind?: Backup['kind'];
  readonly data?: string;
}

export function recoveryCommands(program: Command, session: Session): void {
  const backup = program.command('backup').description('make, list, look at and restore backups');
  backupCommands(backup, session);
  restoreCommand(backup, session);
  drillCommand(program, session);
  keystoreCommands(program, session);
}

function backupCommands(backup: Command, session: Session): void {
  backup
    .command('create', { isDefault: true })
    .description('make a backup now')
    .addOption(
      new Option(
        '--kind <kind>',
        'everything, what changed since the last daily one, or since the last of any',
      )
        .choices(['full', 'incremental', 'log'])
        .default('incremental'),
    )
    .option('--data <dir>', 'of a stopped server: makes it without one')
    .action(async (flags: BackupFlags) => {
      const made = await createBackup(session, flags);
      await session.show(made, () => `${made.id}\n`);
      const { kind, rows, sizeBytes, copies } = made;
      session.say(
        `${kind} backup: ${counted(rows, 'row', 'rows')}, ${grouped(sizeBytes)} bytes, in ${counted(copies, 'place', 'places')}.`,
      );
    });
  backup
    .command('list')
    .description('list the backups, newest first')
    .action(async () => {
      const backups = await Array.fromAsync(session.client.backups.listAll());
      await session.show({ backups }, () => {
        const columns = ['ID', 'KIND', 'MOMENT', 'ROWS', 'BYTES', 'COPIES'].map((title, at) => ({
          title,
          right: at > 2,
        }));
        const rows = backups.map((one) => [
          one.id,
          one.kind,
          showTime(one.takenAt),
          grouped(one.rows),
          grouped(one.sizeBytes),
          String(one.copies),
        ]);
        return tableText(columns, rows, session.place);
      });
    });
  backup
    .command('status')
    .description('how much could be lost now, and where the copies are')
    .action(async () => {
      const status = await session.client.backups.status();
      await session.show(status, () => {
        const when = (at: string | null): string => (at === null ? 'never' : showTime(at));
        const { recoverableAt, lossSeconds, fullAt, incrementalAt, places, drill } = status;
        const lines = [
          `recoverable to  ${when(recoverableAt)}${lossSeconds === null ? '' : ` (${showSpan(lossSeconds)} ago)`}`,
          `last full       ${when(fullAt)}`,
          `last daily      ${when(incrementalAt)}`,
          `last drill      ${drill === null ? 'never' : `${showTime(drill.startedAt)}, ${drill.state}`}`,
          ...places.map(
            ({ location, reachable, missing }, at) =>
              `copy ${at + 1}          ${location ?? 'no location'}, ${reachable ? `${missing} missing` : 'not reachable'}`,
          ),
        ];
        return `${lines.join('\n')}\n`;
      });
    });
}

async function createBackup(
  session: Session,
  { kind = 'incremental', data }: BackupFlags,
): Promise<Pick<Backup, 'id' | 'kind' | 'rows' | 'sizeBytes' | 'copies'>> {
  const progress = new NowAndThen(session);
  if (data === undefined) {
    for await (const event of session.client.backups.createStream({ kind }))
      if (event.type === 'backup') return event.backup;
      else progress.say(`${grouped(event.rows)} rows`);
    throw new StrongroomError(
      'answer.invalid',
      'the backup broke off: strongroom backup list says whether it is there',
    );
  }
  const { local, directory, settings } = await openFlags(session, data);
  return local.backUp(directory, settings, {
    kind,
    onRows: (rows) => progress.say(`${grouped(rows)} rows`),
  });
}

function drillCommand(program: Command, session: Session): void {
  program
    .command('drill')
    .description('restore everything into a place of its own, compare it, and say how long it took')
    .option('--data <dir>', 'of a stopped server: without one')
    .action(async ({ data }: { data?: string }) => {
      const report = await runDrill(session, data);
      await session.show(report, () => drillText(report));
      if (report.state === 'failed') throw new Ended(EXIT.claim);
    });
}

async function runDrill(session: Session, data: string | undefined): Promise<DrillReport> {
  const progress = new NowAndThen(session);
  if (data === undefined) {
    for await (const event of session.client.backups.drillStream())
      if (event.type === 'drill') return event.drill;
      else progress.say(`${event.pieces} of ${event.of} pieces`);
    throw new StrongroomError('answer.invalid', 'the drill broke off');
  }
  const { local, directory, settings } = await openFlags(session, data);
  return local.drill(directory, settings, (done, of) => progress.say(`${done} of ${of} pieces`));
}

const drillText = ({ state, recoverySeconds, lossSeconds, rows, opened, faults }: DrillReport): string =>
  [
    `${state === 'passed' ? 'passed' : 'FAILED'}  recovery took ${recoverySeconds.toFixed(1)} s; ${lossSeconds.toFixed(0)} s could have been lost`,
    `        ${counted(rows, 'row', 'rows')}; ${counted(opened, 'record', 'records')} of the sample opened`,
    ...faults.map((fault) => `        ${fault}`),
    '',
  ].join('\n');

interface RestoreCommandFlags {
  readonly data?: string;
  readonly from?: string;
  readonly at?: string;
  readonly skipDamaged?: boolean;
  readonly commit?: boolean;
}

function restoreCommand(backup: Command, session: Session): void {
  backup
    .command('restore')
    .description('lay a backup into a new data directory, to be looked at; --commit makes it the deployment')
    .requiredOption('--data <dir>', 'the new data directory, with a replica of the keystore in its place')
    .option('--from <dir>', 'the folder with the backups')
    .option('--at <time>', 'the newest moment up to this', time)
    .option('--skip-damaged', 'without what cannot be read')
    .option('--commit', 'from here on: what is newer than the copy is gone for good')
    .action(async (flags: RestoreCommandFlags) => {
      if (flags.from === undefined && flags.commit !== true)
        throw usage(
          'what to restore? --from DIR lays a backup out, --commit makes what lies there the deployment',
        );
      if (flags.from === undefined && (flags.at !== undefined || flags.skipDamaged === true))
        throw usage('--at and --skip-damaged belong to --from');
      const { local, directory, settings } = await openFlags(session, flags.data ?? '');
      const restored =
        flags.from === undefined ? null : await layOut(session, local, { directory, settings, flags });
      const committed = flags.commit === true ? await local.commit(directory, settings) : null;
      await session.show({ restored, committed }, () => restoreText(restored, committed));
      if (committed === null)
        session.say(
          `Look at it with ${session.command} serve --data ${flags.data ?? ''}; nothing can be changed there yet.\n` +
            `Make it the deployment with ${session.command} backup restore --commit --data ${flags.data ?? ''}`,
        );
      sayMissing(session, committed?.missing ?? [], flags.data ?? '');
      if ((restored?.skipped.length ?? 0) > 0) throw new Ended(EXIT.unfinished);
    });
}

interface Laying {
  readonly directory: string;
  readonly settings: Settings;
  readonly flags: RestoreCommandFlags;
}

function layOut(
  session: Session,
  local: LocalCommands,
  { directory, settings, flags }: Laying,
): Promise<RestoredCopy> {
  const progress = new NowAndThen(session);
  const order = {
    from: session.path(flags.from ?? ''),
    skipDamaged: flags.skipDamaged === true,
    ...(flags.at === undefined ? {} : { at: Date.parse(flags.at) }),
  };
  return local.restore(directory, settings, order, (done, of) => progress.say(`${done} of ${of} pieces`));
}

function restoreText(restored: RestoredCopy | null, committed: CommittedRestore | null): string {
  const lines: string[] = [];
  if (restored !== null) {
    lines.push(`restored to ${showTime(restored.takenAt)}: ${counted(restored.rows, 'row', 'rows')}`);
    for (const one of restored.damage) lines.push(`  could not be used: ${one}`);
    for (const one of restored.skipped) lines.push(`  LEFT OUT: ${one}`);
    for (const one of restored.differences) lines.push(`  DIFFERS: ${one}`);
  }
  if (committed !== null) {
    const dropped = Object.entries(committed.dropped).map(([table, rows]) => `${rows} of ${table}`);
    lines.push(`committed: the deployment goes on from ${showTime(committed.takenAt)}`);
    if (dropped.length > 0) lines.push(`  ended since, and taken out: ${dropped.join(', ')}`);
  }
  return `${lines.join('\n')}\n`;
}

function keystoreCommands(program: Command, session: Session): void {
  const keystore = program
    .command('keystore')
    .description('the replicas of the keystore of a stopped server');
  const add = (name: string, words: string): Command =>
    keystore.command(name).description(words).requiredOption('--data <dir>', 'the data directory');
  add('list', 'which there are').action((flags: { data: string }) => change(session, flags.data, null));
  add('add', 'copy the keystore to a new folder, and count on it from now on')
    .argument('<folder>', 'as it will stand in the setting `keystores`')
    .action((folder: string, flags: { data: string }) => change(session, flags.data, { add: folder }));
  add('drop', 'wipe a replica, and no longer count on it')
    .argument('<replica>', 'its name')
    .action((name: string, flags: { data: string }) => change(session, flags.data, { drop: name }));
  add('lost', 'no longer wait for a replica that is gone; certificates of erasure say so')
    .argument('<replica>', 'its name')
    .requiredOption('--reason <text>', 'what became of it: no personal data')
    .action((name: string, flags: { data: string; reason: string }) =>
      change(session, flags.data, { lost: name, reason: flags.reason }),
    );
  add('recover', 'go on from a keystore that is older than the database, every newer replica being lost')
    .option('--commit', 'do it: what was sealed under keys that are gone is given up')
    .action(async ({ data, commit = false }: { data: string; commit?: boolean }) => {
      const { local, directory, settings } = await openFlags(session, data);
      const report = await local.recover(directory, settings, commit);
      await session.show(report, () => recoveryText(report));
      if (report.committed === null)
        session.say(
          `Nothing has been changed. If no newer replica can be found:\n` +
            `${session.command} keystore recover --commit --data ${data}`,
        );
      sayMissing(session, report.committed?.missing ?? [], data);
    });
}

function recoveryText({
  epoch,
  newestEpoch,
  requests,
  slots,
  lost,
  doubts,
  committed,
}: RecoveryReport): string {
  const lines = [
    `the keystore is at epoch ${epoch}, the database at ${newestEpoch}`,
    `  ${counted(requests, 'erasure or other end', 'erasures and other ends')} since (${counted(slots, 'key', 'keys')}) ${committed === null ? 'would be' : 'are'} done again`,
    ...lost.map(
      ({ owner, leaves, memories }) =>
        `  LOST: ${counted(leaves, 'leaf', 'leaves')} of ${owner}, with ${counted(memories, 'version of a memory', 'versions of memories')}`,
    ),
    ...doubts.map((doubt) => `  DOUBT: ${doubt}`),
  ];
  if (committed !== null) {
    const dropped = Object.entries(committed.dropped).map(([table, rows]) => `${rows} of ${table}`);
    lines.push(`recovered: epoch ${committed.epoch}`);
    if (dropped.length > 0) lines.push(`  rows that nothing opens, taken out: ${dropped.join(', ')}`);
  }
  return `${lines.join('\n')}\n`;
}

function sayMissing(session: Session, missing: readonly string[], data: string): void {
  for (const name of missing)
    session.say(
      `The keystore replica ${name} could not be reached. Erasures wait for it until it is put back, or:\n` +
        `${session.command} keystore lost ${name} --reason "…" --data ${data}`,
    );
}

async function change(session: Session, data: string, wanted: KeystoreChange | null): Promise<void> {
  const { local, directory, settings } = await openFlags(session, data);
  const state = await local.keystore(directory, settings, wanted);
  await session.show(state, () => keystoreText(state));
  if (wanted !== null && 'add' in wanted)
    session.say(
      `Put ${wanted.add} into the setting \`keystores\`: until then it is counted on and not found.`,
    );
  if (wanted !== null && !('add' in wanted))
    session.say('Take it out of the setting `keystores`, if it stands there.');
}

const keystoreText = ({ epoch, members, dropped, findings }: KeystoreState): string =>
  [
    ...members.map((name) => `member   ${name}`),
    ...dropped.map(
      ({ name, how, reason }) => `${how.padEnd(8)} ${name}${reason === '' ? '' : `: ${reason}`}`,
    ),
    ...findings.map((finding) => `finding  ${finding}`),
    `epoch    ${epoch}`,
    '',
  ].join('\n');

async function openFlags(
  session: Session,
  data: string,
): Promise<{ local: LocalCommands; directory: string; settings: Settings }> {
  const directory = session.path(data);
  const settings = await readSettings(session.io, directory);
  return { local: await session.io.local(), directory, settings };
}
