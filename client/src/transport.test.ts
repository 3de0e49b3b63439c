import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { ERRORS, StrongroomError, type ErrorCode } from './errors.ts';
import { Strongroom } from './strongroom.ts';
import { answer, problem, recordedFetch, testEnvironment, type Reply } from './testing/recorded-fetch.ts';
import type { StrongroomOptions } from './transport.ts';

const URL_ = 'https://strongroom.test';

function clientOf(replies: Reply[], options: Partial<StrongroomOptions> = {}) {
  const { fetch, asked } = recordedFetch(...replies);
  const environment = testEnvironment();
  const strongroom = new Strongroom({ url: URL_, apiKey: 'sr_test', fetch, ...options }, environment);
  return { strongroom, asked, pauses: environment.pauses };
}

async function failureOf(work: Promise<unknown>): Promise<StrongroomError> {
  try {
    await work;
  } catch (error) {
    assert.ok(error instanceof StrongroomError, `not a StrongroomError: ${String(error)}`);
    return error;
  }
  throw new Error('it did not fail');
}

describe('retries', () => {
  it('a write keeps its idempotency key over all its attempts, and the next write gets another', async () => {
    const { strongroom, asked } = clientOf([
      new TypeError('lost'),
      problem(503, 'busy'),
      answer(201, { id: 'mem_1' }),
    ]);
    await strongroom.vault('v').add('a');
    await strongroom.vault('v').add('a');
    assert.deepEqual(
      asked.map((request) => request.headers['idempotency-key']),
      ['key-1', 'key-1', 'key-1', 'key-2'],
    );
  });

  it('an idempotency key of the caller is used as it is', async () => {
    const { strongroom, asked } = clientOf([answer(201, {})]);
    await strongroom.vault('v').add('a', { idempotencyKey: 'mine-1' });
    assert.equal(asked[0]?.headers['idempotency-key'], 'mine-1');
  });

  it('a read, a search and a filtered list carry no idempotency key and are retried as well', async () => {
    const { strongroom, asked } = clientOf([
      problem(503, 'busy'),
      answer(200, { results: [], memories: [], next: null }),
    ]);
    await strongroom.vault('v').search('q');
    await strongroom.vault('v').list({ filter: { kind: 'fact' } });
    assert.equal(asked.length, 3);
    assert.ok(asked.every((request) => !('idempotency-key' in request.headers)));
  });

  it('exactly the codes that the table calls retryable are tried again', async () => {
    for (const code of Object.keys(ERRORS) as ErrorCode[]) {
      const { strongroom, asked } = clientOf([problem(ERRORS[code].status, code)], { retries: 1 });
      const error = await failureOf(strongroom.vaults.get('v'));
      assert.equal(error.code, code);
      assert.equal(asked.length, ERRORS[code].retryable ? 2 : 1, code);
    }
  });

  it('there are no more attempts than were allowed', async () => {
    for (const retries of [0, 1, 4]) {
      const { strongroom, asked } = clientOf([new TypeError('lost')], { retries });
      assert.equal((await failureOf(strongroom.vaults.list())).code, 'server.unreachable');
      assert.equal(asked.length, retries + 1);
    }
  });

  it('the wait doubles, is a random part of the span, and follows Retry-After up to 30 seconds', async () => {
    const lost = clientOf([new TypeError('lost')], { retries: 8 });
    await failureOf(lost.strongroom.vaults.list());
    assert.deepEqual(lost.pauses, [100, 200, 400, 800, 1600, 3200, 4000, 4000]);

    const limited = clientOf([problem(429, 'rate.limited', {}, { 'retry-after': '7' }), answer(200, {})]);
    await limited.strongroom.vaults.list();
    assert.deepEqual(limited.pauses, [7100]);

    const long = clientOf([problem(429, 'rate.limited', {}, { 'retry-after': '31' })]);
    assert.equal((await failureOf(long.strongroom.vaults.list())).retryAfterS, 31);
    assert.deepEqual(long.pauses, []);
  });

  it('an answer whose body breaks off is asked for again', async () => {
    const cut = { ...answer(200), text: () => Promise.reject(new TypeError('terminated')) };
    const { strongroom, asked } = clientOf([cut, answer(200, { vaults: [], next: null })]);
    assert.deepEqual(await strongroom.vaults.list(), { vaults: [], next: null });
    assert.equal(asked.length, 2);
  });

  it('an attempt that takes too long is ended and counted as unreachable', async () => {
    const never: Reply = (asked) =>
      new Promise((_, reject) => {
        asked.signal.addEventListener('abort', () => {
          reject(asked.signal.reason as Error);
        });
      });
    const { strongroom, asked } = clientOf([never, answer(200, { vaults: [] })], { timeoutMs: 5 });
    await strongroom.vaults.list();
    assert.equal(asked.length, 2);
    const stuck = clientOf([never], { timeoutMs: 5, retries: 0 });
    assert.match((await failureOf(stuck.strongroom.vaults.list())).message, /no whole answer within 5 ms/);
  });

  it('a stream that falls silent is ended, one that is slow to be read is not', async () => {
    const chunks = async function* (signal: AbortSignal) {
      yield new TextEncoder().encode('{"id":"mem_1"}\n');
      await new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          reject(signal.reason as Error);
        });
      });
    };
    const silent: Reply = (asked) => Promise.resolve({ ...answer(200), body: chunks(asked.signal) });
    const { strongroom, asked } = clientOf([silent], { timeoutMs: 5 });
    const seen: string[] = [];
    const error = await failureOf(
      (async () => {
        for await (const memory of strongroom.vault('v').export()) seen.push(memory.id);
      })(),
    );
    assert.equal(error.code, 'server.unreachable');
    assert.match(error.message, /within 5 ms/);
    assert.deepEqual([seen, asked.length], [['mem_1'], 1]);
  });

  it("a call that its caller ends fails with the caller's own reason and is not tried again", async () => {
    const reason = new Error('changed my mind');
    const controller = new AbortController();
    const { strongroom, asked } = clientOf([
      () => {
        controller.abort(reason);
        return Promise.reject(new TypeError('aborted'));
      },
    ]);
    await assert.rejects(strongroom.vaults.list({}, { signal: controller.signal }), reason);
    await assert.rejects(strongroom.vaults.list({}, { signal: controller.signal }), reason);
    assert.equal(asked.length, 1);
  });
});

