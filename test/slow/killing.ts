/**
 * Programs that the kernel kills at their n-th sync or write, one n after the other, two of them at a time. Syncs are few, and
 * each is tried. Of the writes so many are tried, spread over all there are, others each time.
 *
 * `STRONGROOM_KILLS` says at how many of the writes; `all` says at each, which takes hours.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { temporaryFolder } from '../deployment.ts';
import { spawnProgram } from '../server-process.ts';
import { isRequired, lacks } from '../tools.ts';

const WRITES_TRIED = process.env['STRONGROOM_KILLS'] ?? '48';
const AT_A_TIME = 2;

/** System calls at which a program dies, and at how many of all of them at most. */
export interface Calls {
  readonly names: readonly string[];
  readonly most: number;
}

export const SYNCS: Calls = { names: ['fsync', 'fdatasync'], most: Infinity };
export const WRITES: Calls = {
  names: ['pwrite64', 'write'],
  most: WRITES_TRIED === 'all' ? Infinity : Number(WRITES_TRIED),
};

/** The n-th call of this name that a thread makes. */
interface Point {
  readonly name: string;
  readonly at: number;
}

export interface Ran {
  /** False where it ran through. */
  readonly isKilled: boolean;
  readonly out: string;
  /** The last of the calls that some thread made, by name: each of these is a point to die at. */
  readonly last: readonly Point[];
}

export interface Attempt {
  /** Of this attempt alone. */
  readonly folder: string;
  /** For messages. */
  readonly where: string;
  /** Runs `node` with these arguments until it is killed, or has ended by itself, which it must do well. */
  readonly run: (args: readonly string[]) => Promise<Ran>;
}

/** Whether processes cannot be traced here: the test is skipped then, or fails where tracing is required. */
export function cannotTrace(t: TestContext): boolean {
  if (lacks(t, 'strace')) return true;
  const { status, stderr } = spawnSync('strace', ['-f', '-qq', '-o', '/dev/null', 'true'], {
    encoding: 'utf8',
  });
  if (status === 0) return false;
  assert.ok(!isRequired('strace'), `processes cannot be traced: ${stderr}`);
  t.skip('processes cannot be traced here');
  return true;
}

/**
 * One attempt that is not killed, which tells what calls there are, and then those that are. An attempt answers what its
 * run answered; the walk, how many were killed.
 */
export async function walk(
  t: TestContext,
  { names, most }: Calls,
  attempt: (one: Attempt) => Promise<Ran>,
): Promise<number> {
  const folder = await temporaryFolder(t);
  const attemptAt = async (point: Point | null, lane: string): Promise<Ran> => {
    const own = join(folder, lane);
    await rm(own, { recursive: true, force: true });
    await mkdir(own);
    const run = (args: readonly string[]) => runUntil(args, { names, point, log: `${own}.log` });
    return attempt({ folder: own, where: point === null ? 'whole' : `${point.name} ${point.at}`, run });
  };
  const whole = await attemptAt(null, 'whole');
  assert.ok(!whole.isKilled);
  const all = whole.last.flatMap(({ name, at }) =>
    Array.from({ length: at }, (_, i) => ({ name, at: i + 1 })),
  );
  // Who is done takes the next point.
  const points = spread(all, most).values();
  let kills = 0;
  const failures: unknown[] = [];
  const takeTurns = async (lane: string): Promise<void> => {
    for (const point of points) {
      if (failures.length > 0) return;
      const ran = await attemptAt(point, lane).catch((error: unknown) => void failures.push(error));
      if (ran?.isKilled === true) kills++;
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, (_, lane) => takeTurns(String(lane))));
  if (failures.length > 0) throw failures[0];
  t.diagnostic(`${kills} kills at ${all.length} calls`);
  return kills;
}

/** So many of them at most: one out of each of as many equal parts, at random. */
function spread<Value>(values: readonly Value[], most: number): Value[] {
  const parts = Math.min(most, values.length);
  const one = (_: unknown, part: number): Value[] => {
    const index = Math.floor(((part + Math.random()) * values.length) / parts);
    return values.slice(index, index + 1);
  };
  return Array.from({ length: parts }, one).flat();
}

/** One thread for all file calls, because calls are counted in each thread apart. */
async function runUntil(
  args: readonly string[],
  { names, point, log }: { names: readonly string[]; point: Point | null; log: string },
): Promise<Ran> {
  const killed = point === null ? [] : ['-e', `inject=${point.name}:signal=KILL:when=${point.at}`];
  const child = spawnProgram(args, {
    under: ['strace', '-f', '-qq', '-o', log, '-e', `trace=${names.join()}`, ...killed],
    variables: { UV_THREADPOOL_SIZE: '1', STRONGROOM_LOG_LEVEL: 'silent' },
  });
  const said = { out: '', err: '' };
  child.stdout?.on('data', (chunk) => (said.out += String(chunk)));
  child.stderr?.on('data', (chunk) => (said.err += String(chunk)));
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  const isKilled = code !== 0;
  if (isKilled) assert.ok(signal === 'SIGKILL' || code === 137, `ended with ${code} ${signal}: ${said.err}`);
  const lines = await readFile(log, 'utf8');
  return { isKilled, out: said.out, last: names.map((name) => ({ name, at: mostOfOneThread(lines, name) })) };
}

/** A call may take two lines, of which the second does not begin with its name. */
function mostOfOneThread(log: string, name: string): number {
  const counts = new Map<string, number>();
  for (const [, thread = ''] of log.matchAll(new RegExp(`^(\\d+) +${name}\\(`, 'gmu')))
    counts.set(thread, (counts.get(thread) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}
