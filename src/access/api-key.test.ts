import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { Secret } from '../bytes/secret.ts';
import { realEnvironment } from '../environment.ts';
import { createIdSource } from '../ids.ts';
import { createApiKey, matchApiKey } from './api-key.ts';

const { clock, random } = realEnvironment;
const id = createIdSource(clock, random)('key');

test('a key parses to its environment, id and secret', () => {
  const token = createApiKey('staging', id, random);
  const parts = matchApiKey(token);
  assert.equal(parts?.environment, 'staging');
  assert.equal(parts?.id, id);
  assert.equal(parts?.secret.length, 52);
});

test('a key with any character changed, missing or added is not a key', () => {
  const text = createApiKey('production', id, random).reveal();
  for (let at = 0; at < text.length; at++) {
    const changed = text[at] === 'z' ? 'y' : 'z';
    assert.equal(
      matchApiKey(new Secret(text.slice(0, at) + changed + text.slice(at + 1))),
      null,
      `changed at ${at}`,
    );
    assert.equal(matchApiKey(new Secret(text.slice(0, at) + text.slice(at + 1))), null, `missing at ${at}`);
    assert.equal(matchApiKey(new Secret(text.slice(0, at))), null, `cut at ${at}`);
  }
  assert.equal(matchApiKey(new Secret(`${text}0`)), null);
  assert.equal(matchApiKey(new Secret(text.toUpperCase())), null);
  assert.equal(matchApiKey(new Secret('')), null);
});

test('a key never prints itself', () => {
  const token = createApiKey('production', id, random);
  for (const shown of [
    inspect(token),
    String(token),
    JSON.stringify({ token }),
    inspect({ deep: { token } }),
  ])
    assert.equal(shown.includes(token.reveal().slice(20, 60)), false);
});
