import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Secret } from '../bytes/secret.ts';
import { StrongroomError, type ErrorCode } from '../errors.ts';
import type { OrganizationId } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { batchesOf, ServiceEmbedder } from './embedder.ts';
import {
  decodeEmbeddings,
  encodeEmbeddingRequest,
  endpointOf,
  type EmbeddingService,
} from './embedding-protocol.ts';
import type { Exchanged, Outgoing } from './exchange.ts';
import { TestTimer } from '../testing/timer.ts';

const ASKER = {
  organization: 'org_0' as OrganizationId,
  principal: 'key_0',
  request: 'req_0',
  target: 'vlt_0',
};
const SERVICE: EmbeddingService = {
  kind: 'openai',
  model: 'small',
  dimensions: null,
  apiKey: new Secret('sk-very-secret'),
  charactersMax: 20,
};
const LOCAL: EmbeddingService = { ...SERVICE, kind: 'local' };

const answer = (value: unknown, status = 200, retryAfterS: number | null = null): Exchanged => ({
  kind: 'answer',
  status,
  body: Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)),
  retryAfterS,
});
const inputOf = ({ body }: Outgoing): readonly string[] =>
  (JSON.parse(Buffer.from(body).toString('utf8')) as { input: string[] }).input;
const good = (outgoing: Outgoing): Exchanged =>
  answer({ data: inputOf(outgoing).map((text, index) => ({ index, embedding: [text.length, 1] })) });

function embedderOf(replies: (outgoing: Outgoing, at: number) => Exchanged | Promise<Exchanged>) {
  const sent: Outgoing[] = [];
  // Pauses are over at once; they are noted all the same.
  const timer = new TestTimer(60_000);
  let now = 0;
  const embedder = new ServiceEmbedder({
    service: SERVICE,
    egress: {
      post: async (_purpose, _asker, outgoing) => {
        sent.push(outgoing);
        return replies(outgoing, sent.length);
      },
    },
    clock: { now: () => now },
    random: () => new Uint8Array([255]),
    timer,
  });
  const embed = (texts: readonly string[]) => embedder.embed(texts, ASKER);
  return { embed, sent, timer, wait: (ms: number) => (now += ms) };
}

const isError =
  (code: ErrorCode, pattern = /./) =>
  (error: unknown): boolean =>
    error instanceof StrongroomError && error.code === code && pattern.test(error.message);

test('each text has its vector, in the order of the texts and whatever the order of the answer', async () => {
  const { embed, sent } = embedderOf((outgoing) => {
    const data = inputOf(outgoing).map((text, index) => ({ index, embedding: [text.length, 1] }));
    return answer({ data: data.toReversed() });
  });
  const vectors = await embed(['a', 'bb', 'ccc']);
  assert.deepEqual(
    vectors.map((vector) => [...vector]),
    [
      [1, 1],
      [2, 1],
      [3, 1],
    ],
  );
  assert.equal(sent.length, 1);
  assert.deepEqual(await embed([]), []);
  assert.equal(sent.length, 1);
});

test('many texts go in batches, one after the other, in order', async () => {
  const { embed, sent } = embedderOf(good);
  const texts = Array.from({ length: 150 }, (_, at) => 'x'.repeat((at % 19) + 1));
  const vectors = await embed(texts);
  assert.deepEqual(
    vectors.map(([length]) => length),
    texts.map(({ length }) => length),
  );
  assert.deepEqual(
    sent.map((outgoing) => inputOf(outgoing).length),
    [64, 64, 22],
  );
});

test('a batch never holds more bytes than its bound, unless one text does', () => {
  const half = 'x'.repeat(LIMITS.embeddingBatchBytesMax / 2 + 1);
  const whole = 'x'.repeat(LIMITS.embeddingBatchBytesMax * 2);
  assert.deepEqual(
    batchesOf([half, half, 'a', whole, 'b']).map(({ length }) => length),
    [1, 2, 1, 1],
  );
});

test('of a long text only its beginning leaves, and no half of a character', async () => {
  const { embed, sent } = embedderOf(good);
  await embed(['x'.repeat(50), `${'y'.repeat(19)}😀`]);
  assert.deepEqual(inputOf(sent[0] as Outgoing), ['x'.repeat(20), 'y'.repeat(19)]);
});

test('what fails for a moment is tried again after growing pauses, three times in all', async () => {
  const passing: Exchanged[] = [
    { kind: 'failure', reason: 'connection' },
    { kind: 'failure', reason: 'timeout' },
    answer('', 429),
    answer('', 503),
    answer('', 500),
    answer('', 408),
  ];
  for (const failure of passing) {
    const once = embedderOf((outgoing, at) => (at === 1 ? failure : good(outgoing)));
    assert.equal((await once.embed(['a'])).length, 1);
    const always = embedderOf(() => failure);
    await assert.rejects(always.embed(['a']), isError('embedder.unavailable'));
    assert.equal(always.sent.length, 3);
    const [first = 0, second = 0] = always.timer.waits;
    assert.ok(always.timer.waits.length === 2 && first > 250 && first <= 500);
    assert.ok(second > 500 && second <= 1000);
  }
});

