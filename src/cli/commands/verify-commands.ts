/** verify, claims: the promises of the server, checked as it runs, and as sentences. */
import { readFile } from 'node:fs/promises';
import type { ClaimResult, Verification, VerificationEvent, VerificationInput } from '@strongroom/client';
import type { Command } from 'commander';
import { verifyBundle, type BundleReport } from '../../assurance/bundle.ts';
import { StrongroomError } from '../../errors.ts';
import { Ended, EXIT, exitCodeOf, usage, type ExitCode } from '../exit.ts';
import { collect, given } from '../flags.ts';
import type { Session } from '../session.ts';
import { claimsPage, claimsTable, sabotageText, summaryText, type ClaimPlace } from '../show/claims.ts';
import { counted } from '../show/number.ts';
import { printable } from '../show/text.ts';

interface VerifyFlags {
  readonly claim?: readonly string[];
  readonly family?: readonly string[];
  readonly details?: boolean;
  readonly vkey?: string;
  readonly sabotage?: string;
  readonly offline?: string;
}

export function verifyCommands(program: Command, session: Session): void {
  program
    .command('verify')
    .description('check the promises of the server on the server itself')
    .option('--claim <id>', 'only this one: CRY-01; may be given several times', collectUpper)
    .option('--family <name>', 'only these: CRY, AUD …; may be given several times', collectUpper)
    .option('--details', 'also what was looked at and measured')
    .option('--sabotage <id>', 'break a scratch instance, and see the checks of this claim turn red')
    .option('--offline <file>', 'verify the result of an earlier verify --json, without a server')
    .option('--vkey <key>', 'with --offline: the verifier key that you know the ledger by')
    .addHelpText('after', EXIT_CODES)
    .action(async (flags: VerifyFlags) => {
      refuseMixed(flags);
      if (flags.offline !== undefined) await verifyOffline(session, flags.offline, flags.vkey);
      else if (flags.sabotage !== undefined) await showSabotage(session, flags.sabotage.toUpperCase(), flags);
      else await verify(session, flags);
    });
  program
    .command('claims')
    .description('every promise as a sentence, and how it stands')
    .action(async () => {
      const { results } = await session.client.verifications.run({ claims: [] });
      await session.show({ results }, () => claimsPage(results, placeOf(session, {})));
    });
}

const EXIT_CODES = `
Exit codes: 0 nothing that was checked fails, 2 usage, 3 a claim fails, 4 not signed in, 5 a check could not finish.`;

const collectUpper = (text: string, before: readonly string[] = []): readonly string[] =>
  collect(text.toUpperCase(), before);

/** What would be silently ignored is refused. */
function refuseMixed({ claim, family, sabotage, offline, vkey }: VerifyFlags): void {
  const ways = { '--offline': offline, '--sabotage': sabotage, '--claim or --family': claim ?? family };
  const given = Object.entries(ways).flatMap(([name, value]) => (value === undefined ? [] : [name]));
  if (given.length > 1) throw usage(`${given.join(' and ')} do not go together`);
  if (vkey !== undefined && offline === undefined) throw usage('--vkey goes with --offline');
}

const placeOf = (session: Session, { details = false }: Pick<VerifyFlags, 'details'>): ClaimPlace => ({
  ...session.place,
  command: session.command,
  isDetailed: details,
});

async function verify(session: Session, flags: VerifyFlags): Promise<void> {
  const { claim, family } = flags;
  const input = given({ claims: claim, families: family }) as VerificationInput;
  const verification = await follow(session, input);
  const shown = verification.results.filter(
    ({ id, family: own }) =>
      verification.ran.includes(id) || claim?.includes(id) === true || family?.includes(own) === true,
  );
  await session.show(
    verification,
    () => `${claimsTable(shown, placeOf(session, flags))}\n${summaryText(verification.results)}`,
  );
  session.say(`Recorded in the ledger as ${verification.id}.`);
  session.say(`Kept with --json > FILE, it verifies anywhere: ${session.command} verify --offline FILE`);
  const code = exitOf(shown, claim ?? []);
  if (code !== EXIT.good) throw new Ended(code);
}

/** The result of a verification, its progress told meanwhile. What cannot be reached or run has not been checked. */
async function follow(session: Session, input: VerificationInput): Promise<Verification> {
  try {
    for await (const event of session.client.verifications.stream(input)) {
      if (event.type === 'verification') return event.verification;
      session.say(progressText(event));
    }
    throw new StrongroomError('answer.invalid', 'the verification broke off');
  } catch (error) {
    if (exitCodeOf(error) !== EXIT.unexpected) throw error;
    session.fail(error);
    throw new Ended(EXIT.unfinished);
  }
}

type Progress = Extract<VerificationEvent, { type: 'progress' }>;

const progressText = ({ number, of, check, place, claims }: Progress): string =>
  `${String(number).padStart(String(of).length)}/${of} ${check}${place === 'scratch' ? ', on a scratch instance' : ''}: ${claims.join(' ')}`;

/** A failure counts most; a claim that was asked for by name and is not claimed has not been verified. */
function exitOf(results: readonly ClaimResult[], named: readonly string[]): ExitCode {
  if (results.some(({ verdict }) => verdict === 'fail')) return EXIT.claim;
  const isOpen = ({ id, verdict }: ClaimResult): boolean =>
    verdict === 'error' || verdict === 'stale' || (verdict === 'not_claimed' && named.includes(id));
  return results.length === 0 || results.some(isOpen) ? EXIT.unfinished : EXIT.good;
}

async function showSabotage(session: Session, claim: string, flags: VerifyFlags): Promise<void> {
  const verification = await follow(session, { sabotage: claim });
  const { sabotages = [] } = verification;
  const place = placeOf(session, flags);
  await session.show(verification, () => sabotages.map((outcome) => sabotageText(outcome, place)).join(''));
  if (sabotages.length === 0) throw new Ended(EXIT.unfinished);
  const unseen = sabotages.filter(({ caught }) => !caught).length;
  if (unseen > 0) {
    session.say(`${unseen} of ${counted(sabotages.length, 'sabotage', 'sabotages')} went unseen.`);
    throw new Ended(EXIT.claim);
  }
  session.say(
    `${counted(sabotages.length, 'sabotage', 'sabotages')} on scratch instances, each seen by its check.`,
  );
}

async function verifyOffline(session: Session, file: string, vkey: string | undefined): Promise<void> {
  const found = await readBundle(session, file);
  const isOther = vkey !== undefined && vkey !== found.verifierKey;
  const report = isOther
    ? { ...found, faults: [...found.faults, 'the ledger is not the one that the key is of'] }
    : found;
  await session.show(report, () => offlineText(report));
  if (vkey === undefined && report.faults.length === 0)
    session.say(
      'That key is the own word of the file: compare it with the one you know (ledger checkpoint).',
    );
  if (report.faults.length > 0) throw new Ended(EXIT.claim);
}

async function readBundle(session: Session, file: string): Promise<BundleReport> {
  const path = session.path(file);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch {
    throw usage(`${path} cannot be read`);
  }
  try {
    return verifyBundle(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw usage(`${path} is not the result of a verification`);
  }
}

const offlineText = ({ id, verifierKey, faults }: BundleReport): string =>
  faults.length === 0
    ? `ok       ${printable(id)} is what the ledger recorded, under the key\n         ${printable(verifierKey)}\n`
    : faults.map((fault) => `ALTERED  ${printable(fault)}\n`).join('');
