/** verify, claims: the promises of the server, checked as it runs, and as sentences. */
import { readFile } from 'node:fs/promises';
import type { ClaimResult, SabotageOutcome, Verification, VerificationInput } from '@strongroom/client';
import type { Command } from 'commander';
import { verifyBundle, type BundleReport } from '../../assurance/bundle.ts';
import { FAMILIES, type Family } from '../../assurance/claim.ts';
import { StrongroomError } from '../../errors.ts';
import { Ended, EXIT, usage, type ExitCode } from '../exit.ts';
import { collect, given } from '../flags.ts';
import type { Session } from '../session.ts';
import { counted } from '../show/number.ts';
import { printable, wrap } from '../show/text.ts';
import { showSpan } from '../show/time.ts';

interface VerifyFlags {
  readonly claim?: readonly string[];
  readonly family?: readonly string[];
  readonly sabotage?: string;
  readonly offline?: string;
}

const VERDICTS = ['pass', 'partial', 'stale', 'error', 'fail', 'not_claimed'] as const;
const WIDTH = 100;
const INDENT = '         ';

export function verifyCommands(program: Command, session: Session): void {
  program
    .command('verify')
    .description('check the promises of the server on the server itself')
    .option('--claim <id>', 'only this one: CRY-01; may be given several times', collect)
    .option('--family <name>', 'only these: CRY, AUD …; may be given several times', collect)
    .option('--sabotage <id>', 'break a scratch instance, and see the checks of this claim turn red')
    .option('--offline <file>', 'verify the result of an earlier verify --json, without a server')
    .action(async (flags: VerifyFlags) => {
      if (flags.offline !== undefined) await verifyOffline(session, flags.offline);
      else if (flags.sabotage !== undefined) await showSabotage(session, flags.sabotage);
      else await verify(session, flags);
    });
  program
    .command('claims')
    .description('every promise as a sentence, and how it stands')
    .action(async () => {
      const { results } = await session.client.verifications.run({ claims: [] });
      await session.show({ results }, () => pageOf(results));
    });
}

async function verify(session: Session, { claim, family }: VerifyFlags): Promise<void> {
  const input = given({ claims: claim, families: family }) as VerificationInput;
  const verification = await follow(session, input);
  const shown = verification.results.filter(
    ({ id, family: own }) =>
      verification.ran.includes(id) || claim?.includes(id) === true || family?.includes(own) === true,
  );
  await session.show(verification, () => [...shown.map(resultText), summaryOf(verification)].join(''));
  const code = exitOf(shown, claim ?? []);
  if (code !== EXIT.good) throw new Ended(code);
}

/** The result of a verification, its progress told meanwhile. What cannot be reached or run has not been checked. */
async function follow(session: Session, input: VerificationInput): Promise<Verification> {
  for await (const event of session.client.verifications.stream(input)) {
    if (event.type === 'verification') return event.verification;
    const { number, of, check, place, claims } = event;
    session.say(`${number}/${of} ${check} (${place}): ${claims.join(' ')}`);
  }
  session.fail(new StrongroomError('answer.invalid', 'the verification broke off'));
  throw new Ended(EXIT.unfinished);
}

/** A failure counts most; a claim that was asked for by name and is not claimed has not been verified. */
function exitOf(results: readonly ClaimResult[], named: readonly string[]): ExitCode {
  if (results.some(({ verdict }) => verdict === 'fail')) return EXIT.claim;
  const isOpen = ({ id, verdict }: ClaimResult): boolean =>
    verdict === 'error' || verdict === 'stale' || (verdict === 'not_claimed' && named.includes(id));
  return results.length === 0 || results.some(isOpen) ? EXIT.unfinished : EXIT.good;
}

async function showSabotage(session: Session, claim: string): Promise<void> {
  const verification = await follow(session, { sabotage: claim });
  const { sabotages = [] } = verification;
  await session.show(verification, () => sabotages.map((outcome) => sabotageText(outcome)).join(''));
  if (sabotages.length === 0) throw new Ended(EXIT.unfinished);
  if (sabotages.some(({ caught }) => !caught)) throw new Ended(EXIT.claim);
  session.say(
    `On scratch instances: ${counted(sabotages.length, 'sabotage', 'sabotages')}, each seen by its check.`,
  );
}

