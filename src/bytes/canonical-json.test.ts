import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { canonicalBytes, canonicalJson, type Json } from './canonical-json.ts';
import { decodeUtf8 } from './encoding.ts';

test('the examples of RFC 8785 come out byte for byte', () => {
  // Section 3.2.2 with 3.2.3, and the sorting example of 3.2.3.
  const example = {
    numbers: [Number('333333333.33333329'), 1e30, 4.5, 2e-3, 0.000000000000000000000000001],
    string: '\u20ac$\u000F\u000aA\'\u0042\u0022\u005c\\"/',
    literals: [null, true, false],
  };
  assert.equal(
    canonicalJson(example),
    '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],' +
      '"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
  );
  const sorted = {
    '\u20ac': 'Euro Sign',
    '\r': 'Carriage Return',
    '\ufb33': 'Hebrew Letter Dalet With Dagesh',
    '1': 'One',
    '\ud83d\ude00': 'Emoji: Grinning Face',
    '\u0080': 'Control',
    '\u00f6': 'Latin Small Letter O With Diaeresis',
  };
  const order = [...canonicalJson(sorted).matchAll(/:"([^"]*)"/g)].map(([, name]) => name);
  assert.deepEqual(order, [
    'Carriage Return',
    'One',
    'Control',
    'Latin Small Letter O With Diaeresis',
    'Euro Sign',
    'Emoji: Grinning Face',
    'Hebrew Letter Dalet With Dagesh',
  ]);
});

test('numbers are written as in appendix B of RFC 8785', () => {
  const doubles: readonly (readonly [string, string])[] = [
    ['0000000000000000', '0'],
    ['8000000000000000', '0'],
    ['0000000000000001', '5e-324'],
    ['7fefffffffffffff', '1.7976931348623157e+308'],
    ['4340000000000000', '9007199254740992'],
    ['4430000000000000', '295147905179352830000'],
    ['44b52d02c7e14af5', '9.999999999999997e+22'],
    ['44b52d02c7e14af6', '1e+23'],
    ['444b1ae4d6e2ef4e', '999999999999999700000'],
    ['444b1ae4d6e2ef50', '1e+21'],
    ['3eb0c6f7a0b5ed8c', '9.999999999999997e-7'],
    ['3eb0c6f7a0b5ed8d', '0.000001'],
    ['41b3de4355555555', '333333333.3333333'],
    ['becbf647612f3696', '-0.0000033333333333333333'],
    ['43143ff3c1cb0959', '1424953923781206.2'],
  ];
  for (const [hex, text] of doubles)
    assert.equal(canonicalJson(Buffer.from(hex, 'hex').readDoubleBE()), text);
  for (const value of [Number.NaN, Infinity, -Infinity])
    assert.throws(() => canonicalJson(value), RangeError);
});

test('a value and the same value read back, with its members in any order, have one form', () => {
  const json = fc.jsonValue({ noUnicodeString: false, maxDepth: 3 }) as fc.Arbitrary<Json>;
  fc.assert(
    fc.property(json, (value) => {
      const text = canonicalJson(value);
      assert.deepEqual(JSON.parse(text), JSON.parse(JSON.stringify(value)));
      assert.equal(canonicalJson(JSON.parse(text) as Json), text);
      assert.equal(canonicalJson(reversed(value)), text);
      assert.equal(decodeUtf8(canonicalBytes(value)), text);
    }),
    { numRuns: 25 },
  );
});

test('what has no single form is refused', () => {
  class Thing {
    readonly name = 'thing';
  }
  // oxlint-disable-next-line no-sparse-arrays -- the hole is the point
  const holes: unknown = [, 1];
  const refused: readonly unknown[] = [
    undefined,
    { a: undefined },
    [undefined],
    holes,
    () => 1,
    Symbol('x'),
    1n,
    new Thing(),
    new Date(0),
    new Map(),
    new Uint8Array(1),
    '\ud800',
    { '\udc00': 1 },
    Object.create({ a: 1 }),
  ];
  for (const value of refused) assert.throws(() => canonicalJson(value as Json), RangeError);
  assert.equal(canonicalJson(Object.assign(Object.create(null) as object, { a: 1 }) as Json), '{"a":1}');
  assert.equal(canonicalJson(JSON.parse('{"__proto__":1}') as Json), '{"__proto__":1}');
});

function reversed(value: Json): Json {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map(reversed);
  const members = Object.entries(value).toReversed();
  // Defined one by one, because `__proto__` is an ordinary name here.
  const copy = {};
  for (const [name, member] of members) {
    Object.defineProperty(copy, name, {
      value: reversed(member),
      enumerable: true,
      configurable: true,
    });
  }
  return copy;
}
