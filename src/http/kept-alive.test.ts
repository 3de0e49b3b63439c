import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keptAlive } from './kept-alive.ts';

async function* told(...steps: readonly (string | Promise<string>)[]): AsyncGenerator<string> {
  for (const step of steps) yield await step;
}

test('silence is filled with empty lines, and nothing is lost, doubled or put in another order', async () => {
  const late = Promise.withResolvers<string>();
  const lines = keptAlive(told('a\n', late.promise, 'c\n'), 1);
  const next = async (): Promise<string | undefined> => (await lines.next()).value as string | undefined;
  assert.equal(await next(), 'a\n');
  assert.deepEqual([await next(), await next()], ['\n', '\n']);
  late.resolve('b\n');
  let first = await next();
  while (first === '\n') first = await next();
  assert.equal(first, 'b\n');
  const rest: string[] = [];
  for await (const line of lines) if (line !== '\n') rest.push(line);
  assert.deepEqual(rest, ['c\n']);
});

test('who breaks off is passed on to where the lines come from, and so is what goes wrong there', async () => {
  const ended = Promise.withResolvers<string>();
  const source = (async function* () {
    try {
      yield 'a\n';
      yield 'b\n';
    } finally {
      ended.resolve('ended');
    }
  })();
  for await (const line of keptAlive(source)) {
    assert.equal(line, 'a\n');
    break;
  }
  assert.equal(await ended.promise, 'ended');
  const broken = Promise.reject<string>(new RangeError('broken'));
  await assert.rejects(Array.fromAsync(keptAlive(told('a\n', broken))), RangeError);
});
