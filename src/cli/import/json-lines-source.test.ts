import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import * as fc from 'fast-check';
import { encodeBase64 } from '../../bytes/encoding.ts';
import { encodeFloats } from '../../bytes/floats.ts';
import { BEGINNING, type Item, type Position } from './item.ts';
import { jsonLinesSource, LINE_BYTES_MAX } from './json-lines-source.ts';

function fileOf(t: TestContext, content: string | Uint8Array): string {
  const folder = mkdtempSync(join(tmpdir(), 'strongroom-import-'));
  t.after(() => {
    rmSync(folder, { recursive: true });
  });
  const path = join(folder, 'file.jsonl');
  writeFileSync(path, content);
  return path;
}

const itemsIn = (path: string, from: Position = BEGINNING): Promise<Item[]> =>
  Array.fromAsync(jsonLinesSource(path, 0).items(from));

const base64Of = (numbers: readonly number[]): string =>
  encodeBase64(encodeFloats(Float32Array.from(numbers)));

const shown = (items: readonly Item[]): string[] =>
  items.map(({ where, memory, reason }) => `${where}: ${memory?.text ?? reason}`);

describe('JSON Lines', () => {
  it('an empty file holds nothing', async (t) => {
    for (const content of ['', '\n', '\r\n \n\n', '\ufeff', '\ufeff\n'])
      assert.deepEqual(await itemsIn(fileOf(t, content)), []);
  });

  it('a byte-order mark, CRLF, empty lines and a missing last line feed do no harm', async (t) => {
    const path = fileOf(t, '\ufeff{"text":"a"}\r\n\r\n  {"text":"b"}\t\r\n{"text":"c"}');
    assert.deepEqual(shown(await itemsIn(path)), ['line 1: a', 'line 3: b', 'line 4: c']);
  });

  it('a line that is cut, not UTF-8, or too long is one bad line, and those after it are read', async (t) => {
    const content = Buffer.concat([
      Buffer.from('{"text":"a"}\n{"text":"cut\n'),
      Buffer.of(0x7b, 0x22, 0xff, 0x0a),
      Buffer.from('{"text":"b"}\n'),
      Buffer.alloc(LINE_BYTES_MAX + 1, 'x'),
      Buffer.from('\n{"text":"c"}\n{"text":"d"'),
    ]);
    assert.deepEqual(shown(await itemsIn(fileOf(t, content))), [
      'line 1: a',
      'line 2: not well-formed JSON',
      'line 3: not UTF-8',
      'line 4: b',
      'line 5: the line is longer than 2 MiB',
      'line 6: c',
      'line 7: not well-formed JSON',
    ]);
  });

  it('a line that never ends is not held', async (t) => {
    const path = fileOf(t, Buffer.alloc(64 * 1024 * 1024, 'x'));
    const before = process.memoryUsage().arrayBuffers;
    assert.deepEqual(shown(await itemsIn(path)), ['line 1: the line is longer than 2 MiB']);
    const grown = process.memoryUsage().arrayBuffers - before;
    assert.ok(grown < 48 * 1024 * 1024, `${grown} bytes more`);
  });

  it('what is wrong with a memory is said', async (t) => {
    const cases: [unknown, string][] = [
      [[], 'not a JSON object'],
      ['text', 'not a JSON object'],
      [null, 'not a JSON object'],
      [{}, 'neither text nor vector'],
      [{ text: 7 }, 'text is not a string'],
      [{ text: '' }, 'text is empty'],
      [{ text: 'ä'.repeat(32 * 1024 + 1) }, 'text is longer than 64 KiB'],
      [{ text: 'a', vector: 'b' }, 'vector is not an array of numbers, nor base64 of them'],
      [{ text: 'a', vector: {} }, 'vector is not an array of numbers, nor base64 of them'],
      [{ vector: base64Of([1]) }, 'vector has 1 numbers, not 2 to 4096'],
      [{ vector: base64Of([1, Number.NaN]) }, 'vector holds something else than finite numbers'],
      [{ vector: [1] }, 'vector has 1 numbers, not 2 to 4096'],
      [{ vector: [1, 1e39] }, 'vector holds something else than finite numbers'],
      [{ vector: [1, '2'] }, 'vector holds something else than finite numbers'],
      [{ text: 'a', metadata: [] }, 'metadata is not an object'],
      [{ text: 'a', metadata: { a: 'x'.repeat(16 * 1024) } }, 'metadata is longer than 16 KiB'],
      [{ text: 'a', subject: 7 }, 'subject is not a name'],
      [{ text: 'a', subject: 'x'.repeat(201) }, 'subject is longer than 200 characters'],
      [{ text: 'a', at: 'yesterday' }, 'at is not a time'],
      [{ text: 'a', derivedFrom: 'mem_1' }, 'derivedFrom is not a list of ids'],
      [{ text: 'a', messages: [] }, 'unknown field "messages"'],
    ];
    const path = fileOf(t, cases.map(([line]) => `${JSON.stringify(line)}\n`).join(''));
    assert.deepEqual(
      (await itemsIn(path)).map((item) => item.reason),
      cases.map(([, reason]) => reason),
    );
  });

  it('a vector may be base64 of its numbers, as anywhere it is sent', async (t) => {
    const path = fileOf(t, JSON.stringify({ vector: base64Of([1.5, -2]) }));
    const [item] = await itemsIn(path);
    assert.equal(item?.memory?.vector, base64Of([1.5, -2]));
  });

  it('from any position it goes on exactly where it was', async (t) => {
    const path = fileOf(t, '\ufeff{"text":"ä"}\r\n\nbad\n{"text":"c"}\n\n{"text":"d"}');
    const all = await itemsIn(path);
    assert.equal(all.length, 4);
    for (const [i, item] of all.entries()) assert.deepEqual(await itemsIn(path, item.end), all.slice(i + 1));
  });

  it('what is exported comes back with the same values', async (t) => {
    const name = fc.string({ minLength: 1, maxLength: 20, unit: 'grapheme' });
    const time = fc
      .date({ min: new Date('1970-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString());
    const input = fc.record(
      {
        text: fc.string({ minLength: 1, unit: 'grapheme' }),
        vector: fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 2, maxLength: 8 }),
        metadata: fc
          .dictionary(name, fc.jsonValue({ maxDepth: 2 }))
          .map((value) => JSON.parse(JSON.stringify(value)) as object),
        subject: name,
        conversation: name,
        speaker: name,
        kind: name,
        visibility: name,
        at: time,
        expiresAt: time,
        derivedFrom: fc.array(fc.constant('mem_00000000000000000000000001'), { maxLength: 3 }),
      },
      { requiredKeys: ['text'], noNullPrototype: true },
    );
    const ofServer = {
      id: 'mem_1',
      version: 3,
      createdAt: '2026-01-01T00:00:00.000Z',
      updatedAt: '2026-01-01T00:00:00.000Z',
    };
    const path = fileOf(t, '');
    await fc.assert(
      fc.asyncProperty(fc.array(input, { maxLength: 5 }), async (inputs) => {
        const plain = JSON.parse(JSON.stringify(inputs)) as object[];
        writeFileSync(
          path,
          plain.map((memory) => `${JSON.stringify({ ...ofServer, ...memory })}\n`).join(''),
        );
        assert.deepEqual(
          (await itemsIn(path)).map((item) => item.memory ?? item.reason),
          plain,
        );
      }),
      { numRuns: 100 },
    );
  });
});
