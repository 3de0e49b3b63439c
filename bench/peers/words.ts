/** Text search: beside minisearch, and how much of LoCoMo's evidence it finds. Each in a process of its own. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { RecallFigures } from '../locomo.ts';
import type { TextFigures } from '../text-search.ts';

export interface WordFigures {
  readonly beside: TextFigures;
  /** Null without conversations. */
  readonly locomo: RecallFigures | null;
}

const MEMORIES = 100_000;

/** @param conversations a folder or file of LoCoMo; without one texts are generated. */
export async function measureWords(
  conversations: string | null,
  log: (line: string) => void,
): Promise<WordFigures> {
  const beside = await run<TextFigures>('text-search.ts', [conversations ?? '', String(MEMORIES)]);
  log(
    `text: ${beside.memories} memories (${beside.corpus}), p50 ${beside.oursP50Ms.toFixed(2)} ms, minisearch ${beside.peerP50Ms.toFixed(2)} ms`,
  );
  const locomo = conversations === null ? null : await run<RecallFigures>('locomo.ts', [conversations]);
  if (locomo !== null) log(`LoCoMo: recall@10 ${locomo.recall.toFixed(4)} of ${locomo.questions} questions`);
  return { beside, locomo };
}

async function run<Figures>(program: string, args: readonly string[]): Promise<Figures> {
  const file = fileURLToPath(new URL(`../${program}`, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...process.execArgv,
    file,
    ...args,
    '--json',
  ]);
  return JSON.parse(stdout) as Figures;
}
