/**
 * For tests: a command line as a script that anyone can read. A script is what a terminal would have shown:
 *
 *     # a remark
 *     $ strongroom add "Ann prefers tea"       a command; NAME=value before it sets a variable, `echo TEXT |` its input
 *     mem_…                                    what it wrote
 *     ~                                        an empty line of what it wrote
 *     ! a word                                 what it wrote to standard error
 *     [exit 2]                                 how it ended, when not with 0
 *
 *     $ cat > FILE                             a file, up to EOF
 *
 * `play` runs the commands and gives the same script with what they really wrote, so the two can be compared as texts.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunOptions, TestBench, Written } from './test-io.ts';

const BLANK = '~';

export async function play(script: string, bench: TestBench): Promise<string> {
  const lines = script.split('\n');
  const played: string[] = [];
  while (lines.length > 0) {
    const line = lines.shift() ?? '';
    if (!line.startsWith('$ ')) {
      if (line === '' || line.startsWith('#')) played.push(line);
      continue;
    }
    played.push(line);
    const [, file] = /^\$ cat > (\S+)$/.exec(line) ?? [];
    if (file === undefined) played.push(...(await runLine(line.slice(2), bench)));
    else played.push(...writeFile(join(bench.directory, file), lines));
  }
  return played.join('\n');
}

function writeFile(path: string, lines: string[]): string[] {
  const end = lines.indexOf('EOF');
  const content = lines.splice(0, end + 1);
  writeFileSync(
    path,
    content
      .slice(0, -1)
      .map((line) => `${line}\n`)
      .join(''),
  );
  return content;
}

async function runLine(line: string, bench: TestBench): Promise<string[]> {
  const { argv, options } = parseLine(line);
  const { code, written } = await bench.run(argv, options);
  const shown = linesOf(written).map((text) => text.replaceAll(bench.directory, '/home/ann'));
  return code === 0 ? shown : [...shown, `[exit ${code}]`];
}

function parseLine(line: string): { argv: string[]; options: RunOptions } {
  const words = wordsOf(line);
  const pipe = words.indexOf('|');
  const input = pipe < 0 ? undefined : `${words.slice(1, pipe).join(' ')}\n`;
  const command = words.slice(pipe + 1);
  const start = command.indexOf('strongroom');
  const variables = Object.fromEntries(command.slice(0, start).map((word) => splitOnce(word, '=')));
  return {
    argv: command.slice(start + 1),
    options: { variables, ...(input === undefined ? {} : { input }) },
  };
}

const wordsOf = (line: string): string[] =>
  [...line.matchAll(/(?:[^\s"']|"[^"]*"|'[^']*')+/g)].map(([word]) =>
    word.replaceAll(/"([^"]*)"|'([^']*)'/g, '$1$2'),
  );

function splitOnce(word: string, separator: string): [string, string] {
  const at = word.indexOf(separator);
  return [word.slice(0, at), word.slice(at + 1)];
}

/** Lines in the order they were written, those of standard error marked. */
function linesOf(written: readonly Written[]): string[] {
  return written.flatMap(({ stream, text }) => {
    const lines = text.replace(/\n$/, '').split('\n');
    return text === '' ? [] : lines.map((line) => (stream === 'err' ? `! ${line}`.trimEnd() : line || BLANK));
  });
}
