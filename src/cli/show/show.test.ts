import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import * as fc from 'fast-check';
import { TestBench } from '../testing/test-io.ts';
import { paintFor } from './paint.ts';
import { tableText } from './table.ts';
import { fit, printable, widthOf, wrap } from './text.ts';
import { showSpan, showTime } from './time.ts';

const plain = paintFor(null, {});
/** What a terminal could obey, or be turned around by. */
const DANGEROUS = /[\p{Cc}\u2028\u2029\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/u;

describe('text of others', () => {
  it('brings no control character to the terminal, whatever it holds', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (a, b) => {
        const hostile = `${a}\u001b]52;c;aGk=\u0007${b}\u009b2J\u202e\r\n\ud800`;
        assert.ok(!DANGEROUS.test(printable(hostile)));
        assert.ok(!DANGEROUS.test(printable(hostile, { keepBreaks: true }).replaceAll('\n', '')));
        assert.ok(printable(hostile).isWellFormed());
      }),
    );
  });

  it('a memory that tries is shown harmless by every command, and whole with --json', async (t) => {
    const bench = new TestBench(t);
    const text = 'a\u001b[2Jb\u0007\u202ec\nd';
    await bench.run(['add', text, '--speaker', '\u001b[31mAnn', '--conversation', 'x\u0000y']);
    const id = bench.server.memoriesIn('default')[0]?.id ?? '';
    for (const argv of [['list'], ['get', id], ['search', 'd'], ['history', id]]) {
      const { out } = await bench.run(argv);
      assert.ok(out.includes('b') && !DANGEROUS.test(out.replaceAll('\n', '')), JSON.stringify(out));
    }
    assert.equal((JSON.parse((await bench.run(['get', id, '--json'])).out) as { text: string }).text, text);
  });

  it('is as wide as the terminal shows it', () => {
    const cases: [string, number][] = [
      ['', 0],
      ['abc', 3],
      ['tée', 3],
      ['te\u0301e', 3],
      ['日本', 4],
      ['👩‍👩‍👧', 2],
      ['한글', 4],
      ['ａ', 2],
    ];
    for (const [text, width] of cases) assert.equal(widthOf(text), width, text);
  });

  it('never takes more columns than it is given, and loses nothing when it is wrapped', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.integer({ min: 2, max: 40 }), (raw, columns) => {
        const text = printable(raw);
        assert.ok(widthOf(fit(text, columns)) <= columns);
        const lines = wrap(text, columns);
        for (const line of lines) assert.ok(widthOf(line) <= columns, line);
        assert.equal(lines.join('').replaceAll(' ', ''), text.replaceAll(' ', ''));
      }),
    );
  });
});

describe('what is laid out', () => {
  it('a table fits the terminal, and is whole in a file', () => {
    const columns = [{ title: 'N', right: true }, { title: 'TEXT' }];
    const rows = [
      ['1', 'a'.repeat(100)],
      ['10', '日本'],
    ];
    for (const line of tableText(columns, rows, { columns: 40, paint: plain }).split('\n'))
      assert.ok(widthOf(line) <= 40);
    assert.equal(
      tableText(columns, rows, { columns: null, paint: plain }),
      ` N  TEXT\n 1  ${'a'.repeat(100)}\n10  日本\n`,
    );
  });

  it('results are wrapped to the terminal and cut after some lines, in a pipe never', async (t) => {
    const bench = new TestBench(t);
    await bench.run(['add', 'tea '.repeat(200).trim()]);
    const narrow = await bench.run(['search', 'tea'], { outColumns: 60, variables: { NO_COLOR: '1' } });
    const lines = narrow.out.trimEnd().split('\n');
    assert.ok(lines.length === 5 && lines.every((line) => widthOf(line) < 60), narrow.out);
    assert.ok(lines.at(-1)?.endsWith('…'));
    assert.match((await bench.run(['search', 'tea'])).out, /(tea ){199}tea\n$/);
  });

  it('there is emphasis on a terminal only, and none for whoever wants none', async (t) => {
    const bench = new TestBench(t);
    await bench.run(['add', 'tea']);
    const outOf = async (options: object): Promise<string> =>
      (await bench.run(['search', 'tea'], options)).out;
    assert.ok((await outOf({ outColumns: 80 })).includes('\u001b[1m'));
    assert.ok(!(await outOf({})).includes('\u001b'));
    assert.ok(!(await outOf({ outColumns: 80, variables: { NO_COLOR: '1' } })).includes('\u001b'));
    assert.ok(!(await outOf({ outColumns: 80, variables: { TERM: 'dumb' } })).includes('\u001b'));
  });

  it('times and spans are short', () => {
    assert.equal(showTime('2026-05-07T10:00:00.000Z'), '2026-05-07 10:00');
    assert.equal(showTime('2026-05-07T10:00:09.123Z'), '2026-05-07 10:00:09');
    assert.deepEqual([0.44, 9.99, 59, 61, 3661].map(showSpan), [
      '0.4 s',
      '10.0 s',
      '59 s',
      '1 min 1 s',
      '1 h 1 min',
    ]);
  });
});
