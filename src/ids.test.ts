import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { createIdSource, encodeCrockford, ID_PREFIXES, isId, type IdKind } from './ids.ts';

const KINDS = Object.keys(ID_PREFIXES) as IdKind[];
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

test('an id is of its kind and of no other', () => {
  const newId = createIdSource({ now: () => 1_763_690_000_000 }, (length) =>
    new Uint8Array(length).fill(0xa5),
  );
  for (const kind of KINDS) {
    const id = newId(kind);
    assert.equal(id.length, 30);
    for (const other of KINDS) assert.equal(isId(other, id), other === kind);
  }
  assert.equal(new Set(Object.values(ID_PREFIXES)).size, KINDS.length);
});

test('an id is a UUID of version 7 with the time in front', () => {
  const now = 0x0198_7654_3210;
  const newId = createIdSource({ now: () => now }, (length) => new Uint8Array(length).fill(0xff));
  const uuid = uuidOf(newId('memory'));
  assert.equal(uuid.slice(0, 12), '019876543210');
  assert.equal(uuid[12], '7', 'version');
  assert.match(uuid[16]!, /[89ab]/, 'variant');
});

test('ids sort in the order they were made, whatever the clock does', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 2 ** 48 - 1 }), { minLength: 2, maxLength: 50 }),
      fc.infiniteStream(fc.uint8Array({ minLength: 10, maxLength: 10 })),
      (times, randoms) => {
        const clock = times.values();
        const newId = createIdSource(
          { now: () => clock.next().value ?? 0 },
          () => new Uint8Array(randoms.next().value),
        );
        const ids = times.map(() => newId('memory'));
        assert.deepEqual(ids.toSorted(), ids);
        assert.equal(new Set(ids).size, ids.length);
      },
    ),
    { numRuns: 50 },
  );
});

test('a thousand ids of one millisecond are different and sorted, from any random start', () => {
  for (const fill of [0, 0x7f, 0xff]) {
    const newId = createIdSource({ now: () => 5 }, (length) => new Uint8Array(length).fill(fill));
    const ids = Array.from({ length: 1000 }, () => newId('key'));
    assert.deepEqual(ids.toSorted(), ids);
    assert.equal(new Set(ids).size, 1000);
    for (const id of ids) assert.equal(uuidOf(id)[12], '7');
  }
});

test('a text in any other form is no id', () => {
  const id = createIdSource({ now: () => 1 }, (length) => new Uint8Array(length))('memory');
  assert.ok(isId('memory', id));
  const others = [
    '',
    'mem_',
    id.slice(0, -1),
    `${id}0`,
    ` ${id}`,
    `${id}\n`,
    id.toUpperCase(),
    id.replace('mem_', 'mem-'),
    id.replace('mem_0', 'mem_8'),
    ...['i', 'l', 'o', 'u', '-', 'é'].map((character) => id.slice(0, -1) + character),
  ];
  for (const text of others) assert.ok(!isId('memory', text), JSON.stringify(text));
});

test('Crockford text has the bits in order, five to a character', () => {
  assert.equal(encodeCrockford(new Uint8Array(0)), '');
  assert.equal(encodeCrockford(Uint8Array.of(0xff)), 'zw');
  assert.equal(encodeCrockford(Uint8Array.of(0x00, 0x44, 0x32, 0x14, 0xc7)), '01234567');
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      assert.equal(encodeCrockford(bytes), crockford(Buffer.from(bytes).toString('hex')));
    }),
  );
});

/** Once more, by way of a text of bits. */
function crockford(hex: string): string {
  const bits = hex
    .split('')
    .map((digit) => Number.parseInt(digit, 16).toString(2).padStart(4, '0'))
    .join('');
  const padded = bits.padEnd(Math.ceil(bits.length / 5) * 5, '0');
  return (padded.match(/.{5}/g) ?? []).map((five) => ALPHABET[Number.parseInt(five, 2)]).join('');
}

function uuidOf(id: string): string {
  let value = 0n;
  for (const character of id.slice(4)) value = value * 32n + BigInt(ALPHABET.indexOf(character));
  return value.toString(16).padStart(32, '0');
}
