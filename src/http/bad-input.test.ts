/** What people and programs send by mistake or malice: each is refused with its code and its place, and does nothing. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { InjectOptions } from 'fastify';
import type { ErrorCode } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { asGood, fakeServer, MEMORY_ID, problemIn, VAULT_ID } from './testing/fake-parts.ts';

const vaultUrl = `/v1/vaults/${VAULT_ID}`;
const memoriesUrl = `${vaultUrl}/memories`;
const oneUrl = `${memoriesUrl}/${MEMORY_ID}`;

/** The table of bad input: what is sent, the code, and where. */
const BAD_INPUT: readonly [string, InjectOptions & { raw?: boolean }, ErrorCode, readonly string[]][] = [
  [
    'malformed JSON',
    { method: 'POST', url: memoriesUrl, payload: '{"text":' },
    'request.malformed',
    ['/text'],
  ],
  ['an empty body', { method: 'POST', url: memoriesUrl, payload: '' }, 'request.invalid', ['']],
  [
    '20,000-deep JSON',
    { method: 'POST', url: memoriesUrl, payload: `{"metadata":${'['.repeat(20_000)}` },
    'request.invalid',
    [`/metadata${'/0'.repeat(31)}`],
  ],
  ['a body that is a list', { method: 'POST', url: memoriesUrl, payload: '[]' }, 'request.invalid', ['']],
  ['a wrong type', { method: 'POST', url: memoriesUrl, payload: { text: 7 } }, 'request.invalid', ['/text']],
  [
    'an unknown field',
    { method: 'POST', url: memoriesUrl, payload: { text: 'x', organisation: 'y' } },
    'request.invalid',
    ['/organisation'],
  ],
  [
    'an unknown field of a batch',
    { method: 'POST', url: memoriesUrl, payload: { memories: [{ text: 'x' }, { text: 'x', 'a/b': 1 }] } },
    'request.invalid',
    ['/memories/1/a~1b'],
  ],
  [
    'nothing to remember',
    { method: 'POST', url: memoriesUrl, payload: { subject: 'ann' } },
    'request.invalid',
    [''],
  ],
  [
    'an empty batch',
    { method: 'POST', url: memoriesUrl, payload: { memories: [] } },
    'request.invalid',
    ['/memories'],
  ],
  [
    'a batch of 1,001',
    {
      method: 'POST',
      url: memoriesUrl,
      payload: { memories: Array.from({ length: 1001 }, () => ({ text: 'x' })) },
    },
    'request.invalid',
    ['/memories'],
  ],
  [
    'a batch and a memory',
    { method: 'POST', url: memoriesUrl, payload: { memories: [{ text: 'x' }], text: 'y' } },
    'request.invalid',
    ['/text'],
  ],
  [
    'messages and text',
    { method: 'POST', url: memoriesUrl, payload: { messages: [{ role: 'user', content: 'x' }], text: 'y' } },
    'request.invalid',
    ['/text'],
  ],
  [
    'a vector of one number',
    { method: 'POST', url: memoriesUrl, payload: { vector: [1] } },
    'request.invalid',
    ['/vector'],
  ],
  [
    'a vector of 4,097 numbers',
    { method: 'POST', url: memoriesUrl, payload: { vector: Array.from({ length: 4097 }, () => 1) } },
    'request.invalid',
    ['/vector'],
  ],
  [
    'NaN in a vector',
    { method: 'POST', url: memoriesUrl, payload: '{"vector":[1,NaN]}' },
    'request.malformed',
    ['/vector/1'],
  ],
  [
    'a vector of base64 with something else in it',
    { method: 'POST', url: memoriesUrl, payload: { vector: 'AACAPwAAAEA=\n' } },
    'request.invalid',
    ['/vector'],
  ],
  [
    'a vector of base64 that ends within a number',
    { method: 'POST', url: memoriesUrl, payload: { vector: 'AACAPwAAAEAAAA==' } },
    'request.invalid',
    ['/vector'],
  ],
  [
    'infinity in a vector of base64',
    { method: 'POST', url: memoriesUrl, payload: { memories: [{ vector: 'AACAfwAAAEA=' }] } },
    'request.invalid',
    ['/memories/0/vector'],
  ],
  [
    'NaN in a vector of base64',
    { method: 'POST', url: `${vaultUrl}/search`, payload: { vector: 'AADAfwAAAEA=' } },
    'request.invalid',
    ['/vector'],
  ],
  [
    'a vector of 4,097 numbers in base64',
    { method: 'POST', url: memoriesUrl, payload: { vector: Buffer.alloc(4097 * 4).toString('base64') } },
    'request.invalid',
    ['/vector'],
  ],
  [
    'a megabyte of base64 as a vector',
    { method: 'POST', url: memoriesUrl, payload: { vector: Buffer.alloc(1 << 20).toString('base64') } },
    'request.invalid',
    ['/vector'],
  ],
  [
    'an empty text as a vector',
    { method: 'POST', url: memoriesUrl, payload: { vector: '' } },
    'request.invalid',
    ['/vector'],
  ],
  [
    'null in a vector',
    { method: 'POST', url: memoriesUrl, payload: { vector: [1, null] } },
    'request.invalid',
    ['/vector/1'],
  ],
  [
    '1e39 in a vector',
    { method: 'POST', url: memoriesUrl, payload: '{"memories":[{"vector":[1,2]},{"vector":[1,2,1e39]}]}' },
    'request.invalid',
    ['/memories/1/vector/2'],
  ],
  [
    '1e400 in a vector',
    { method: 'POST', url: memoriesUrl, payload: '{"vector":[1,1e400]}' },
    'request.invalid',
    ['/vector/1'],
  ],
  [
    'a number that is infinite in metadata',
    { method: 'POST', url: memoriesUrl, payload: '{"text":"x","metadata":{"a":-1e999}}' },
    'request.invalid',
    ['/metadata/a'],
  ],
  [
    'invalid UTF-8',
    { method: 'POST', url: memoriesUrl, payload: Buffer.from('7b2274657874223a22ff227d', 'hex') },
    'request.malformed',
    ['/text'],
  ],
  [
    'a lone surrogate',
    { method: 'POST', url: memoriesUrl, payload: '{"text":"\\ud83d"}' },
    'request.invalid',
    ['/text'],
  ],
  [
    'a member named __proto__',
    { method: 'POST', url: memoriesUrl, payload: '{"text":"x","metadata":{"__proto__":{"a":1}}}' },
    'request.invalid',
    ['/metadata'],
  ],
  [
    'text of more than 64 KiB',
    { method: 'POST', url: memoriesUrl, payload: { text: 'é'.repeat(LIMITS.textBytesMax / 2 + 1) } },
    'request.invalid',
    ['/text'],
  ],
  [
    'an empty text',
    { method: 'POST', url: memoriesUrl, payload: { text: '' } },
    'request.invalid',
    ['/text'],
  ],
  [
    'metadata of more than 16 KiB',
    {
      method: 'POST',
      url: memoriesUrl,
      payload: { text: 'x', metadata: { a: 'x'.repeat(LIMITS.metadataBytesMax) } },
    },
    'request.invalid',
    ['/metadata'],
  ],
  [
    'metadata that is a list',
    { method: 'POST', url: memoriesUrl, payload: { text: 'x', metadata: [] } },
    'request.invalid',
    ['/metadata'],
  ],
  [
    'a malformed expiry',
    { method: 'POST', url: memoriesUrl, payload: { text: 'x', expiresAt: 'next week' } },
    'request.invalid',
    ['/expiresAt'],
  ],
  [
    'a source that is no memory',
    { method: 'POST', url: memoriesUrl, payload: { text: 'x', derivedFrom: [MEMORY_ID, 'mem_1'] } },
    'request.invalid',
    ['/derivedFrom/1'],
  ],
  [
    'a name of 201 characters',
    { method: 'POST', url: memoriesUrl, payload: { text: 'x', subject: 'x'.repeat(201) } },
    'request.invalid',
    ['/subject'],
  ],
  ['a patch that changes nothing', { method: 'PATCH', url: oneUrl, payload: {} }, 'request.invalid', ['']],
  [
    'a patch of what is the server’s',
    { method: 'PATCH', url: oneUrl, payload: { text: 'x', version: 9 } },
    'request.invalid',
    ['/version'],
  ],
  [
    'an oversized body',
    { method: 'POST', url: memoriesUrl, payload: Buffer.alloc(LIMITS.bodyBytesMax + 1, ' ') },
    'request.too_large',
    [],
  ],
  [
    'another content type',
    {
      method: 'POST',
      url: memoriesUrl,
      payload: 'text=x',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
    },
    'request.unsupported',
    [],
  ],
  [
    'no content type',
    { method: 'POST', url: memoriesUrl, payload: '{}', raw: true },
    'request.unsupported',
    [],
  ],
  [
    'another charset',
    {
      method: 'POST',
      url: memoriesUrl,
      payload: '{}',
      headers: { 'content-type': 'application/json; charset=latin1' },
    },
    'request.unsupported',
    [],
  ],
  [
    'a compressed body',
    {
      method: 'POST',
      url: memoriesUrl,
      payload: '{}',
      headers: { 'content-type': 'application/json', 'content-encoding': 'gzip' },
    },
    'request.unsupported',
    [],
  ],
  [
    'a search for nothing',
    { method: 'POST', url: `${vaultUrl}/search`, payload: {} },
    'request.invalid',
    [''],
  ],
  [
    'a mode without its query',
    { method: 'POST', url: `${vaultUrl}/search`, payload: { vector: [1, 0], mode: 'hybrid' } },
    'request.invalid',
    ['/query'],
  ],
  [
    'weights in a mode that has none',
    {
      method: 'POST',
      url: `${vaultUrl}/search`,
      payload: { query: 'x', mode: 'text', weights: { text: 1, vector: 1 } },
    },
    'request.invalid',
    ['/weights'],
  ],
  [
    'weights of nothing',
    {
      method: 'POST',
      url: `${vaultUrl}/search`,
      payload: { query: 'x', vector: [1, 0], weights: { text: 0, vector: 0 } },
    },
    'request.invalid',
    ['/weights'],
  ],
  [
    'a weight that is negative, and one that is missing',
    {
      method: 'POST',
      url: `${vaultUrl}/search`,
      payload: { query: 'x', vector: [1, 0], weights: { text: -1 } },
    },
    'request.invalid',
    ['/weights/text', '/weights/vector'],
  ],
  [
    'a language that nobody speaks',
    { method: 'POST', url: '/v1/vaults', payload: { name: 'x', language: 'xx' } },
    'request.invalid',
    ['/language'],
  ],
  [
    'a limit of 1,001',
    { method: 'POST', url: `${vaultUrl}/search`, payload: { query: 'x', limit: 1001 } },
    'request.invalid',
    ['/limit'],
  ],
  [
    'a fractional limit',
    { method: 'POST', url: `${vaultUrl}/search`, payload: { query: 'x', limit: 1.5 } },
    'request.invalid',
    ['/limit'],
  ],
  [
    'an unknown field in a filter',
    { method: 'POST', url: `${vaultUrl}/search`, payload: { query: 'x', filter: { owner: 'ann' } } },
    'request.invalid',
    ['/filter/owner'],
  ],
  [
    'an unknown operator',
    {
      method: 'POST',
      url: `${vaultUrl}/search`,
      payload: { query: 'x', filter: { AND: [{ subject: { like: 'a' } }] } },
    },
    'request.invalid',
    ['/filter/AND/0/subject/like'],
  ],
  [
    'a filter that is not JSON in a query',
    { url: `${memoriesUrl}?filter=%7B` },
    'request.invalid',
    ['/filter'],
  ],
  [
    'an unknown field in a filter of a query',
    { url: `${memoriesUrl}?filter=${encodeURIComponent('{"a~b":1}')}` },
    'request.invalid',
    ['/filter/a~0b'],
  ],
  ['an unknown parameter', { url: '/v1/vaults?order=asc' }, 'request.invalid', ['/order']],
  ['a parameter given twice', { url: '/v1/vaults?limit=1&limit=2' }, 'request.invalid', ['/limit']],
  ['a limit of zero', { url: '/v1/vaults?limit=0' }, 'request.invalid', ['/limit']],
  ['a limit that is no number', { url: '/v1/vaults?limit=1e2' }, 'request.invalid', ['/limit']],
  [
    'a vault named like an id',
    { method: 'POST', url: '/v1/vaults', payload: { name: VAULT_ID } },
    'request.invalid',
    ['/name'],
  ],
  [
    'a vault named ..',
    { method: 'POST', url: '/v1/vaults', payload: { name: '..' } },
    'request.invalid',
    ['/name'],
  ],
  [
    'a control character in a name',
    { method: 'POST', url: '/v1/vaults', payload: { name: 'a\u0000b' } },
    'request.invalid',
    ['/name'],
  ],
  [
    'one dimension',
    { method: 'POST', url: '/v1/vaults', payload: { name: 'x', dimensions: 1 } },
    'request.invalid',
    ['/dimensions'],
  ],
  [
    '31 days in the trash',
    { method: 'POST', url: '/v1/vaults', payload: { name: 'x', deletion: { days: 31 } } },
    'request.invalid',
    ['/deletion/days'],
  ],
  [
    'an action that there is not',
    {
      method: 'POST',
      url: '/v1/keys',
      payload: { name: 'x', scopes: [{ actions: ['memory.steal'], vaults: ['*'] }] },
    },
    'request.invalid',
    ['/scopes/0/actions/0'],
  ],
  [
    'a network that is none',
    { method: 'POST', url: '/v1/keys', payload: { name: 'x', networks: ['10.0.0.0/33'] } },
    'request.invalid',
    ['/networks/0'],
  ],
  ['a size that is no number', { url: '/v1/ledger/entries/0/proof?size=x' }, 'request.invalid', ['/size']],
  ['a beginning that is not said', { url: '/v1/ledger/consistency' }, 'request.invalid', ['/from']],
  ['a beginning of nothing', { url: '/v1/ledger/consistency?from=0' }, 'request.invalid', ['/from']],
  [
    'a beginning that is longer than the whole',
    { url: '/v1/ledger/consistency?from=3&size=2' },
    'request.invalid',
    ['/from'],
  ],
  ['a moment that is none', { url: '/v1/ledger?after=yesterday' }, 'request.invalid', ['/after']],
  [
    'If-Match that is no tag',
    { method: 'PATCH', url: oneUrl, payload: { text: 'x' }, headers: { 'if-match': '3' } },
    'request.invalid',
    ['/if-match'],
  ],
  [
    'If-Match of another kind',
    { method: 'PATCH', url: oneUrl, payload: { text: 'x' }, headers: { 'if-match': 'W/"3"' } },
    'version.mismatch',
    [],
  ],
  [
    'an Idempotency-Key with a space',
    { method: 'POST', url: memoriesUrl, payload: { text: 'x' }, headers: { 'idempotency-key': 'a b' } },
    'request.invalid',
    ['/idempotency-key'],
  ],
  [
    'a purpose of 201 characters',
    { url: '/v1/vaults', headers: { 'strongroom-purpose': 'x'.repeat(201) } },
    'request.invalid',
    ['/strongroom-purpose'],
  ],
  ['a memory id that is none', { url: `${memoriesUrl}/mem_1` }, 'not_found', []],
  ['a key id that is none', { method: 'DELETE', url: '/v1/keys/nobody' }, 'not_found', []],
  ['an entry number that is none', { url: '/v1/ledger/entries/-1/proof' }, 'not_found', []],
  ['a vault name longer than any', { url: `/v1/vaults/${'x'.repeat(3000)}` }, 'not_found', []],
  ['a URL with broken escapes', { url: '/v1/vaults/%ff' }, 'request.invalid', []],
  ['a path that is not there', { url: '/v1/nothing' }, 'not_found', []],
  ['a method that is not there', { method: 'PUT', url: '/v1/vaults' }, 'request.method', []],
  ['a method nobody knows', { method: 'propfind', url: '/v1/vaults' }, 'not_found', []],
];

test('bad input is refused with its code and its place, and nothing is called', async () => {
  const { app, fake } = fakeServer();
  for (const [what, { raw = false, headers = {}, ...request }, code, paths] of BAD_INPUT) {
    const type = request.payload === undefined || raw ? {} : { 'content-type': 'application/json' };
    const response = await app.inject({
      method: 'GET',
      ...request,
      headers: { ...type, ...headers, ...asGood },
    });
    const problem = problemIn(response);
    assert.equal(problem.code, code, `${what}: ${response.body}`);
    assert.deepEqual(
      (problem.errors ?? []).map(({ path }) => path),
      paths,
      `${what}: ${response.body}`,
    );
    for (const { message } of problem.errors ?? [])
      assert.ok(message.length > 0 && message.length < 200, what);
  }
  assert.deepEqual(
    fake.calls.map(({ name }) => name),
    [],
  );
});
