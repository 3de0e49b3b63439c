import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import { SigningKey } from '../crypto/signature.ts';
import { slotOf } from '../keys/slot.ts';
import { DEPLOYMENT_LOG } from './entry.ts';
import { exportCsv, exportJsonLines } from './export.ts';
import { verifierKey } from './note.ts';
import { createLedgerWorld, type LedgerWorld } from './testing/ledger-world.ts';
import { verifyExport } from './verify-export.ts';
import { verifies } from '../assurance/testing/verifies.ts';

async function filledWorld(t: TestContext): Promise<LedgerWorld> {
  const world = await createLedgerWorld(t);
  await world.append(20);
  await world.ledger.checkpoint(world.organization);
  await world.append(15);
  return world;
}

type Options = Parameters<LedgerWorld['ledger']['contents']>[1];

const linesOf = async ({ ledger, organization }: LedgerWorld, options?: Options): Promise<string[]> =>
  Array.fromAsync(exportJsonLines(await ledger.contents(organization, options)));

test('an export verifies by itself, whole or from any entry on', async (t) => {
  const world = await filledWorld(t);
  for (const [from, entries, checkpoints] of [
    [0, 35, 2],
    [1, 34, 2],
    [19, 16, 2],
    [20, 15, 1],
    [34, 1, 1],
  ] as const) {
    const lines = await linesOf(world, { from });
    const { logs, faults, fileFault } = await verifyExport(lines);
    assert.deepEqual([faults, fileFault], [[], null], `from ${from}`);
    assert.deepEqual([logs[0]!.entries, logs[0]!.checkpoints, logs[0]!.size], [entries, checkpoints, 35]);
    assert.equal(lines.length, 1 + entries + checkpoints + 1);
  }
});

test('the key that counts is the one the reader knows; the file’s own is said to be only that', async (t) => {
  const world = await filledWorld(t);
  const lines = await linesOf(world);
  assert.equal((await verifyExport(lines)).logs[0]?.isTrusted, false);
  const trusted = await verifyExport(lines, (log) => world.ledger.verifierKey(log));
  assert.equal(trusted.logs[0]?.isTrusted, true);
  assert.deepEqual(trusted.faults, []);
  const stranger = new SigningKey(new Uint8Array(32).fill(9));
  const { faults } = await verifyExport(lines, (log) =>
    verifierKey(world.ledger.originOf(log), stranger.publicKey),
  );
  assert.equal(faults[0]?.kind, 'checkpoint-forged');
});

test('details come along only where asked for, and are no part of what is proved', async (t) => {
  const world = await filledWorld(t);
  const sealed = await linesOf(world);
  assert.doesNotMatch(sealed.join(''), /4711/);
  const opened = await linesOf(world, { withDetails: true });
  assert.match(opened[1]!, /"purpose":"ticket 4711"/);
  assert.deepEqual((await verifyExport(opened)).faults, []);
  world.keyring.puncture(slotOf(1, 1));
  const erased = await linesOf(world, { withDetails: true });
  assert.doesNotMatch(erased.join(''), /4711/);
  assert.deepEqual((await verifyExport(erased)).faults, []);
});

test('an export with a line changed, left out, doubled or moved is found out, and the entry named', async (t) => {
  verifies('AUD-03');
  const world = await filledWorld(t);
  const lines = await linesOf(world);
  const isEntry = (line: string): boolean => line.startsWith('{"type":"entry"');
  for (const [at, line] of lines.entries()) {
    const without = await verifyExport(lines.toSpliced(at, 1));
    assert.ok(isFaulty(without), `line ${at} left out`);
    if (isEntry(line))
      assert.deepEqual([without.faults[0]?.kind, without.faults[0]?.n], ['missing', numberOf(line)]);
    assert.ok(isFaulty(await verifyExport(lines.toSpliced(at, 0, line))), `line ${at} doubled`);
    const next = lines[at + 1];
    if (next !== undefined && isEntry(line) && isEntry(next)) {
      const moved = await verifyExport(lines.toSpliced(at, 2, next, line));
      assert.equal(moved.faults[0]?.n, numberOf(line), `line ${at} moved`);
    }
    const cut = await verifyExport(lines.slice(0, at));
    assert.ok(isFaulty(cut), `cut before line ${at}`);
  }
  const renamed = lines.map((line) => line.replace('"outcome\\":\\"done', '"outcome\\":\\"gone'));
  assert.deepEqual((await verifyExport(renamed)).faults[0]?.kind, 'altered');
  const other = lines.with(8, lines[8]!.replace('memory.get', 'memory.list'));
  const { faults } = await verifyExport(other);
  assert.deepEqual([faults[0]?.kind, faults[0]?.n], ['altered', 0]);
  assert.match(faults[0]!.detail, /entries 0 to 19/);
  const boxed = lines.with(8, lines[8]!.replace('"box":"A', '"box":"B'));
  assert.deepEqual((await verifyExport(boxed)).faults[0]?.kind, 'box-altered');
});

