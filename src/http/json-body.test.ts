import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { StrongroomError, type Fault } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { parseJson } from './json-body.ts';
import { locateFault } from './json-locator.ts';
import { isNestedDeeper } from './json-scan.ts';

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8');

function refusal(body: Uint8Array): { code: string; faults: readonly Fault[]; detail: string | undefined } {
  try {
    parseJson(body);
  } catch (error) {
    assert.ok(error instanceof StrongroomError, `not a StrongroomError: ${String(error)}`);
    return { code: error.code, faults: error.faults, detail: error.detail };
  }
  return assert.fail('the body was taken');
}

test('what JSON.parse reads, the parser reads the same', () => {
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 6 }), (value) => {
      const text = JSON.stringify(value);
      if (text.includes('__proto__') || !bytes(text).toString().isWellFormed()) return;
      assert.deepEqual(parseJson(bytes(text)), JSON.parse(text));
      assert.equal(locateFault(bytes(text), { depthMax: LIMITS.jsonDepthMax }), null);
    }),
  );
});

test('text that JSON.parse refuses is malformed, and the place is found', () => {
  fc.assert(
    fc.property(
      fc.jsonValue({ maxDepth: 4 }),
      fc.nat(),
      fc.constantFrom('"', '{', ']', ',', 'x', '\\', '\n', ''),
      (value, at, insert) => {
        const text = JSON.stringify(value);
        const where = at % (text.length + 1);
        const broken =
          insert === '' ? text.slice(0, where) : text.slice(0, where) + insert + text.slice(where);
        let isJson = true;
        try {
          JSON.parse(broken);
        } catch {
          isJson = false;
        }
        if (isJson) return;
        const { code, faults } = refusal(bytes(broken));
        assert.equal(code, 'request.malformed');
        assert.equal(faults.length, 1, 'the slow reading agrees that it is broken');
      },
    ),
  );
});

test('a syntax error is pointed at', () => {
  const cases: [string, string][] = [
    ['', ''],
    ['{"a":', '/a'],
    ['{"a":[1,2,,3]}', '/a/2'],
    ['{"a":{"b/c~d":tru}}', '/a/b~1c~0d'],
    ['[1,2', ''],
    ['{"a":01}', '/a'],
    ['{"a":"\\x"}', '/a'],
    ['{"a":"\n"}', '/a'],
    ['{"a":1} 2', ''],
    ["{'a':1}", ''],
    ['{"a":NaN}', '/a'],
    ['{"a":-Infinity}', '/a'],
    ['\ufeff{}', ''],
  ];
  for (const [text, path] of cases) {
    const { code, faults } = refusal(bytes(text));
    assert.equal(code, 'request.malformed', text);
    assert.deepEqual(
      faults.map((fault) => fault.path),
      [path],
      text,
    );
  }
});

test('20,000-deep arrays and objects are refused with their place, not by the stack', () => {
  for (const [open, step] of [
    ['[', '/0'],
    ['{"a":', '/a'],
  ] as const) {
    const { code, faults } = refusal(bytes(open.repeat(20_000)));
    assert.equal(code, 'request.invalid');
    assert.deepEqual(faults, [
      { path: step.repeat(LIMITS.jsonDepthMax), message: 'is nested more than 32 deep' },
    ]);
  }
});

test('the depth limit is exact', () => {
  const nested = (depth: number): Buffer => bytes('['.repeat(depth) + ']'.repeat(depth));
  assert.doesNotThrow(() => parseJson(nested(LIMITS.jsonDepthMax)));
  assert.equal(refusal(nested(LIMITS.jsonDepthMax + 1)).code, 'request.invalid');
});

test('brackets within strings do not count, and those after a long list of numbers do', () => {
  assert.equal(isNestedDeeper(bytes(JSON.stringify('[{'.repeat(100))), 1), false);
  assert.equal(isNestedDeeper(bytes('"\\"' + '['.repeat(100) + '"'), 1), false);
  const numbers = `[${'1.25,'.repeat(1000)}1]`;
  assert.equal(isNestedDeeper(bytes(`[${numbers},[[]]]`), 2), true);
  assert.equal(isNestedDeeper(bytes(`[${numbers},[[]]]`), 3), false);
});