function sabotageText({ check, name, breaks, expected, turned, caught, faults }: SabotageOutcome): string {
  const lines = [
    `${caught ? 'RED     ' : 'UNSEEN  '} ${check}, ${name}: ${breaks}`,
    `${INDENT}turned red: ${turned.join(' ') || 'nothing'}${caught ? '' : `; had to: ${expected.join(' ')}`}`,
    ...faults.slice(0, 5).flatMap((fault) => indented(fault)),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

async function verifyOffline(session: Session, file: string): Promise<void> {
  const report = await readBundle(session, file);
  await session.show(report, () => offlineText(report));
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
    ? `ok       ${id} is what the ledger recorded, under the key ${printable(verifierKey)}\n`
    : faults.map((fault) => `ALTERED  ${printable(fault)}\n`).join('');

const MARKS = {
  pass: 'pass    ',
  partial: 'PARTIAL ',
  stale: 'STALE   ',
  error: 'ERROR   ',
  fail: 'FAIL    ',
  not_claimed: '-       ',
} as const;

function resultText(result: ClaimResult): string {
  const { id, verdict, sentence, place, ageSeconds, faults, missing, reason, notProven, mend } = result;
  const age = ageSeconds === undefined ? '' : `, ${ageText(ageSeconds)}`;
  const where = place === undefined ? '' : ` (${place === 'both' ? 'live and scratch' : place}${age})`;
  const isRed = verdict === 'fail' || verdict === 'error' || verdict === 'stale';
  const lines = [
    `${MARKS[verdict]} ${id} ${printable(sentence)}${where}`,
    ...(reason === undefined ? [] : indented(reason)),
    ...faults.flatMap((fault) => indented(fault)),
    ...(missing === undefined ? [] : indented(`not checked: ${missing}`)),
    ...(measuredText(result) === '' ? [] : indented(`measured: ${measuredText(result)}`)),
    ...(isRed || notProven === undefined ? [] : indented(`does not prove: ${notProven}`)),
    ...(isRed && mend !== undefined ? indented(`to mend it: ${mend}`) : []),
  ];
  return lines.map((line) => `${line}\n`).join('');
}

const measuredText = ({ measured = {} }: ClaimResult): string =>
  Object.entries(measured)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

const ageText = (seconds: number): string => (seconds < 1 ? 'now' : `${showSpan(seconds)} ago`);

const indented = (text: string): string[] =>
  wrap(printable(text), WIDTH - INDENT.length).map((line) => INDENT + line);

function summaryOf({ id, results }: Verification): string {
  const counts = VERDICTS.map(
    (verdict) => [verdict, results.filter((each) => each.verdict === verdict).length] as const,
  );
  const words = counts
    .filter(([, count]) => count > 0)
    .map(([verdict, count]) => `${count} ${verdict.replace('_', ' ')}`);
  return `\n${id}: ${words.join(', ')} of ${results.length} claims. Only a pass is held.\n`;
}

/** The page of claims, by family. */
function pageOf(results: readonly ClaimResult[]): string {
  const families = Map.groupBy(results, ({ family }) => family);
  return Array.from(
    families,
    ([family, own]) =>
      `${FAMILIES[family as Family] ?? printable(family)}\n\n${own.map(sentenceText).join('')}\n`,
  ).join('');
}

function sentenceText({ id, verdict, sentence, reason, missing, ageSeconds }: ClaimResult): string {
  const age = ageSeconds === undefined ? '' : `, checked ${ageText(ageSeconds)}`;
  const why = [reason, missing === undefined ? undefined : `not checked: ${missing}`].filter(
    (each) => each !== undefined,
  );
  const word = verdict === 'pass' ? 'held' : verdict.replace('_', ' ');
  return [
    `  ${id} ${printable(sentence)}`,
    `${INDENT}${word}${age}`,
    ...why.flatMap((each) => indented(each)),
  ]
    .map((line) => `${line}\n`)
    .join('');
}
