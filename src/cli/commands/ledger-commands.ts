/** ledger list, checkpoint, proof, explain, consistency, export, verify; and health. */
import type { EntryRetention, Health, LedgerEntry, LedgerQuery } from '@strongroom/client';
import { Option, type Command } from 'commander';
import { StrongroomError } from '../../errors.ts';
import { LIMITS } from '../../limits.ts';
import { Ended, EXIT, usage } from '../exit.ts';
import { writeWhole } from '../file-output.ts';
import { given, time, wholeNumber } from '../flags.ts';
import type { LedgerSource, VerifiedLog } from '../local.ts';
import type { Session } from '../session.ts';
import { readSettings } from '../settings.ts';
import { counted } from '../show/number.ts';
import { tableText } from '../show/table.ts';
import { printable } from '../show/text.ts';
import { showTime } from '../show/time.ts';

export function ledgerCommands(program: Command, session: Session): void {
  const ledger = program.command('ledger').description('read, export and verify the record of who did what');
  listCommand(ledger, session);
  ledger
    .command('checkpoint')
    .description('show the signed statement of how long the ledger is and what it holds')
    .action(async () => {
      const checkpoint = await session.client.ledger.checkpoint();
      await session.show(checkpoint, () => checkpoint.note);
    });
  ledger
    .command('keys')
    .description('show the keys that sign the ledger, today and before')
    .action(async () => {
      const keys = await session.client.ledger.keys();
      await session.show(keys, () =>
        keys.keys
          .map(({ verifierKey, since, until }) => {
            const end = until === null ? 'today' : showTime(until);
            return `${showTime(since)} to ${end}  ${printable(verifierKey)}\n`;
          })
          .join(''),
      );
    });
  ledger
    .command('proof')
    .description('show that an entry is in the ledger')
    .argument('<n>', 'number of the entry', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option(
      '--size <n>',
      'in the ledger as it was with so many entries',
      wholeNumber(1, Number.MAX_SAFE_INTEGER),
    )
    .action(async (n: number, flags: { size?: number }) => {
      const proof = await session.client.ledger.proof(n, given(flags));
      await session.show(proof, () => proof.proof);
    });
  ledger
    .command('explain')
    .description('until when an entry is kept')
    .argument('<n>', 'number of the entry', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .action(async (n: number) => {
      const kept = await session.client.retention.explainEntry(n);
      await session.show(kept, () => keptText(kept));
    });
  ledger
    .command('consistency')
    .description('show that the ledger only grew since it had so many entries')
    .argument('<from>', 'size of the checkpoint you kept', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .option('--size <n>', 'up to when it had so many entries', wholeNumber(1, Number.MAX_SAFE_INTEGER))
    .action(async (from: number, flags: { size?: number }) => {
      const proof = await session.client.ledger.consistency(from, given(flags));
      await session.show(proof, () => proof.proof);
    });
  ledger
    .command('export')
    .description('write the whole ledger as JSON Lines that verify offline')
    .option('--out <file>', 'into a file, which must not exist yet')
    .action(async (flags: { out?: string }) => {
      const lines = await writeWhole(session, flags.out, linesOf(session));
      session.say(`${counted(lines, 'line', 'lines')}${flags.out === undefined ? '' : ` in ${flags.out}`}.`);
    });
  verifyCommand(ledger, session);
  healthCommand(program, session);
}

const keptText = ({ entry, class: log, keptUntil, endsAt, details }: EntryRetention): string =>
  [
    ['entry', String(entry)],
    ['class', log === 'security' ? 'security log: a refusal' : 'ledger'],
    ['kept until', showTime(keptUntil)],
    ['ends', `${showTime(endsAt)}; its hash stays`],
    ['free text', details],
  ]
    .map(([name = '', value = '']) => `${name.padEnd(13)}  ${value}\n`)
    .join('');

async function* linesOf(session: Session): AsyncGenerator<string> {
  for await (const line of session.client.ledger.export()) yield `${line}\n`;
}

interface ListFlags {
  readonly limit?: number;
  readonly cursor?: string;
  readonly all?: boolean;
  readonly principal?: string;
  readonly action?: string;
  readonly target?: string;
  readonly subject?: string;
  readonly after?: string;
  readonly before?: string;
}

function listCommand(ledger: Command, session: Session): void {
  ledger
    .command('list')
    .description('list entries, newest first')
    .option('--limit <n>', 'at most so many in a page', wholeNumber(1, LIMITS.listMax))
    .option('--cursor <cursor>', 'the page after the one that named it')
    .option('--all', 'every page')
    .option('--principal <id>', 'by whom: key_…')
    .option('--action <action>', 'what: memory.add')
    .option('--target <id>', 'on what: mem_…, vlt_…')
    .option('--subject <id>', 'about whom, by your own id for them')
    .option('--after <time>', 'since then', time)
    .option('--before <time>', 'until then', time)
    .action(async (flags: ListFlags) => {
      const { all, ...rest } = flags;
      const query: LedgerQuery = given(rest);
      const page =
        all === true
          ? { entries: await Array.fromAsync(session.client.ledger.listAll(query)), next: null }
          : await session.client.ledger.list(query);
      await session.show(page, () => entriesText(session, page.entries));
      if (page.next !== null) session.say(`There are more: add --cursor ${page.next}, or --all.`);
    });
}

function entriesText(session: Session, entries: readonly LedgerEntry[]): string {
  const columns = ['N', 'AT', 'ACTION', 'OUTCOME', 'PRINCIPAL', 'TARGET', 'PURPOSE'].map((title, i) => ({
    title,
    right: i === 0,
  }));
  const rows = entries.map((entry) => [
    String(entry.n),
    showTime(entry.at),
    entry.count === undefined ? entry.action : `${entry.action} ×${entry.count}`,
    entry.code === undefined ? entry.outcome : `${entry.outcome} (${entry.code})`,
    entry.principal,
    entry.target,
    entry.purpose ?? '',
  ]);
  return tableText(columns, rows, session.place);
}

function verifyCommand(ledger: Command, session: Session): void {
  ledger
    .command('verify')
    .description('compute the whole ledger anew and name the first entry that does not hold')
    .addOption(new Option('--data <dir>', 'of a stopped server').conflicts('export'))
    .option('--export <file>', 'an export of the ledger')
    .option('--vkey <key>', 'the verifier key you trust (verifierKey of `ledger checkpoint`); for an export')
    .action(async (flags: VerifyFlags) => {
      const logs = await verify(session, await sourceOf(session, flags));
      await session.show({ logs }, () => logs.map(verdictText).join(''));
      if (flags.export !== undefined && flags.vkey === undefined)
        session.say(
          'Checked with the key that stands in the file itself: whoever rewrote the file could have put in their own.\n' +
            'Give the key you know with --vkey.',
        );
      if (logs.some((log) => log.broken !== null)) throw new Ended(EXIT.claim);
    });
}

interface VerifyFlags {
  readonly data?: string;
  readonly export?: string;
  readonly vkey?: string;
}

async function sourceOf(session: Session, flags: VerifyFlags): Promise<LedgerSource> {
  if (flags.export !== undefined)
    return { export: session.path(flags.export), ...(flags.vkey === undefined ? {} : { vkey: flags.vkey }) };
  if (flags.data === undefined)
    throw usage('what to verify? --data DIR (of a stopped server) or --export FILE');
  const data = session.path(flags.data);
  return { data, settings: await readSettings(session.io, data) };
}

/** What cannot be read has not been verified: that is neither a pass nor a fail. */
async function verify(session: Session, source: LedgerSource): Promise<readonly VerifiedLog[]> {
  const local = await session.io.local();
  try {
    const logs = await local.verifyLedger(source);
    if (logs.length === 0) throw new StrongroomError('ledger.unavailable', 'there is no ledger in it');
    return logs;
  } catch (error) {
    session.fail(error);
    throw new Ended(
      error instanceof StrongroomError && error.code === 'ledger.damaged' ? EXIT.claim : EXIT.unfinished,
    );
  }
}

function verdictText({ log, size, rootHash, broken }: VerifiedLog): string {
  const entries = counted(size, 'entry', 'entries');
  if (broken === null) return `ok      ${log}: ${entries}, root ${rootHash}\n`;
  const where = broken.n === null ? '' : ` at entry ${broken.n}`;
  return `BROKEN  ${log}: ${entries}${where}: ${printable(broken.reason)}\n`;
}

function healthCommand(program: Command, session: Session): void {
  program
    .command('health')
    .description('ask the server how it is')
    .action(async () => {
      const health = await session.keylessClient.health();
      await session.show(health, () => healthText(health));
      if (health.status === 'failing') throw new Ended(EXIT.unexpected);
    });
}

const healthText = (health: Health): string =>
  [{ name: 'strongroom', status: health.status }, ...health.checks]
    .map(
      (check) =>
        `${check.status.padEnd(8)} ${check.name}${'detail' in check ? `: ${printable(check.detail)}` : ''}\n`,
    )
    .join('');