test('what was refused is not tried again', async () => {
  const refusals: Exchanged[] = [
    answer('', 400),
    answer('', 401),
    answer('', 404),
    answer('', 301),
    answer('', 204),
    { kind: 'failure', reason: 'certificate' },
    { kind: 'failure', reason: 'too_large' },
    { kind: 'failure', reason: 'encoding' },
  ];
  for (const refusal of refusals) {
    const { embed, sent } = embedderOf(() => refusal);
    await assert.rejects(embed(['a']), isError('embedder.failed'));
    assert.equal(sent.length, 1);
  }
});

test('a service that asks to wait is given its time, or given up if that is too long', async () => {
  const short = embedderOf((outgoing, at) => (at === 1 ? answer('', 429, 3) : good(outgoing)));
  await short.embed(['a']);
  assert.deepEqual(short.timer.waits, [3000]);
  const long = embedderOf(() => answer('', 429, 120));
  await assert.rejects(
    long.embed(['a']),
    (error) => error instanceof StrongroomError && error.retryAfterS === 120,
  );
  assert.equal(long.sent.length, 1);
});

test('no attempt begins when the patience is over', async () => {
  const slow = embedderOf(() => {
    slow.wait(41_000);
    return { kind: 'failure', reason: 'timeout' };
  });
  await assert.rejects(slow.embed(['a']), isError('embedder.unavailable'));
  assert.equal(slow.sent.length, 1);
});

test('so many exchanges run at once, so many requests wait, and further ones are told to come again', async () => {
  const open: (() => void)[] = [];
  const { embed, sent } = embedderOf(
    (outgoing) => new Promise((resolve) => open.push(() => resolve(good(outgoing)))),
  );
  const all = Array.from({ length: 104 }, (_, at) => embed([`t${at}`]));
  await Promise.resolve();
  assert.equal(sent.length, 4);
  await assert.rejects(embed(['late']), isError('busy'));
  for (let done = 0; done < 104; done++) {
    while (open.length === 0) await new Promise(setImmediate);
    open.shift()?.();
    assert.ok(sent.length <= done + 5);
  }
  assert.equal((await Promise.all(all)).length, 104);
});

test('an answer that is not one finite vector for each text is refused, without a word of what it said', () => {
  const bodies: unknown[] = [
    'secret words',
    '"secret words"',
    'null',
    {},
    { data: 'secret words' },
    { data: [] },
    { data: [{ index: 0, embedding: [1, 2] }] },
    {
      data: [
        { index: 0, embedding: [1, 2] },
        { index: 0, embedding: [1, 2] },
      ],
    },
    {
      data: [
        { index: 0, embedding: [1, 2] },
        { index: 2, embedding: [1, 2] },
      ],
    },
    {
      data: [
        { index: 0, embedding: [1, 2] },
        { index: -1, embedding: [1, 2] },
      ],
    },
    { data: [{ embedding: [1, 2] }, { embedding: [1, 'secret words'] }] },
    { data: [{ embedding: [1, 2] }, { embedding: [1, 1e39] }] },
    { data: [{ embedding: [1, 2] }, { embedding: 'AAAAAA==' }] },
    { data: [{ embedding: [1, 2] }, { embedding: [1] }] },
    { data: [{ embedding: [1, 2] }, null] },
  ];
  for (const body of bodies) {
    const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
    assert.throws(
      () => decodeEmbeddings(SERVICE, bytes, 2),
      (error) => isError('embedder.failed')(error) && !/secret/.test(String((error as Error).stack)),
    );
  }
  const local = Buffer.from(
    JSON.stringify({
      embeddings: [
        [1, 2],
        [3, 4],
      ],
    }),
  );
  assert.equal(decodeEmbeddings(LOCAL, local, 2).length, 2);
  assert.throws(() => decodeEmbeddings(LOCAL, local, 3), isError('embedder.failed'));
  assert.throws(
    () => decodeEmbeddings({ ...LOCAL, dimensions: 3 }, local, 2),
    isError('embedder.failed', /2 dim/),
  );
});

test('vectors of different lengths are refused, also across batches', async () => {
  const { embed } = embedderOf((outgoing, at) =>
    answer({
      data: inputOf(outgoing).map((_, index) => ({ index, embedding: at === 1 ? [1, 2] : [1, 2, 3] })),
    }),
  );
  await assert.rejects(embed(Array.from({ length: 65 }, () => 'x')), isError('embedder.failed'));
});

test('the request is that of the form, and the key stands in its header alone', () => {
  const { headers, body } = encodeEmbeddingRequest({ ...SERVICE, dimensions: 256 }, ['a', 'b']);
  assert.equal(headers['authorization'], 'Bearer sk-very-secret');
  assert.deepEqual(JSON.parse(Buffer.from(body).toString('utf8')), {
    model: 'small',
    input: ['a', 'b'],
    dimensions: 256,
  });
  assert.equal('authorization' in encodeEmbeddingRequest({ ...SERVICE, apiKey: null }, ['a']).headers, false);
  assert.doesNotMatch(JSON.stringify(SERVICE), /very-secret/);
  assert.equal(endpointOf('openai', 'https://api.example/v1').href, 'https://api.example/v1/embeddings');
  assert.equal(endpointOf('openai', 'https://api.example/v1/').href, 'https://api.example/v1/embeddings');
  assert.equal(endpointOf('local', 'http://127.0.0.1:1/api/embed').href, 'http://127.0.0.1:1/api/embed');
});
