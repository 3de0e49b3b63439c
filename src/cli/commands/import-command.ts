/** import FILE: JSON Lines, transcripts, the LoCoMo shape; goes on where it was interrupted. */
import { Option, type Command } from 'commander';
import { encodeHex } from '../../bytes/encoding.ts';
import { Ended, exitCodeOf, usage } from '../exit.ts';
import { wholeNumber } from '../flags.ts';
import { findFile, FORMATS, openSource, type Format, type SourceFile } from '../import/format.ts';
import { importFile, type BadItem } from '../import/import-file.ts';
import { prefixOf, readState, statePath, writeState, type ImportState } from '../import/import-state.ts';
import { BEGINNING, type Source } from '../import/item.ts';
import { Progress } from '../import/progress.ts';
import type { Session } from '../session.ts';
import { counted, grouped } from '../show/number.ts';
import { printable } from '../show/text.ts';
import { showSpan } from '../show/time.ts';

interface ImportFlags {
  readonly vault?: string;
  readonly vaultPerConversation?: boolean;
  readonly format: Format;
  readonly batch: number;
  readonly skipBad?: boolean;
  readonly again?: boolean;
}

const BATCH_MAX = 500;
const BAD_SHOWN_MAX = 20;

export function importCommand(program: Command, session: Session): void {
  program
    .command('import')
    .description('import memories from JSON Lines, or from transcripts of conversations in JSON')
    .argument('<file>', 'JSON Lines as export writes them, or a transcript')
    .addOption(
      new Option('--vault <name>', 'the vault, by name or id (default: "default")').conflicts(
        'vaultPerConversation',
      ),
    )
    .option('--vault-per-conversation', 'a vault for each conversation, made where there is none')
    .addOption(new Option('--format <format>', 'what the file holds').choices(FORMATS).default('auto'))
    .option('--batch <n>', 'memories in one request', wholeNumber(1, BATCH_MAX), BATCH_MAX)
    .option('--skip-bad', 'leave out what cannot be imported, and count it')
    .option('--again', 'import all of it anew, whatever was imported before')
    .action(async (path: string, flags: ImportFlags) => {
      await runImport(session, await findFile(session.path(path)), flags);
    });
}

async function runImport(session: Session, file: SourceFile, flags: ImportFlags): Promise<void> {
  const vault = flags.vaultPerConversation === true ? null : (flags.vault ?? 'default');
  const target = vault === null ? 'conversation' : `vault ${vault}`;
  const identity = { url: session.url, path: file.path, target, format: flags.format };
  const kept = statePath(identity, session.io.variables);
  const known = flags.again === true ? null : await readState(kept);
  if (known !== null && known.finishedAt !== null && !hasChanged(known, file)) {
    session.say(
      `${file.path} was imported at ${known.finishedAt}: nothing to do. --again imports it once more.`,
    );
    await showSummary(session, known, { added: 0, elapsedMs: 0 });
    return;
  }
  const { client } = session;
  const source = await openSource(file, flags.format, vault !== null);
  const state = await stateToGoOnFrom({ session, file, flags, source }, known);
  await writeState(kept, state);
  await importAndReport(session, { state, kept, source, client, vault, skipBad: flags.skipBad === true });
}

/**
 * A file that was mended, or that has grown, is the same import as long as what was imported is still its beginning.
 * The import id stays even where nothing has been acknowledged: a first batch may have arrived all the same.
 */
async function stateToGoOnFrom(
  run: { session: Session; file: SourceFile; flags: ImportFlags; source: Source },
  known: ImportState | null,
): Promise<ImportState> {
  const { session, file, flags, source } = run;
  if (known === null) return newState(session, file, flags);
  const hasBegun = known.position.items > 0;
  if (hasBegun && hasChanged(known, file) && (await prefixOf(source, known)) !== known.prefix)
    throw usage(`what was imported of ${file.path} has changed since: import all of it anew with --again`);
  if (hasBegun) session.say(`Going on after ${counted(known.added, 'memory', 'memories')}.`);
  const { sizeBytes, modifiedMs } = file;
  return { ...known, sizeBytes, modifiedMs, finishedAt: null };
}

const hasChanged = (state: ImportState, file: SourceFile): boolean =>
  state.sizeBytes !== file.sizeBytes || state.modifiedMs !== file.modifiedMs;

type Run = Pick<Parameters<typeof importFile>[0], 'source' | 'client' | 'vault' | 'skipBad'> & {
  readonly state: ImportState;
  readonly kept: string;
};

async function importAndReport(session: Session, { state, kept, ...what }: Run): Promise<void> {
  const { io } = session;
  const progress = new Progress(io, what.source.total, what.source.done(state.position));
  const bad = badReporter(session, progress);
  let now = state;
  const advanced = async (next: ImportState): Promise<void> => {
    now = next;
    await writeState(kept, next);
    if (!session.json) progress.show(what.source.done(next.position), next.added - state.added);
  };
  try {
    await importFile({ ...what, signal: io.stopped, advanced, bad }, state);
  } catch (error) {
    progress.clear();
    await writeState(kept, { ...now, prefix: await prefixOf(what.source, now) });
    if (!(io.stopped.aborted && error === io.stopped.reason)) session.fail(error);
    if (now.position.items > 0)
      session.say(
        `${counted(now.added, 'memory is', 'memories are')} in. The same command again goes on from there.`,
      );
    throw new Ended(exitCodeOf(error));
  }
  progress.clear();
  const finishedAt = new Date(io.clock.now()).toISOString();
  await writeState(kept, { ...now, prefix: await prefixOf(what.source, now), finishedAt });
  await showSummary(session, now, { added: now.added - state.added, elapsedMs: progress.elapsedMs });
}

function newState(session: Session, file: SourceFile, flags: ImportFlags): ImportState {
  return {
    version: 1,
    importId: encodeHex(session.io.random(32)),
    sizeBytes: file.sizeBytes,
    modifiedMs: file.modifiedMs,
    batch: flags.batch,
    position: BEGINNING,
    added: 0,
    skipped: 0,
    prefix: null,
    finishedAt: null,
  };
}

/** The first are named one by one; a file of another kind would fill the screen. */
function badReporter(session: Session, progress: Progress): (items: readonly BadItem[]) => void {
  let shown = 0;
  return (items) => {
    progress.clear();
    for (const { where, reason } of items) {
      shown += 1;
      if (shown <= BAD_SHOWN_MAX) session.io.err(`  ${where}: ${printable(reason)}\n`);
      else if (shown === BAD_SHOWN_MAX + 1) session.io.err('  … and more\n');
    }
  };
}

async function showSummary(
  session: Session,
  state: ImportState,
  run: { added: number; elapsedMs: number },
): Promise<void> {
  const { added, skipped } = state;
  const summary = { added: run.added, total: added, skipped, seconds: Math.round(run.elapsedMs / 10) / 100 };
  await session.show(summary, () => {
    const seconds = run.elapsedMs / 1000;
    const rate = seconds >= 1 ? ` (${grouped(Math.round(run.added / seconds))}/s)` : '';
    const left = skipped === 0 ? '' : `, ${grouped(skipped)} left out`;
    return `${counted(run.added, 'memory', 'memories')} added in ${showSpan(seconds)}${rate}${left}.\n`;
  });
}
