/** The canary property of the store: what customers write is found in no byte that the server leaves anywhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { operationsOf, type ApiDocument } from './api-document.ts';
import { Canaries, filesBelow, type Hit } from './canary.ts';
import { DIMENSIONS, SECRET_CHARACTERS, Sower, sowEverything, sowNoise } from './canary-walk.ts';
import { TestDeployment } from './deployment.ts';
import { plainSealer } from './plain-sealer.ts';
import { verifies } from '../src/assurance/testing/verifies.ts';

/** Free text by its schema, but no word fits: an id, a number, an action, a range of addresses, a model of the operator's. Sent, and refused. */
const NEVER_GRANTED = [
  /^requestErasure body confirm$/,
  / path (memory|key|n|hold|request|export|erasure)$/,
  / query (cursor|action)$/,
  / header if-match$/,
  / body (cursor|embedder)$/,
  /^rewindVault body confirm$/,
  /^createKey body (scopes\[\]\.actions\[\]|networks\[\])$/,
];

test('no byte in the data directory or the log shows what a customer wrote, while the server runs and after', async (t) => {
  verifies('CRY-01');
  verifies('KEY-01');
  verifies('AUD-05');
  const { canaries, hits, sower, document } = await walk(await TestDeployment.start(t));
  assert.deepEqual(hits, []);
  assert.ok(canaries.needles.length > 100);
  assert.deepEqual(missingFields(document, sower), []);
});

test('with sealing switched off the same search finds what was stored, in the database and in the segments', async (t) => {
  const { hits } = await walk(await TestDeployment.start(t, { substitutes: { sealer: () => plainSealer } }));
  const found = new Set(hits.map(({ what }) => what));
  for (const what of STORED) assert.ok(found.has(what), `${what} is not found`);
  for (const place of [/strongroom\.db$/, /strongroom\.db-wal$/, /^blobs\/segments\//])
    assert.ok(
      hits.some(({ file }) => place.test(file)),
      `nothing is found in ${place}`,
    );
});

const STORED = [
  'text of a memory',
  'text of a change',
  'text of an erased memory',
  'vector of a memory',
  'vector of a memory of a batch',
  'metadata name of a memory',
  'metadata value of a memory',
  'subject of a memory',
  'conversation of a memory',
  'speaker of a memory',
  'kind of a memory',
  'time of a memory',
  'content of a message',
  'content of a batched message',
  'vault name',
  'new vault name',
  'key name',
  'network',
  'address',
  'kind of setRetention',
  'name of a hold',
  'reason of a hold',
  'purpose of searchMemories',
  'purpose of a refused deleteVault',
];

test('each canary is found in each of its encodings, wherever it lies', () => {
  const canaries = new Canaries();
  canaries.text('key', 'abcdefghij0123456789');
  canaries.vector('vector', DIMENSIONS);
  canaries.time('time');
  for (const { what, encoding, bytes } of canaries.needles) {
    const hits = canaries.search({
      file: 'planted',
      bytes: Buffer.concat([Buffer.alloc(777, 7), bytes, Buffer.from('5x')]),
    });
    assert.ok(
      hits.some((hit) => hit.encoding === encoding),
      `${what} as ${encoding}`,
    );
  }
  const word = canaries.word('a field');
  for (const shift of [0, 1, 2])
    for (const alphabet of ['base64', 'base64url'] as const) {
      const bytes = Buffer.from(Buffer.from(`${'?'.repeat(shift)}${word}~~`).toString(alphabet));
      assert.ok(canaries.search({ file: 'planted', bytes }).length > 0, `${alphabet} at ${shift}`);
    }
  assert.deepEqual(canaries.search({ file: 'clean', bytes: Buffer.alloc(100_000, 7) }), []);
});

test('a field of the API that carried no canary is named', () => {
  const document: ApiDocument = {
    paths: {
      '/v1/things/{thing}': {
        post: {
          operationId: 'addThing',
          parameters: [{ in: 'path', name: 'thing', schema: { type: 'string' } }],
          requestBody: {
            content: {
              'application/json': {
                schema: {
                  type: 'object',
                  properties: {
                    title: { anyOf: [{ type: 'string' }, { type: 'null' }] },
                    colour: { type: 'string', enum: ['red'] },
                    parts: {
                      type: 'array',
                      items: {
                        type: 'object',
                        properties: {
                          note: { type: 'string' },
                          tags: { type: 'array', items: { type: 'string' } },
                        },
                      },
                    },
                    extra: { type: 'object' },
                    vector: { type: 'array', items: { type: 'number' } },
                  },
                },
              },
            },
          },
        },
      },
    },
  };
  const missing = missingFields(document, {
    sent: new Set(['addThing path thing']),
    granted: new Set(['addThing path thing']),
  });
  assert.deepEqual(
    missing,
    ['title', 'parts[].note', 'parts[].tags[]', 'extra', 'vector'].map(
      (field) => `addThing body ${field}: not sent`,
    ),
  );
});

interface Walked {
  readonly canaries: Canaries;
  readonly hits: readonly Hit[];
  readonly sower: Sower;
  readonly document: ApiDocument;
}

/** Sows, looks while it runs, stops, looks, serves again, uses what is there, and looks once more. */
async function walk(deployment: TestDeployment): Promise<Walked> {
  const canaries = new Canaries();
  canaries.text('first API key', deployment.apiKey.slice(-SECRET_CHARACTERS));
  const document = (await deployment.must('GET', '/openapi.json')).json as unknown as ApiDocument;
  const hits: Hit[] = [];
  const look = async (): Promise<void> => {
    await TestDeployment.settle();
    const files = await filesBelow(deployment.directory);
    const log = { file: 'the log', bytes: Buffer.from(deployment.logged.join('')) };
    for (const haystack of [...files, log]) hits.push(...canaries.search(haystack));
    assert.ok(files.some(({ file }) => file === 'strongroom.db') && log.bytes.length > 0);
  };
  const sower = new Sower({ url: deployment.url, apiKey: deployment.apiKey, canaries, document });
  const { vault, kept } = await sowEverything(sower, canaries);
  await sowNoise(deployment.url, deployment.apiKey, canaries);
  await look();
  await deployment.stop();
  await look();
  await deployment.serve();
  await deployment.must('POST', `/v1/vaults/${vault}/search`, {
    body: { query: canaries.word('query after a restart') },
  });
  await deployment.must('PATCH', `/v1/vaults/${vault}/memories/${kept}`, {
    body: { text: canaries.word('text of a late change') },
  });
  await look();
  await deployment.stop();
  await look();
  return { canaries, hits, sower, document };
}

function missingFields(document: ApiDocument, { sent, granted }: Pick<Sower, 'sent' | 'granted'>): string[] {
  return operationsOf(document).flatMap(({ name, texts }) =>
    texts.flatMap((text) => {
      const field = `${name} ${text}`;
      if (!sent.has(field)) return [`${field}: not sent`];
      return granted.has(field) || NEVER_GRANTED.some((pattern) => pattern.test(field))
        ? []
        : [`${field}: not granted`];
    }),
  );
}