test('a long string ends where it ends, whatever is escaped in it, and what is behind it counts', () => {
  for (const length of [500, 511, 512, 513, 514, 2000]) {
    const long = 'A'.repeat(length);
    for (const inside of [long, `${long}\\"[[`, `\\"${long}[[`, `${long}\\\\`, `${long}\\"${long}[[\\\\`]) {
      assert.equal(isNestedDeeper(bytes(`["${inside}",[]]`), 2), false, inside);
      assert.equal(isNestedDeeper(bytes(`["${inside}",[]]`), 1), true, inside);
      assert.equal(isNestedDeeper(bytes(`["${inside}`), 1), false, inside);
    }
  }
});

test('the quick scan counts depth as a plain count does', () => {
  const plainDepth = (text: string): number => {
    let depth = 0;
    let deepest = 0;
    for (let at = 0; at < text.length; at++) {
      const character = text[at];
      if (character === '"') {
        for (at++; at < text.length && text[at] !== '"'; at++) if (text[at] === '\\') at++;
      } else if (character === '[' || character === '{') deepest = Math.max(deepest, ++depth);
      else if (character === ']' || character === '}') depth--;
    }
    return deepest;
  };
  const piece = fc.constantFrom(
    '[',
    ']',
    '{',
    '}',
    '"',
    '\\',
    '1,',
    '2.5,'.repeat(200),
    '-1e3,'.repeat(300),
    '"a":',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      const text = pieces.join('');
      const deepest = plainDepth(text);
      assert.equal(isNestedDeeper(bytes(text), deepest), false);
      assert.equal(deepest > 0 && isNestedDeeper(bytes(text), deepest - 1), deepest > 0);
    }),
    { numRuns: 500 },
  );
});

test('invalid UTF-8 is refused with its place and never replaced', () => {
  const cases: [Uint8Array, string][] = [
    [Buffer.concat([bytes('{"text":"a'), Uint8Array.of(0xff), bytes('b"}')]), '/text'],
    [Buffer.concat([bytes('{"text":"é'), Uint8Array.of(0xc3), bytes('"}')]), '/text'],
    [Buffer.concat([bytes('{"a":["x","'), Uint8Array.of(0xed, 0xa0, 0x80), bytes('"]}')]), '/a/1'],
    [Buffer.concat([bytes('{"a":["x"'), Uint8Array.of(0xf8), bytes(']}')]), '/a'],
    [Buffer.concat([bytes('{"text":"'), Uint8Array.of(0xc0, 0xaf), bytes('"}')]), '/text'],
  ];
  for (const [body, path] of cases) {
    const { code, faults, detail } = refusal(body);
    assert.equal(code, 'request.malformed');
    assert.deepEqual(faults, [{ path, message: 'is not UTF-8' }]);
    assert.match(detail ?? '', /at byte \d+$/);
  }
});

test('lone surrogates are refused in values and in names, and pairs are not', () => {
  assert.deepEqual(refusal(bytes('{"a":["x","\\ud800"]}')).faults, [
    { path: '/a/1', message: 'holds a lone surrogate' },
  ]);
  assert.equal(refusal(bytes('{"a":{"\\udc00":1}}')).faults[0]?.path, '/a');
  assert.deepEqual(parseJson(bytes('"\\ud83d\\ude00"')), '😀');
});

test('__proto__ is refused however it is written, at any depth', () => {
  for (const name of ['"__proto__"', '"\\u005f_proto__"', '"__pr\\u006fto__"']) {
    assert.equal(refusal(bytes(`{"metadata":{${name}:{"isAdmin":true}}}`)).faults[0]?.path, '/metadata');
  }
  assert.deepEqual(parseJson(bytes('{"constructor":{"prototype":1}}')), { constructor: { prototype: 1 } });
});

test('a number that is not finite once read is refused', () => {
  assert.equal(refusal(bytes('{"a":[1,1e400]}')).faults[0]?.path, '/a/1');
  assert.equal(refusal(bytes(`{"a":${'9'.repeat(400)}}`)).faults[0]?.path, '/a');
});

test('no body of the largest size takes long to refuse', () => {
  const size = LIMITS.bodyBytesMax;
  const fill = (pattern: string): Buffer => Buffer.alloc(size, pattern);
  const slowest = ['[', '"', '[1],', '{}', '1', ' ', '"\\', '[1,"'].map((pattern) => {
    const body = fill(pattern);
    const from = process.threadCpuUsage();
    refusal(body);
    const { user, system } = process.threadCpuUsage(from);
    return [pattern, (user + system) / 1000] as const;
  });
  // Generous, and processor time, so that a busy machine does not fail it: a quadratic cost would take hours.
  for (const [pattern, ms] of slowest) assert.ok(ms < 5_000, `${pattern}: ${ms} ms`);
});