test('an export without a checkpoint over its last entries proves nothing of them, and says so', async (t) => {
  const world = await filledWorld(t);
  const lines = await linesOf(world);
  const last = lines.findLastIndex((line) => line.startsWith('{"type":"checkpoint"'));
  const { faults } = await verifyExport(
    lines.toSpliced(last, 1).map((line) => line.replace('"checkpoints":2', '"checkpoints":1')),
  );
  assert.deepEqual([faults[0]?.kind, faults[0]?.n], ['checkpoint-missing', 20]);
});

test('several logs in one file are verified each by itself', async (t) => {
  const world = await filledWorld(t);
  const deployment = await Array.fromAsync(exportJsonLines(await world.ledger.contents(DEPLOYMENT_LOG)));
  const report = await verifyExport([...(await linesOf(world)), ...deployment, '\n']);
  assert.deepEqual(
    report.logs.map(({ log }) => log),
    [world.organization, DEPLOYMENT_LOG],
  );
  assert.deepEqual([report.faults, report.fileFault], [[], null]);
});

test('any file at all gives a report, never a crash', async (t) => {
  const lines = await linesOf(await filledWorld(t));
  for (const text of [
    '',
    '{}',
    '[]',
    'null',
    '{"type":"entry"}',
    '{"type":"strongroom-ledger"}',
    '{"type":"end"}',
  ]) {
    assert.notEqual((await verifyExport([text])).fileFault, null, text);
  }
  await fc.assert(
    fc.asyncProperty(
      fc.nat(lines.length - 1),
      fc.nat(),
      fc.integer({ min: 32, max: 126 }),
      async (line, any, code) => {
        const text = lines[line]!;
        const at = any % (text.length - 1);
        const changed = text.slice(0, at) + String.fromCharCode(code) + text.slice(at + 1);
        if (changed !== text && !/"exportedAt"|"origin"/.test(text)) {
          assert.ok(isFaulty(await verifyExport(lines.with(line, changed))), changed);
        } else {
          await verifyExport(lines.with(line, changed));
        }
      },
    ),
    { numRuns: 100 },
  );
});

test('CSV has a row for each entry, quotes what needs it and defuses what a spreadsheet would run', async (t) => {
  const { store, ledger, organization, draft } = await createLedgerWorld(t);
  const purposes = ['plain', 'with, comma', 'with "quotes"', 'two\nlines', '=1+1', '@sum', '-2', '+3'];
  for (const purpose of purposes) {
    await store.write(organization, (tx) => {
      ledger.append(tx, draft({ details: { purpose } }));
      return Promise.resolve();
    });
  }
  const rows: string[] = await Array.fromAsync(
    exportCsv(await ledger.contents(organization, { withDetails: true })),
  );
  assert.equal(rows.length, purposes.length + 1);
  assert.equal(
    rows[0],
    'n,at,principal,action,target,targets,outcome,code,count,request,facts,purpose,address,leafHash\r\n',
  );
  const shown = [
    'plain',
    '"with, comma"',
    '"with ""quotes"""',
    '"two\nlines"',
    "'=1+1",
    "'@sum",
    "'-2",
    "'+3",
  ];
  for (const [at, text] of shown.entries()) {
    assert.ok(rows[at + 1]!.includes(`,,${text},,`), text);
    assert.match(
      rows[at + 1]!,
      new RegExp(`^${at},2026-05-07T00:00:00.000Z,key_[0-9a-z]{26},memory.get,mem_[0-9a-z]{26},`),
    );
    assert.match(rows[at + 1]!, /,[0-9a-f]{64}\r\n$/);
  }
});

const isFaulty = ({ faults, fileFault }: Awaited<ReturnType<typeof verifyExport>>): boolean =>
  faults.length > 0 || fileFault !== null;

const numberOf = (line: string): number => (JSON.parse(line) as { n: number }).n;
