import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { isLoopback, keystorePlaces, parseSettings } from './config.ts';
import { StrongroomError } from './errors.ts';

test('without a file and variables every setting has its default', () => {
  const settings = parseSettings(null, {
    PATH: '/bin',
    STRONGROOM_URL: 'x',
    STRONGROOM_API_KEY: 'y',
    STRONGROOM_CA: 'z',
  });
  assert.deepEqual(
    [settings.host, settings.port, settings.tls, settings.tlsMinimum, settings.database, settings.rateLimit],
    ['127.0.0.1', 8443, 'on', '1.3', 'sqlite', 'on'],
  );
});

test('a variable wins over the file', () => {
  const settings = parseSettings('{"port": 1, "tlsMinimum": "1.2"}', {
    STRONGROOM_PORT: '2',
    STRONGROOM_SEARCH_WORKERS: '3',
  });
  assert.deepEqual([settings.port, settings.tlsMinimum, settings.searchWorkers], [2, '1.2', 3]);
});

test('a setting that is not known is refused by its name, in the file and in the environment', () => {
  assertRefused(() => parseSettings('{"tlsMinimun": "1.3"}', {}), /tlsMinimun/);
  assertRefused(() => parseSettings(null, { STRONGROOM_TLS_MINIMUN: '1.3' }), /STRONGROOM_TLS_MINIMUN/);
  assertRefused(() => parseSettings('{"__proto__": {"tls": "off"}, "constructor": 1}', {}), /constructor/);
});

test('a value that is not of its form is refused by the name of its setting', () => {
  assertRefused(() => parseSettings('{"port": 70000}', {}), /port/);
  assertRefused(() => parseSettings('{"tls": "no"}', {}), /tls/);
  assertRefused(() => parseSettings(null, { STRONGROOM_TLS: '' }), /tls/);
  assertRefused(() => parseSettings('{"database": "mysql://x"}', {}), /database/);
  assertRefused(() => parseSettings('[]', {}), /one JSON object/);
  assertRefused(() => parseSettings('{', {}), /not well-formed/);
});

test('settings that weaken a public server are refused', () => {
  assertRefused(() => parseSettings('{"rateLimit": "off", "host": "0.0.0.0"}', {}), /rateLimit/);
  assertRefused(() => parseSettings('{"keystores": ["/a"]}', {}), /keystores/);
  assertRefused(() => parseSettings('{"keystores": ["/a", "/a"]}', {}), /keystores/);
  assertRefused(() => parseSettings('{"tlsCertificate": "x"}', {}), /tlsCertificate/);
});

const EMBEDDER = {
  embedder: 'openai',
  embedderUrl: 'https://api.example/v1',
  embedderModel: 'small',
  embedderApiKey: 'sk-0123456789',
};

test('an embedder is none by default, and set up whole or refused by the name of what is missing or weak', () => {
  const parse = (own: object) => () => parseSettings(JSON.stringify({ ...EMBEDDER, ...own }), {});
  assert.equal(parseSettings(null, {}).embedder, 'none');
  const settings = parse({})();
  assert.deepEqual(
    [settings.embedder, settings.embedderNetwork, settings.embedderCharacters],
    ['openai', 'public', 8000],
  );
  for (const [own, fault] of [
    [{ embedder: 'cloud' }, /embedder:/],
    [{ embedder: 'none' }, /embedderUrl: says nothing/],
    [{ embedderUrl: undefined }, /embedderUrl: is needed/],
    [{ embedderModel: undefined }, /embedderModel: is needed/],
    [{ embedderApiKey: undefined }, /embedderApiKey: is needed/],
    [{ embedderApiKey: 'short' }, /embedderApiKey/],
    [{ embedderApiKey: 'embedderApiKey' }, /own name/],
    [{ embedderUrl: 'http://api.example/v1' }, /https/],
    [{ embedderUrl: 'api.example' }, /embedderUrl/],
    [{ embedderUrl: 'ftp://api.example' }, /embedderUrl/],
    [{ embedderUrl: 'https://name:word@api.example' }, /embedderUrl/],
    [{ embedderUrl: 'https://api.example/?key=x' }, /embedderUrl/],
    [{ embedder: 'local' }, /embedderNetwork/],
    [{ embedderDimensions: 1 }, /embedderDimensions/],
    [{ embedderCharacters: 0 }, /embedderCharacters/],
    [{ embedderNetwork: 'any' }, /embedderNetwork/],
  ] as const)
    assertRefused(parse(own), fault);
  parse({ embedderNetwork: 'private', embedderUrl: 'http://10.0.0.7:8080/v1', embedderApiKey: undefined })();
});

test('the key of an embedder is not shown by whatever prints the settings', () => {
  const settings = parseSettings(null, {
    STRONGROOM_EMBEDDER: 'openai',
    STRONGROOM_EMBEDDER_URL: 'https://api.example/v1',
    STRONGROOM_EMBEDDER_MODEL: 'small',
    STRONGROOM_EMBEDDER_API_KEY: 'sk-0123456789',
  });
  assert.equal(settings.embedderApiKey?.reveal(), 'sk-0123456789');
  assert.doesNotMatch(`${JSON.stringify(settings)} ${inspect(settings)}`, /0123456789/);
  const refused = (): unknown => parseSettings(null, { STRONGROOM_EMBEDDER_API_KEY: 'sk-0123 456789' });
  assert.throws(refused, (error) => !inspect(error).includes('456789'));
});

test('the default keystore has two replicas under the data directory', () => {
  const folders = (file: string | null) =>
    keystorePlaces(parseSettings(file, {}), '/data').map(({ folder }) => folder);
  assert.deepEqual(folders(null), ['/data/keystore/a', '/data/keystore/b']);
  assert.deepEqual(folders('{"keystores": ["/x", "y"]}'), ['/x', '/data/y']);
});

test('only addresses of this machine are loopback', () => {
  for (const host of ['127.0.0.1', '127.9.9.9', '::1', 'localhost'])
    assert.equal(isLoopback(host), true, host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', '127.evil.example', 'localhost.example'])
    assert.equal(isLoopback(host), false, host);
});

function assertRefused(work: () => unknown, message: RegExp): void {
  assert.throws(
    work,
    (error) =>
      error instanceof StrongroomError && error.code === 'config.invalid' && message.test(error.message),
  );
}
