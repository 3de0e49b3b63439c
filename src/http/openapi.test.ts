import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeParts, fakeServer } from './testing/fake-parts.ts';
import { declaredStatuses } from './openapi.ts';
import { EXEMPT_ROUTES, routesOf } from './server.ts';

interface Operation {
  operationId: string;
  summary?: string;
  parameters?: { name: string; in: string; required?: boolean; schema: object }[];
  requestBody?: { content: Record<string, { schema: object }> };
  responses: Record<string, { description: string; content?: Record<string, { schema: object }> }>;
}
interface Document {
  openapi: string;
  info: { title: string; version: string };
  paths: Record<string, Record<string, Operation>>;
  components: { schemas: Record<string, object>; securitySchemes: Record<string, object> };
}

async function document(): Promise<Document> {
  return (await fakeServer().app.inject({ url: '/openapi.json' })).json<Document>();
}

const templateOf = (url: string): string => url.replaceAll(/:(\w+)/g, '{$1}');

test('every route is in the OpenAPI document with every status it may answer, and nothing else is', async () => {
  const { paths } = await document();
  const seen = new Set<string>();
  for (const route of routesOf(fakeParts().parts)) {
    const operation = paths[templateOf(route.url)]?.[route.method.toLowerCase()];
    assert.ok(operation !== undefined, route.name);
    assert.equal(operation.operationId, route.name);
    const statuses = declaredStatuses(route).map(String).sort();
    assert.deepEqual(Object.keys(operation.responses).sort(), statuses, route.name);
    const isGet = route.method === 'GET' || route.method === 'DELETE';
    const takesBody = !isGet && !/\/(restore|rotate|approve|reject|cancel|drills)$/.test(route.url);
    assert.equal(operation.requestBody !== undefined, takesBody, `${route.name}: body`);
    seen.add(`${route.method.toLowerCase()} ${templateOf(route.url)}`);
  }
  for (const url of EXEMPT_ROUTES) seen.add(`get ${url}`);
  const documented = Object.entries(paths).flatMap(([url, methods]) =>
    Object.keys(methods).map((method) => `${method} ${url}`),
  );
  assert.deepEqual(documented.sort(), [...seen].sort());
});

test('the document has the shape of OpenAPI 3.1: every reference resolves, every path parameter is declared', async () => {
  const { openapi, info, paths, components } = await document();
  assert.match(openapi, /^3\.1\.\d+$/);
  assert.ok(info.title !== '' && info.version !== '');
  const operationIds: string[] = [];
  for (const [url, methods] of Object.entries(paths)) {
    assert.ok(url.startsWith('/'));
    for (const operation of Object.values(methods)) {
      operationIds.push(operation.operationId);
      const declared = (operation.parameters ?? []).filter((parameter) => parameter.in === 'path');
      const named = Array.from(url.matchAll(/\{(\w+)\}/g), ([, name = '']) => name);
      assert.deepEqual(declared.map(({ name }) => name).sort(), named.sort(), url);
      for (const parameter of declared) assert.equal(parameter.required, true, url);
      for (const [status, { description }] of Object.entries(operation.responses)) {
        assert.match(status, /^[1-5]\d\d$/);
        assert.ok(description.length > 0, `${operation.operationId} ${status}`);
      }
    }
  }
  assert.equal(new Set(operationIds).size, operationIds.length);
  const text = JSON.stringify(paths) + JSON.stringify(components);
  for (const [, name = ''] of text.matchAll(/"\$ref":"#\/components\/schemas\/([^"]+)"/g))
    assert.ok(components.schemas[name] !== undefined, `a reference to ${name} leads nowhere`);
  assert.ok(!/"\$ref":"(?!#\/components\/schemas\/)/.test(text));
  assert.ok(!text.includes('nullable'), 'a word of OpenAPI 3.0');
  assert.ok(!text.includes('PLACEHOLDER'));
});

interface Described {
  readonly type?: string;
  readonly items?: object;
  readonly maxItems?: number;
  readonly format?: string;
}

test('what loops of our own check is described all the same: vectors, metadata, limits', async () => {
  const { paths, components } = await document();
  const body = paths['/v1/vaults/{vault}/memories']?.post?.requestBody?.content['application/json']
    ?.schema as {
    properties: Record<string, Described & { oneOf?: readonly Described[] }>;
    additionalProperties: boolean;
  };
  assert.equal(body.additionalProperties, false);
  const [list, base64] = body.properties.vector?.oneOf ?? [];
  assert.equal(list?.type, 'array');
  assert.equal(list?.maxItems, 4096);
  assert.deepEqual(list?.items, { type: 'number' });
  assert.equal(base64?.format, 'byte');
  assert.equal(body.properties.metadata?.type, 'object');
  const limit = paths['/v1/vaults']?.get?.parameters?.find(({ name }) => name === 'limit');
  assert.deepEqual(limit?.schema, { type: 'integer', minimum: 1, maximum: 1000 });
  for (const name of ['Memory', 'Vault', 'Key', 'LedgerEntry', 'Problem'])
    assert.ok(components.schemas[name] !== undefined, name);
});
