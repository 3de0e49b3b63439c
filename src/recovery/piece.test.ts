import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import type { SqlValue } from '../store/connection.ts';
import { blockOf, decodeRow, encodeRow } from '../store/row-bytes.ts';
import { PieceWriter, readPiece, type FullPiece, type TableHead } from './piece.ts';

const HEAD: TableHead = {
  table: 'things',
  columns: [
    ['id', 'text'],
    ['n', 'integer'],
    ['box', 'bytes'],
    ['more', 'bytes'],
  ],
};
const TYPES = HEAD.columns.map(([, type]) => type);

const value = fc.oneof(fc.constant(null), fc.uint8Array({ maxLength: 60 }));
const row = fc.tuple(fc.string({ unit: 'grapheme' }), fc.maxSafeInteger(), value, value);

const plain = (values: readonly SqlValue[]): unknown[] =>
  values.map((one) => (one instanceof Uint8Array ? Buffer.from(one).toString('hex') : one));

test('a row is read back as it was, whatever is in it', () => {
  fc.assert(
    fc.property(row, (values) => {
      const bytes = Buffer.from(encodeRow(values));
      assert.deepEqual(plain(decodeRow(bytes, TYPES)), plain(values));
      assert.throws(() => decodeRow(bytes, [...TYPES, 'text']), { code: 'box.damaged' });
      assert.throws(() => decodeRow(Buffer.concat([bytes, Buffer.of(0)]), TYPES), { code: 'box.damaged' });
    }),
  );
});

test('rows come back from pieces of any size, and each piece can be read without the others', () => {
  fc.assert(
    fc.property(
      fc.array(row, { maxLength: 40 }),
      fc.integer({ min: 120, max: 2000 }),
      fc.integer({ min: 1, max: 9 }),
      (rows, size, block) => {
        const writer = new PieceWriter(size);
        const removed = [['gone', 1, Uint8Array.of(0, 255)]];
        const pieces: FullPiece[] = [...writer.removed('things', removed), ...writer.table(HEAD)];
        for (let at = 0; at < rows.length; at += block)
          pieces.push(...writer.rows(blockOf(rows.slice(at, at + block).map(encodeRow))));
        pieces.push(...writer.blob('archives/one', Uint8Array.of(1, 2, 3)), writer.end());
        const records = pieces.flatMap(({ bytes }) => [...readPiece(bytes)]);
        const read = records.flatMap((record) =>
          record.kind === 'rows' ? record.rows.map((one) => plain(decodeRow(one, TYPES))) : [],
        );
        assert.deepEqual(read, rows.map(plain));
        assert.equal(
          pieces.reduce((sum, piece) => sum + piece.rows, 0),
          rows.length,
        );
        for (const record of records) if (record.kind === 'rows') assert.deepEqual(record.head, HEAD);
        assert.ok(records[0]?.kind === 'removed' && records[0].table === 'things');
        assert.deepEqual(records[0].keys.map(plain), removed.map(plain));
        const last = records.at(-1);
        assert.ok(last?.kind === 'blob' && last.name === 'archives/one');
        assert.deepEqual([...last.bytes], [1, 2, 3]);
      },
    ),
  );
});

test('a piece that is cut anywhere inside a record is no piece', () => {
  const writer = new PieceWriter();
  writer.table(HEAD);
  writer.rows(blockOf([encodeRow(['a', 1, null, null])]));
  const { bytes } = writer.end();
  const whole = [...readPiece(bytes)].length;
  let read = 0;
  for (let length = 0; length < bytes.length; length++) {
    try {
      read = Math.max(read, [...readPiece(bytes.subarray(0, length))].length);
    } catch (error) {
      assert.equal((error as { code?: string }).code, 'box.damaged');
    }
  }
  assert.equal(read, whole - 1);
});
