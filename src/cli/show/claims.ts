/** Claims as people read them: how each stands, how old that is, what it does not prove, and what would mend it. */
import type { ClaimResult, ClaimVerdict, SabotageOutcome } from '@strongroom/client';
import { FAMILIES, type Family } from '../../assurance/claim.ts';
import type { Place } from './memory.ts';
import { called, printable, wrap } from './text.ts';

/** Where it goes, how this program is called there, and how much is wanted. */
export interface ClaimPlace extends Place {
  readonly command: string;
  /** With what was looked at and measured. */
  readonly isDetailed: boolean;
}

/** A file is wrapped as well: what is shown are sentences. */
const FILE_COLUMNS = 100;
const COLUMNS_MIN = 60;
const ID = 8;
const VERDICT = 10;
const AGE = 12;
const SENTENCE = ID + VERDICT + AGE;

const VERDICTS: Readonly<Record<ClaimVerdict, string>> = {
  pass: 'pass',
  partial: 'partial',
  not_claimed: '-',
  stale: 'STALE',
  error: 'ERROR',
  fail: 'FAIL',
};
/** What needs somebody's hand stands last, next to the prompt. */
const ORDER: readonly ClaimVerdict[] = ['pass', 'partial', 'not_claimed', 'stale', 'error', 'fail'];

const isRed = (verdict: ClaimVerdict): boolean =>
  verdict === 'stale' || verdict === 'error' || verdict === 'fail';

export function claimsTable(results: readonly ClaimResult[], place: ClaimPlace): string {
  const sorted = results.toSorted(
    (left, right) => ORDER.indexOf(left.verdict) - ORDER.indexOf(right.verdict),
  );
  const title = `${'CLAIM'.padEnd(ID)}${'VERDICT'.padEnd(VERDICT)}${'CHECKED'.padEnd(AGE)}PROMISE`;
  return [place.paint.faint(title), ...sorted.flatMap((result) => rowOf(result, place))]
    .map((line) => `${line}\n`)
    .join('');
}

function rowOf(result: ClaimResult, place: ClaimPlace): string[] {
  const { id, verdict, sentence, ageSeconds, faults, missing, reason, notProven, mend } = result;
  const { paint } = place;
  const [first = '', ...rest] = wrap(printable(sentence), columnsOf(place) - SENTENCE);
  const mark = VERDICTS[verdict].padEnd(VERDICT);
  const head = `${printable(id).padEnd(ID)}${isRed(verdict) ? paint.strong(mark) : mark}${ageText(ageSeconds).padEnd(AGE)}${first}`;
  const told = (text: string): string[] => indented(text, place);
  return [
    head,
    ...rest.map((line) => ' '.repeat(SENTENCE) + line),
    ...(reason === undefined ? [] : told(`${verdict === 'stale' ? 'Why' : 'Not claimed'}: ${reason}`)),
    ...faults.flatMap((fault) => told(`! ${fault}`)),
    ...(missing === undefined ? [] : told(`Not checked: ${missing}`)),
    ...(place.isDetailed ? told(lookedAt(result)) : []),
    ...(isRed(verdict) || notProven === undefined
      ? []
      : told(`Not proven: ${lowered(notProven)}`).map(paint.faint)),
    ...(isRed(verdict) && mend !== undefined
      ? told(`To mend it: ${called(mend, place.command)}`).map(paint.strong)
      : []),
  ];
}

const PLACES = {
  live: 'on the running server',
  scratch: 'on a scratch instance',
  both: 'on the running server and on a scratch instance',
} as const;

function lookedAt({ covered = 0, place, measured = {}, parameters }: ClaimResult): string {
  const figures = Object.entries({ ...parameters, ...measured }).map(([name, value]) => `${name} ${value}`);
  return `Looked at ${covered}, ${PLACES[place ?? 'live']}${figures.length === 0 ? '' : `: ${figures.join(', ')}`}`;
}

/** `11 pass, 4 partial, 71 not claimed of 86 claims.` */
export function summaryText(results: readonly ClaimResult[]): string {
  const counts = ORDER.map(
    (verdict) => [verdict, results.filter((each) => each.verdict === verdict).length] as const,
  ).filter(([, count]) => count > 0);
  const words = counts.map(([verdict, count]) => `${count} ${verdict.replace('_', ' ')}`);
  return `${words.join(', ')} of ${results.length} claims.\nOnly a pass is held.\n`;
}

/** Every promise as a sentence, by family. */
export function claimsPage(results: readonly ClaimResult[], place: ClaimPlace): string {
  const families = Map.groupBy(results, ({ family }) => family);
  const pages = Array.from(families, ([family, own]) => {
    const title = FAMILIES[family as Family] ?? printable(family);
    return `${place.paint.strong(title)}\n\n${own.map((result) => sentenceText(result, place)).join('')}`;
  });
  return `${pages.join('\n')}\n${summaryText(results)}`;
}

function sentenceText(result: ClaimResult, place: ClaimPlace): string {
  const { id, verdict, sentence, reason, missing, ageSeconds } = result;
  const age = ageSeconds === undefined ? '' : `, checked ${ageText(ageSeconds)}`;
  const word = verdict === 'pass' ? 'Held' : capital(verdict.replace('_', ' '));
  const why = [reason, missing === undefined ? undefined : `Not checked: ${missing}`].filter(
    (each) => each !== undefined,
  );
  const [first = '', ...rest] = wrap(printable(sentence), columnsOf(place) - ID);
  return [
    `${printable(id).padEnd(ID)}${first}`,
    ...rest.map((line) => ' '.repeat(ID) + line),
    ...indented([`${word}${age}.`, ...why].join(' '), place).map(place.paint.faint),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

export function sabotageText(outcome: SabotageOutcome, place: ClaimPlace): string {
  const { check, name, breaks, expected, turned, caught, faults } = outcome;
  const seen = `Turned red: ${turned.join(' ') || 'nothing'}${caught ? '' : `; had to: ${expected.join(' ')}`}`;
  return [
    `${caught ? 'RED   ' : 'UNSEEN'}  ${check}, ${name}`,
    ...indented(breaks, place),
    ...indented(seen, place),
    ...faults.slice(0, FAULTS_SHOWN).flatMap((fault) => indented(`! ${fault}`, place)),
    ...(faults.length > FAULTS_SHOWN ? indented(`and ${faults.length - FAULTS_SHOWN} more`, place) : []),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

const FAULTS_SHOWN = 3;

/** Short enough for a column: `just now`, `42 s ago`, `3 h ago`. */
export function ageText(seconds: number | undefined): string {
  if (seconds === undefined) return 'never';
  if (seconds < 5) return 'just now';
  const units: readonly [number, string][] = [
    [86_400, 'd'],
    [3600, 'h'],
    [60, 'min'],
    [1, 's'],
  ];
  const [size, unit] = units.find(([each]) => seconds >= each) ?? [1, 's'];
  return `${Math.floor(seconds / size)} ${unit} ago`;
}

const columnsOf = ({ columns }: Place): number =>
  columns === null ? FILE_COLUMNS : Math.max(COLUMNS_MIN, columns - 1);

const indented = (text: string, place: Place): string[] =>
  wrap(printable(text), columnsOf(place) - ID).map((line) => ' '.repeat(ID) + line);

/** `That …` goes on after a colon. */
const lowered = (text: string): string => text.replace(/^(That|How)\b/, (word) => word.toLowerCase());

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
