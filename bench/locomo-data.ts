/**
 * LoCoMo (Maharana et al., "Evaluating Very Long-Term Conversational Memory of LLM Agents", 2024) as a retrieval task:
 * a vault per conversation, a memory per turn, a question as the query, recall of the turns that answer it.
 *
 * Nothing here knows how the search is done, so that one evaluation serves an index in this process and a server.
 * Category 5 (adversarial questions) is left out, and so are evidence ids that name no turn, and then questions
 * without evidence. A cell of evidence may hold several ids.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

export interface Turn {
  /** `dia_id`, unique within its conversation. */
  readonly id: string;
  readonly session: string;
  readonly speaker: string;
  /** What was said, and what a picture that came along shows. */
  readonly text: string;
  /** The session's time, milliseconds; null where it cannot be read. */
  readonly at: number | null;
}

export interface Question {
  readonly text: string;
  readonly category: number;
  readonly evidence: readonly string[];
}

export interface Conversation {
  readonly id: string;
  readonly turns: readonly Turn[];
  readonly questions: readonly Question[];
}

/** Answers the ids of the turns found, best first. */
export type Ask = (question: Question, limit: number) => Promise<readonly string[]>;

export interface Recall {
  readonly questions: number;
  readonly evidence: number;
  /** Mean over questions of the part of their evidence that was found. */
  readonly recall: number;
  /** Part of all evidence that was found. */
  readonly recallOfTurns: number;
  readonly byCategory: ReadonlyMap<number, number>;
  readonly conversations: readonly {
    readonly id: string;
    readonly recall: number;
    readonly questions: number;
  }[];
}

/** @param path a LoCoMo JSON file, or a folder that holds `locomo-dev.json`. */
export async function loadLocomo(path: string): Promise<readonly Conversation[]> {
  const file = (await stat(path)).isDirectory() ? join(path, 'locomo-dev.json') : path;
  const samples: unknown = JSON.parse(await readFile(file, 'utf8'));
  if (!Array.isArray(samples)) throw new TypeError(`${file}: not a list of samples`);
  return samples.map((sample, at) => parseSample(asObject(sample), at));
}

/** Asks every question of one conversation and counts what came back among the first `limit`. */
export async function measureRecall(
  conversations: readonly Conversation[],
  askOf: (conversation: Conversation) => Promise<Ask>,
  limit = 10,
): Promise<Recall> {
  const rows: Row[] = [];
  for (const conversation of conversations) {
    const ask = await askOf(conversation);
    for (const question of conversation.questions) {
      const found = new Set((await ask(question, limit)).slice(0, limit));
      const hits = question.evidence.filter((id) => found.has(id)).length;
      rows.push({
        conversation: conversation.id,
        category: question.category,
        found: hits,
        of: question.evidence.length,
      });
    }
  }
  return summarise(rows);
}

export function printRecall(recall: Recall, elapsedMs: number): void {
  const shown = (value: number): string => value.toFixed(4);
  console.table(
    recall.conversations.map(({ id, recall }) => ({ conversation: id, 'recall@10': shown(recall) })),
  );
  console.table([
    {
      questions: recall.questions,
      evidence: recall.evidence,
      'recall@10': shown(recall.recall),
      'of all evidence': shown(recall.recallOfTurns),
      seconds: (elapsedMs / 1000).toFixed(2),
    },
  ]);
  console.table([...recall.byCategory].map(([category, value]) => ({ category, 'recall@10': shown(value) })));
}

interface Row {
  readonly conversation: string;
  readonly category: number;
  readonly found: number;
  readonly of: number;
}

function summarise(rows: readonly Row[]): Recall {
  const mean = (some: readonly Row[]): number =>
    some.reduce((sum, row) => sum + row.found / row.of, 0) / some.length;
  const evidence = rows.reduce((sum, row) => sum + row.of, 0);
  const conversations = [...new Set(rows.map((row) => row.conversation))];
  const categories = [...new Set(rows.map((row) => row.category))].sort((a, b) => a - b);
  return {
    questions: rows.length,
    evidence,
    recall: mean(rows),
    recallOfTurns: rows.reduce((sum, row) => sum + row.found, 0) / evidence,
    byCategory: new Map(categories.map((c) => [c, mean(rows.filter((row) => row.category === c))])),
    conversations: conversations.map((id) => {
      const own = rows.filter((row) => row.conversation === id);
      return { id, recall: mean(own), questions: own.length };
    }),
  };
}

function parseSample(sample: Record<string, unknown>, at: number): Conversation {
  const turns = parseTurns(asObject(sample['conversation']));
  const known = new Set(turns.map((turn) => turn.id));
  const questions = asList(sample['qa'])
    .map((qa) => parseQuestion(asObject(qa), known))
    .filter((question) => question.category !== 5 && question.evidence.length > 0);
  return { id: asText(sample['sample_id']) || String(at), turns, questions };
}

function parseTurns(conversation: Record<string, unknown>): readonly Turn[] {
  const sessions = Object.keys(conversation)
    .filter((name) => /^session_\d+$/.test(name))
    .sort((a, b) => Number(a.slice(8)) - Number(b.slice(8)));
  return sessions.flatMap((session) => {
    const at = parseSessionTime(conversation[`${session}_date_time`]);
    return asList(conversation[session]).map((json) => {
      const turn = asObject(json);
      const [said, caption] = [asText(turn['text']), asText(turn['blip_caption'])];
      const text = caption === '' ? said : `${said} [${caption}]`.trim();
      return { id: asText(turn['dia_id']), session, speaker: asText(turn['speaker']), text, at };
    });
  });
}

function parseQuestion(qa: Record<string, unknown>, known: ReadonlySet<string>): Question {
  const cells = asList(qa['evidence'] ?? []).map(asText);
  const ids = cells.flatMap((cell) => cell.split(/[;,\s]+/)).filter((id) => known.has(id));
  return { text: asText(qa['question']), category: Number(qa['category']), evidence: [...new Set(ids)] };
}

const MONTHS = 'jan feb mar apr may jun jul aug sep oct nov dec'.split(' ');

/** "1:56 pm on 8 May, 2023", taken as UTC. */
export function parseSessionTime(text: unknown): number | null {
  const match = /^(\d{1,2}):(\d{2}) (am|pm) on (\d{1,2}) (\w{3})\w*,? (\d{4})$/i.exec(asText(text).trim());
  if (match === null) return null;
  const [, hour, minute, half, day, month, year] = match;
  const hours = (Number(hour) % 12) + (half?.toLowerCase() === 'pm' ? 12 : 0);
  const index = MONTHS.indexOf(month?.toLowerCase() ?? '');
  return index < 0 ? null : Date.UTC(Number(year), index, Number(day), hours, Number(minute));
}

function asObject(json: unknown): Record<string, unknown> {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw new TypeError('not an object');
  return json as Record<string, unknown>;
}

const asText = (json: unknown): string => (typeof json === 'string' ? json : '');

function asList(json: unknown): readonly unknown[] {
  if (!Array.isArray(json)) throw new TypeError('not a list');
  return json as readonly unknown[];
}
