/**
 * Programs of other people that some tests need. Where one is not installed the test is skipped and says so, unless
 * `STRONGROOM_TESTS_REQUIRE` names it: then a machine without it fails, so that nothing is skipped where all must run.
 */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import type { TestContext } from 'node:test';

/** Where Debian puts the sources of Go packages. */
const GO_PATH = '/usr/share/gocode';
const GO_LOG = 'src/golang.org/x/mod/sumdb/tlog';

/** Whether this machine has no such program, and need not have one. */
export function lacks(t: TestContext, tool: string): boolean {
  if (isThere(tool)) return false;
  assert.ok(!isRequired(tool), `${tool} is required and is not there`);
  t.skip(`${tool} is not installed`);
  return true;
}

export const isRequired = (tool: string): boolean =>
  (process.env['STRONGROOM_TESTS_REQUIRE'] ?? '').split(',').includes(tool);

const isThere = (tool: string): boolean =>
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .some((folder) => folder !== '' && existsSync(join(folder, tool))) &&
  (tool !== 'go' || existsSync(join(GO_PATH, GO_LOG)));

/** Builds a Go program of one file with nothing but what the system has installed; the folder takes all that is made. */
export function buildGo(source: string, folder: string): string {
  const program = join(folder, 'program');
  const { status, stderr } = spawnSync('go', ['build', '-o', program, source], {
    env: {
      PATH: process.env['PATH'] ?? '',
      HOME: folder,
      GOPATH: GO_PATH,
      GOCACHE: join(folder, 'cache'),
      GO111MODULE: 'off',
    },
    encoding: 'utf8',
    timeout: 120_000,
  });
  assert.equal(status, 0, stderr);
  return program;
}

export interface Said {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Runs a tool to its end, whatever it ends with; one that does not end within the time is killed and fails the test. */
export function runTool(
  tool: string,
  args: readonly string[],
  { input = '', timeoutMs = 60_000 }: { readonly input?: string; readonly timeoutMs?: number } = {},
): Promise<Said> {
  return new Promise((resolve, reject) => {
    const child = execFile(
      tool,
      args,
      { timeout: timeoutMs, maxBuffer: 64 * 1024 * 1024, killSignal: 'SIGKILL' },
      (error, out, err) => {
        const code = error === null ? 0 : error.code;
        if (typeof code === 'number') resolve({ code, out, err });
        else reject(new Error(`${tool} did not end by itself: ${String(error?.message)}\n${out}${err}`));
      },
    );
    // A tool that ends without reading all of it says why in its own words.
    child.stdin?.on('error', () => undefined);
    child.stdin?.end(input);
  });
}
