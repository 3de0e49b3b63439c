/** Memories as people read them: when, who and which in one line, the text below it. */
import type { Memory, SearchResult } from '@strongroom/client';
import type { Paint } from './paint.ts';
import { fit, printable, wrap } from './text.ts';
import { showTime } from './time.ts';

export interface Place {
  readonly columns: number | null;
  readonly paint: Paint;
}

const INDENT = '    ';
const LINES_MAX = 4;
const COLUMNS_MIN = 20;

export function resultText(result: SearchResult, rank: number, place: Place): string {
  const head = [`${String(rank).padStart(2)}. ${result.score.toFixed(3)}`, ...headParts(result)];
  return headed(head.join('  '), bodyOf(result), place);
}

export function memoryText(memory: Memory, place: Place): string {
  const trashed = memory.trashedAt === undefined ? [] : [`in the trash since ${showTime(memory.trashedAt)}`];
  const archived = memory.archivedAt === undefined ? [] : [`archived ${showTime(memory.archivedAt)}`];
  return headed([...headParts(memory), ...trashed, ...archived].join('  '), bodyOf(memory), place);
}

/** One memory with all it holds. */
export function memoryDetail(memory: Memory & { author?: string }, place: Place): string {
  const { text, vector, metadata, derivedFrom, ...rest } = memory;
  const fields: [string, string][] = Object.entries(rest).map(([name, value]) => [name, String(value)]);
  if (metadata !== undefined) fields.push(['metadata', JSON.stringify(metadata)]);
  if (derivedFrom !== undefined) fields.push(['derivedFrom', derivedFrom.join(' ')]);
  if (vector !== undefined) fields.push(['vector', `${vector.length} numbers, shown with --json`]);
  const lines = fields.map(([name, value]) => `${place.paint.faint(name.padEnd(12))}  ${printable(value)}\n`);
  return `${lines.join('')}${text === undefined ? '' : `\n${printable(text, { keepBreaks: true })}\n`}`;
}

const headParts = (memory: Memory): string[] =>
  [
    showTime(memory.at ?? memory.createdAt),
    memory.speaker ?? memory.subject ?? '',
    memory.conversation ?? '',
    memory.id,
  ].filter((part) => part !== '');

const bodyOf = (memory: Memory): string =>
  memory.text ?? (memory.archivedAt === undefined ? '(a vector without text)' : '(in the archive)');

function headed(head: string, body: string, place: Place): string {
  const text = printable(body);
  if (place.columns === null) return `${printable(head)}\n${INDENT}${text}\n`;
  const columns = Math.max(COLUMNS_MIN, place.columns - INDENT.length - 1);
  const lines = wrap(text, columns);
  const shown = lines.slice(0, LINES_MAX);
  if (lines.length > LINES_MAX) shown[LINES_MAX - 1] = fit(lines.slice(LINES_MAX - 1).join(' '), columns);
  return [
    place.paint.strong(fit(printable(head), Math.max(COLUMNS_MIN, place.columns - 1))),
    ...shown.map((line) => INDENT + line),
  ]
    .map((line) => `${line}\n`)
    .join('');
}