describe('errors', () => {
  it('a problem document comes out with its code, status, detail, faults and request id', async () => {
    const requestId = 'req_01hzy0000000000000000000ab';
    const errors = [{ path: '/text', message: 'too long' }, { path: 7 }, null];
    const { strongroom } = clientOf([
      problem(400, 'request.invalid', { detail: 'No.', errors }, { 'x-request-id': requestId }),
    ]);
    const error = await failureOf(strongroom.vault('v').add('x'));
    assert.equal(error.code, 'request.invalid');
    assert.equal(error.status, 400);
    assert.equal(error.message, 'No.');
    assert.deepEqual(error.faults, [{ path: '/text', message: 'too long' }]);
    assert.equal(error.requestId, requestId);
  });

  it('a code of a newer server becomes the nearest known one and stays readable', async () => {
    const { strongroom } = clientOf([problem(409, 'hold.active', { detail: 'A hold is on it.' })]);
    const error = await failureOf(strongroom.vaults.delete('v'));
    assert.equal(error.code, 'conflict');
    assert.equal(error.message, 'hold.active: A hold is on it.');
  });

  it('what a stranger answers is not taken for an answer of the server', async () => {
    const cases: [number, ErrorCode, number][] = [
      [404, 'answer.invalid', 1],
      [302, 'answer.invalid', 1],
      [500, 'answer.invalid', 1],
      [502, 'server.unreachable', 2],
      [504, 'server.unreachable', 2],
    ];
    for (const [status, code, attempts] of cases) {
      const { strongroom, asked } = clientOf([answer(status, '<html>\u001b[31mHello\n</html>')], {
        retries: 1,
      });
      const error = await failureOf(strongroom.vaults.list());
      assert.equal(error.code, code);
      assert.match(error.message, /<html> \[31mHello <\/html>$/);
      assert.equal(asked.length, attempts);
    }
    const { strongroom } = clientOf([answer(200, 'welcome to the hotel')]);
    assert.equal((await failureOf(strongroom.vaults.list())).code, 'answer.invalid');
  });

  it('a failing server still answers how it is, and a refused health request is an error', async () => {
    const failing = { status: 'failing', checks: [{ name: 'ledger', status: 'failing' }] };
    const { strongroom, asked } = clientOf([answer(503, failing)], { apiKey: undefined });
    assert.deepEqual(await strongroom.health(), failing);
    assert.ok(!('authorization' in (asked[0]?.headers ?? {})));
    const refused = clientOf([problem(503, 'busy')], { retries: 0 });
    assert.equal((await failureOf(refused.strongroom.health())).code, 'busy');
  });
});

describe('where requests go', () => {
  it('the API key leaves the machine over TLS only', () => {
    const make = (url: string) => () => new Strongroom({ url, apiKey: 'sr_test' });
    for (const url of [
      'http://localhost:8443',
      'http://127.0.0.1',
      'http://[::1]:1',
      'https://example.com/base/',
    ])
      make(url)();
    for (const url of ['http://example.com', 'http://127.0.0.1.example.com', 'http://10.0.0.1'])
      assert.throws(make(url), { code: 'tls.required' });
    for (const url of [
      '',
      'example.com:8443',
      'ftp://example.com',
      'https://user:pw@example.com',
      'https://example.com?a=1',
    ])
      assert.throws(make(url), { code: 'config.invalid' });
  });

  it('no redirect is followed and no cookie or cache used', async () => {
    const { strongroom, asked } = clientOf([answer(200, {})], { url: 'https://strongroom.test/under/' });
    await strongroom.vaults.list();
    const { url, redirect, credentials, cache } = asked[0] ?? {};
    assert.deepEqual(
      { url, redirect, credentials, cache },
      {
        url: 'https://strongroom.test/under/v1/vaults',
        redirect: 'error',
        credentials: 'omit',
        cache: 'no-store',
      },
    );
  });

  it('a name cannot lead to another resource', async () => {
    const { strongroom, asked } = clientOf([answer(200, {})]);
    await strongroom.vaults.get('../keys?x=1#y');
    assert.equal(asked[0]?.url, `${URL_}/v1/vaults/..%2Fkeys%3Fx%3D1%23y`);
    for (const name of ['', '.', '..'])
      assert.throws(() => strongroom.vaults.get(name), { code: 'request.invalid' });
  });

  it('a purpose travels as UTF-8 and cannot bring a header of its own', async () => {
    const { strongroom, asked } = clientOf([answer(200, {})], { purpose: 'Prüfung 7' });
    await strongroom.vaults.list();
    await strongroom.vaults.list({}, { purpose: 'ticket 42' });
    const sent = asked.map((request) =>
      Buffer.from(request.headers['strongroom-purpose'] ?? '', 'latin1').toString('utf8'),
    );
    assert.deepEqual(sent, ['Prüfung 7', 'ticket 42']);
    await assert.rejects(strongroom.vaults.list({}, { purpose: 'a\r\nx: y' }), { code: 'request.invalid' });
  });

  it('an API key that was copied with white space around it works, one with a break in it is refused', () => {
    const { fetch } = recordedFetch(answer(200, {}));
    assert.ok(new Strongroom({ url: URL_, apiKey: ' sr_test\n', fetch }));
    assert.throws(() => new Strongroom({ url: URL_, apiKey: 'sr_\ntest' }), { code: 'request.invalid' });
  });

  it('the API key is not shown by whatever prints the client', () => {
    const strongroom = new Strongroom({ url: URL_, apiKey: 'sr_secret' });
    const shown = inspect(strongroom, { depth: 9, showHidden: true }) + JSON.stringify(strongroom);
    assert.ok(shown.startsWith('Strongroom') && !shown.includes('sr_secret'));
  });
});
