import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ERRORS, type ErrorCode } from '../../errors.ts';
import type { HttpParts } from '../../http/parts.ts';
import { routesOf } from '../../http/server.ts';
import { answerFaults } from './answer-faults.ts';
import type { Variant } from './sweep.ts';

/** What is said of an answer, headers aside. */
function faultsOf(variant: Variant, code: ErrorCode, name = 'runVerification'): string[] {
  const route = routesOf({} as HttpParts).find((one) => one.name === name);
  assert.ok(route !== undefined);
  const { status, title } = ERRORS[code];
  const json = { type: `urn:strongroom:error:${code}`, title, status, code };
  const header = (name: string) => (name === 'content-type' ? 'application/problem+json' : null);
  const reply = { status, header, text: JSON.stringify(json), json };
  const asked = { route, status: 200, variant, what: '', method: 'POST', body: {}, principal: 'key_' };
  return answerFaults({ ...asked, reply }, { isSecure: false })
    .map((fault) => fault.slice(fault.indexOf(': ') + 2))
    .filter((fault) => !fault.startsWith('the header'));
}

test('a made-up verification that is good by chance may meet a busy server, and nothing else may answer 5xx', () => {
  assert.deepEqual(faultsOf('fuzzed', 'busy'), []);
  assert.deepEqual(faultsOf('fuzzed', 'request.invalid'), []);
  assert.deepEqual(faultsOf('fuzzed', 'store.unavailable'), ['answered 503']);
  assert.ok(faultsOf('fuzzed', 'internal').includes('answered 500'));
  assert.ok(faultsOf('granted', 'busy').includes('answered 503'));
  assert.ok(faultsOf('fuzzed', 'busy', 'createBackup').includes('answered 503'));
});
