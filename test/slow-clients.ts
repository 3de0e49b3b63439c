/**
 * slowhttptest against a listener, and what it saw: whether the slow connections were ended, after how long, and whether
 * its own probe was answered all the while.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from './tools.ts';

/** Headers that never end, a body that trickles in, an answer that is read a few bytes at a time. */
export type Slowness = 'headers' | 'body' | 'read';

export interface SlowRun {
  readonly url: string;
  /** For what it writes. */
  readonly folder: string;
  readonly slowness: Slowness;
  readonly connections: number;
  /** After which it gives up. */
  readonly secondsMax: number;
  /** For a body: without a key it would be refused at once. */
  readonly apiKey?: string;
}

export interface SlowSeen {
  /** Most connections it had at a time. */
  readonly connected: number;
  /** When the last was ended; null: some were still open when it gave up. */
  readonly endedAfterS: number | null;
  /** Seconds in which its probe was not answered. */
  readonly unavailableS: number;
}

export async function attackSlowly(run: SlowRun): Promise<SlowSeen> {
  const prefix = join(run.folder, `slow-${run.slowness}`);
  const { connections, secondsMax, slowness } = run;
  const options = ['-c', connections, '-r', connections, '-l', secondsMax, '-p', 3, '-g', '-o', prefix];
  const args = [...OF[slowness](run), ...options, '-u', `${run.url}${PATHS[slowness]}`].map(String);
  const { out, err } = await runTool('slowhttptest', args, { timeoutMs: (secondsMax + 20) * 1000 });
  const table = await readFile(`${prefix}.csv`, 'utf8').catch(() => assert.fail(`${out}${err}`));
  return readSlowTable(table, secondsMax);
}

const PATHS: Readonly<Record<Slowness, string>> = {
  headers: '/healthz',
  body: '/v1/vaults/default/memories',
  read: '/openapi.json',
};

const OF: Readonly<Record<Slowness, (run: SlowRun) => readonly (string | number)[]>> = {
  headers: () => ['-H', '-i', 2],
  // Further headers ride on that of the type, because it has no option for them.
  body: ({ apiKey = '' }) => {
    const type = `application/json\r\nAuthorization: Bearer ${apiKey}`;
    return ['-B', '-i', 1, '-x', 10, '-s', 1_000_000, '-t', 'POST', '-f', type];
  },
  read: () => ['-X', '-n', 1, '-z', 5, '-w', 10, '-y', 20],
};

const LISTENS = '0A';
const WAITS_AFTER_END = '06';

/** Connections of a port that the system still keeps for its server, read from or not. */
export async function keptConnections(port: number): Promise<number> {
  const local = `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  const lines = (await readFile('/proc/net/tcp', 'utf8')).split('\n').map((line) => line.trim().split(/\s+/));
  return lines.filter(
    ([, address = '', , state = '']) =>
      address.endsWith(local) && state !== LISTENS && state !== WAITS_AFTER_END,
  ).length;
}

/** Its table: seconds, closed, pending, connected, and something greater than nothing where its probe was answered. */
export function readSlowTable(csv: string, secondsMax: number): SlowSeen {
  const rows = csv
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(',').map(Number));
  assert.ok(rows.length > 0 && rows.every((row) => row.length === 5 && row.every(Number.isFinite)), csv);
  const last = rows.at(-1)?.[0] ?? 0;
  return {
    connected: Math.max(...rows.map(([, , , connected = 0]) => connected)),
    endedAfterS: last >= secondsMax ? null : last,
    unavailableS: rows.filter(([, , , , available]) => available === 0).length,
  };
}
