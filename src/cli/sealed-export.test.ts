/** Exports that are sealed on the client's machine: a whole one comes back, anything else is refused with nothing written. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { turnedBit } from '../assurance/turned-bit.ts';
import { realEnvironment } from '../environment.ts';
import { createExportKey, exportKeyText, openSealed, parseExportKey, sealLines } from './sealed-export.ts';
import { TestBench } from './testing/test-io.ts';

const linesOf = async function* (lines: readonly string[]): AsyncGenerator<string> {
  await Promise.resolve();
  yield* lines;
};

/** Of some lines, and the key of it. */
async function sealed(t: TestContext, lines: readonly string[]) {
  const { random } = realEnvironment;
  const key = createExportKey(random);
  const pieces = await Array.fromAsync(sealLines(key, linesOf(lines), random));
  const path = join(new TestBench(t).directory, 'sealed');
  writeFileSync(path, Buffer.concat(pieces));
  const opened = async (by = key): Promise<string> => (await Array.fromAsync(openSealed(path, by))).join('');
  return { key, path, opened, bytes: new Uint8Array(Buffer.concat(pieces)) };
}

/** Longer than a chunk, and no character of it ends where a chunk does. */
const LONG = Array.from({ length: 900 }, (_, at) => `{"text":"Ärger, 茶 und 🫖 ${'é'.repeat(at % 40)}"}\n`);

test('a sealed export comes back as it was, whatever its length', async (t) => {
  for (const lines of [[], ['{}\n'], LONG]) {
    const { opened } = await sealed(t, lines);
    assert.equal(await opened(), lines.join(''));
  }
});

test('a sealed export shows nothing of what is in it, and opens with no other key', async (t) => {
  const { key, bytes, opened } = await sealed(t, ['{"text":"quinces"}\n']);
  assert.ok(!Buffer.from(bytes).includes('quinces') && !Buffer.from(bytes).includes(key));
  await assert.rejects(opened(turnedBit(key)), { code: 'box.damaged', message: /another one's/ });
  await assert.rejects(opened(new Uint8Array(32)), { code: 'box.damaged' });
});

test('a sealed export that is cut, lengthened or flipped anywhere does not open', async (t) => {
  const { path, bytes, opened } = await sealed(t, LONG);
  assert.ok(bytes.length > 40_000);
  const places = [5, 28, 60, 61, 20_000, bytes.length - 1];
  const broken = [
    ...places.map((at) => turnedBit(bytes, at)),
    ...places.map((at) => bytes.subarray(0, at)),
    bytes.subarray(0, 5 + 56 + 16_400),
    Buffer.concat([bytes, new Uint8Array(1)]),
  ];
  for (const [at, wrong] of broken.entries()) {
    writeFileSync(path, wrong);
    await assert.rejects(opened(), { code: 'box.damaged' }, `${at}`);
  }
  for (const wrong of [turnedBit(bytes, 0), turnedBit(bytes, 4), bytes.subarray(0, 4), new Uint8Array(0)]) {
    writeFileSync(path, wrong);
    await assert.rejects(opened(), { code: 'request.invalid' });
  }
});

test('the text of a key gives the key back, and a mistyped one is told', () => {
  const key = createExportKey(realEnvironment.random);
  const text = exportKeyText(key);
  assert.match(text, /^srx_[\w-]{48}$/);
  assert.deepEqual(new Uint8Array(parseExportKey(text)), new Uint8Array(key));
  const other = text[10] === 'A' ? 'B' : 'A';
  for (const wrong of [
    '',
    'srx_',
    text.slice(0, -1),
    `${text}A`,
    text.slice(4),
    ` ${text}`,
    text.slice(0, 10) + other + text.slice(11),
  ])
    assert.throws(() => parseExportKey(wrong), { code: 'request.invalid' }, wrong);
});

test('export --sealed shows its key once, and export open gives what import takes again', async (t) => {
  const bench = new TestBench(t);
  const path = (name: string): string => join(bench.directory, name);
  bench.server.addVault('default');
  await bench.run(['add', 'Ann prefers tea', '--subject', 'ann']);
  await bench.run(['add', 'Bo prefers coffee']);
  const plain = (await bench.run(['export'])).out;
  const made = await bench.run(['export', '--sealed', '--out', 'sealed']);
  assert.equal(made.code, 0, made.err);
  const key = made.out.trim();
  assert.match(key, /^srx_[\w-]{48}$/);
  assert.match(made.err, /^2 memories in sealed, sealed\. The key is shown this once/);
  assert.equal(statSync(path('sealed')).mode & 0o777, 0o600);
  assert.ok(!readFileSync(path('sealed')).includes('tea'));
  assert.equal((await bench.run(['export', 'open', 'sealed', '--key', key])).out, plain);
  const variables = { STRONGROOM_EXPORT_KEY: key };
  assert.equal((await bench.run(['export', 'open', 'sealed', '--out', 'plain'], { variables })).code, 0);
  assert.equal(readFileSync(path('plain'), 'utf8'), plain);
  await bench.run(['vault', 'create', 'copy']);
  assert.match((await bench.run(['import', 'plain', '--vault', 'copy'])).out, /^2 memories added/);
  const asJson = await bench.run(['export', '--sealed', '--out', 'again', '--json']);
  assert.equal((JSON.parse(asJson.out) as { memories: number }).memories, 2);
});

test('what cannot be opened leaves nothing behind, and nothing half-read goes out', async (t) => {
  const bench = new TestBench(t);
  bench.server.addVault('default');
  for (let at = 0; at < 300; at++) await bench.run(['add', `memory ${at} ${'tea '.repeat(20)}`]);
  const key = (await bench.run(['export', '--sealed', '--out', 'sealed'])).out.trim();
  const path = join(bench.directory, 'sealed');
  const bytes = readFileSync(path);
  assert.ok(bytes.length > 40_000);
  const other = exportKeyText(createExportKey(realEnvironment.random));
  const open = async (by: string, says: RegExp): Promise<void> => {
    for (const out of [[], ['--out', 'plain']]) {
      const ran = await bench.run(['export', 'open', 'sealed', '--key', by, ...out]);
      assert.ok(ran.code !== 0 && says.test(ran.err), ran.err);
      assert.equal(ran.out, '');
      for (const name of ['plain', 'plain.part']) assert.ok(!existsSync(join(bench.directory, name)), name);
    }
  };
  await open(other, /the key is another one's/);
  await open('srx_cut', /was it cut or mistyped/);
  writeFileSync(path, bytes.subarray(0, 30_000));
  await open(key, /damaged or cut: after \d+ bytes/);
  writeFileSync(path, turnedBit(bytes, 35_000));
  await open(key, /damaged or cut: after \d+ bytes/);
  writeFileSync(path, '{"text":"plain"}\n');
  await open(key, /is no sealed export/);
  const none = await bench.run(['export', 'open', 'nothing', '--key', key]);
  assert.match(none.err, /nothing cannot be read: ENOENT/);
  assert.match((await bench.run(['export', 'open', 'sealed'])).err, /the key is needed/);
  assert.match((await bench.run(['export', '--sealed'])).err, /--out FILE/);
});
