import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { TestBench } from '../testing/test-io.ts';

const COUNT = 23;
const text = (n: number): string => `memory number ${n}`;
const texts = (count: number): string[] => Array.from({ length: count }, (_, n) => text(n));

function benchWith(t: TestContext, name = 'file.jsonl'): TestBench {
  const bench = new TestBench(t);
  writeFileSync(
    join(bench.directory, name),
    texts(COUNT)
      .map((text) => `${JSON.stringify({ text })}\n`)
      .join(''),
  );
  return bench;
}

const inDefault = (bench: TestBench): (string | undefined)[] =>
  bench.server.memoriesIn('default').map((memory) => memory.text);

describe('an import that is interrupted', () => {
  it('is whole and without doubles after it was run again, wherever the connection broke', async (t) => {
    // Requests are numbered from 1; each break lasts for all attempts of one run, before or after the server acted.
    for (const when of ['before', 'after'] as const) {
      for (let broken = 1; broken <= 5; broken += 1) {
        const bench = benchWith(t);
        const fail = (_: unknown, number: number): undefined => {
          if (number >= broken) throw new TypeError('connection lost');
        };
        if (when === 'before') bench.server.intercept = fail;
        else bench.server.lose = fail;
        const first = await bench.run(['import', 'file.jsonl', '--batch', '5']);
        assert.equal(first.code, 1);
        assert.match(first.err, /server\.unreachable: connection lost/);
        bench.server.intercept = () => undefined;
        bench.server.lose = () => undefined;
        const second = await bench.run(['import', 'file.jsonl', '--batch', '7', '--json']);
        assert.equal(second.code, 0, second.err);
        assert.deepEqual(inDefault(bench), texts(COUNT), `broken ${when} request ${broken}`);
      }
    }
  });

  it('has its state on disk before the next batch leaves, for a process that gets no chance to say goodbye', async (t) => {
    const bench = benchWith(t);
    const folder = join(bench.directory, 'home/.local/state/strongroom/imports');
    const seen: number[] = [];
    bench.server.intercept = () => {
      const kept = readFileSync(join(folder, readdirSync(folder)[0] ?? ''), 'utf8');
      seen.push((JSON.parse(kept) as { position: { items: number } }).position.items);
      return undefined;
    };
    await bench.run(['import', 'file.jsonl', '--batch', '5']);
    assert.deepEqual(seen, [0, 5, 10, 15, 20]);
  });

  it('stops between batches when it is asked to, and says how to go on', async (t) => {
    const bench = benchWith(t);
    bench.server.lose = (_, number) => {
      if (number === 2) bench.stop.abort(new Error('stopped'));
    };
    const { code, err } = await bench.run(['import', 'file.jsonl', '--batch', '5']);
    assert.equal(code, 1);
    assert.match(err, /10 memories are in\. The same command again goes on from there\.\n$/);
    assert.deepEqual(inDefault(bench), texts(10));
  });

  it('keeps numbers and a random id in a file of its owner, and nothing of what it imports', async (t) => {
    const bench = benchWith(t, 'secret-name.jsonl');
    await bench.run(['import', 'secret-name.jsonl', '--vault', 'default']);
    const folder = join(bench.directory, 'home/.local/state/strongroom/imports');
    const [name = '', ...others] = readdirSync(folder);
    assert.equal(others.length, 0);
    const kept = readFileSync(join(folder, name), 'utf8');
    assert.ok(!/secret-name|memory number|default|strongroom\.test/.test(`${name}${kept}`), kept);
    assert.equal(statSync(join(folder, name)).mode & 0o777, 0o600);
    assert.equal(statSync(folder).mode & 0o777, 0o700);
  });

  it('a damaged state is said to be damaged, never taken for none', async (t) => {
    const bench = benchWith(t);
    await bench.run(['import', 'file.jsonl']);
    const folder = join(bench.directory, 'home/.local/state/strongroom/imports');
    writeFileSync(join(folder, readdirSync(folder)[0] ?? ''), '{"version":1');
    const { code, err } = await bench.run(['import', 'file.jsonl']);
    assert.equal(code, 2);
    assert.match(err, /is damaged: remove it, or import again from the start with --again/);
    assert.equal(inDefault(bench).length, COUNT);
  });
});

describe('batches', () => {
  it('each has a key of its own, which is no digest of what is in it', async (t) => {
    const bench = benchWith(t);
    await bench.run(['import', 'file.jsonl', '--batch', '10']);
    const keys = bench.server.requests.map((request) => request.headers['idempotency-key'] ?? '');
    assert.equal(new Set(keys).size, 3);
    assert.ok(keys.every((key) => /^[0-9a-f]{64}$/.test(key)));
    const other = benchWith(t);
    await other.run(['add', 'moves the randomness on']);
    await other.run(['import', 'file.jsonl', '--again', '--batch', '10']);
    await other.run(['import', 'file.jsonl', '--again', '--batch', '10']);
    const again = other.server.requests.slice(-3).map((request) => request.headers['idempotency-key']);
    assert.ok(again.every((key) => !keys.includes(key ?? '')));
  });

  it('a batch stays well within the limit of a body', async (t) => {
    const bench = new TestBench(t);
    const line = `${JSON.stringify({ text: 'x'.repeat(60 * 1024) })}\n`;
    writeFileSync(join(bench.directory, 'large.jsonl'), line.repeat(300));
    assert.equal((await bench.run(['import', 'large.jsonl'])).code, 0);
    const sizes = bench.server.requests.map((request) => JSON.stringify(request.body).length);
    assert.ok(sizes.length >= 3 && Math.max(...sizes) < 9 * 1024 * 1024, String(sizes));
    assert.equal(bench.server.memoriesIn('default').length, 300);
  });

  it('no batch holds memories of two vaults', async (t) => {
    const bench = new TestBench(t);
    const lines = ['a', 'a', 'b', 'a'].map(
      (conversation, n) => `${JSON.stringify({ text: text(n), conversation })}\n`,
    );
    writeFileSync(join(bench.directory, 'mixed.jsonl'), `${lines.join('')}{"text":"of none"}\n`);
    const { err } = await bench.run(['import', 'mixed.jsonl', '--vault-per-conversation', '--skip-bad']);
    assert.match(err, /line 5: it names no conversation that a vault could be named after/);
    assert.deepEqual(
      bench.server.memoriesIn('a').map((memory) => memory.text),
      [text(0), text(1), text(3)],
    );
    assert.deepEqual(
      bench.server.memoriesIn('b').map((memory) => memory.text),
      [text(2)],
    );
  });

  it('sessions of several conversations stay apart in one vault', async (t) => {
    const sample = (id: string) => ({
      sample_id: id,
      conversation: { session_1: [{ speaker: 'Ann', text: id }] },
    });
    const bench = new TestBench(t);
    writeFileSync(join(bench.directory, 'two.json'), JSON.stringify([sample('one'), sample('two')]));
    await bench.run(['import', 'two.json']);
    await bench.run(['import', 'two.json', '--vault-per-conversation']);
    const conversationsIn = (vault: string) =>
      bench.server.memoriesIn(vault).map((memory) => memory.conversation);
    assert.deepEqual(conversationsIn('default'), ['one/session_1', 'two/session_1']);
    assert.deepEqual([...conversationsIn('one'), ...conversationsIn('two')], ['session_1', 'session_1']);
  });
});

describe('progress', () => {
  it('is a bar on a terminal, with rate and time left, and wiped at the end', async (t) => {
    const bench = benchWith(t);
    bench.tickMs = 150;
    const { err } = await bench.run(['import', 'file.jsonl', '--batch', '5'], { errColumns: 100 });
    const drawn = err.split('\r\u001b[K');
    assert.match(drawn[1] ?? '', /^\[#+\.+\] \d+ % · 5 added · \d+\/s · [\d.]+ s left$/);
    assert.ok(err.endsWith('\r\u001b[K'));
  });

  it('is a line now and then elsewhere, and none with --json', async (t) => {
    const bench = benchWith(t);
    bench.tickMs = 2000;
    const { err } = await bench.run(['import', 'file.jsonl', '--batch', '5']);
    const lines = err.split('\n').filter((line) => line !== '');
    assert.ok(lines.length >= 1 && lines.length < 5, err);
    assert.ok(
      lines.every((line) => /^\d+ % · \d+ added · \d+\/s/.test(line)) && !err.includes('\u001b'),
      err,
    );
    const quiet = await bench.run(['import', 'file.jsonl', '--batch', '5', '--again', '--json']);
    assert.equal(quiet.err, '');
    assert.deepEqual((JSON.parse(quiet.out) as { added: number }).added, COUNT);
  });
});

describe('files that are no import', () => {
  it('say what is wrong without quoting what they hold', async (t) => {
    const cases: [string, string | Uint8Array, RegExp][] = [
      ['cut.json', '[{"role": "user", "content": "my secret', /cut\.json is not well-formed JSON/],
      ['bytes.json', Uint8Array.of(0x5b, 0x22, 0xff, 0x22, 0x5d), /bytes\.json is not UTF-8/],
      ['word.json', 'my secret', /word\.json is not well-formed JSON/],
    ];
    const bench = new TestBench(t);
    for (const [name, content, expected] of cases) {
      writeFileSync(join(bench.directory, name), content);
      const { code, err } = await bench.run(['import', name]);
      assert.equal(code, 2);
      assert.match(err, expected);
      assert.ok(!err.includes('secret'), err);
    }
    assert.equal(bench.server.requests.length, 0);
  });

  it('an empty file imports nothing and is no failure', async (t) => {
    const bench = new TestBench(t);
    for (const name of ['empty.jsonl', 'empty.json']) {
      writeFileSync(join(bench.directory, name), '');
      assert.equal((await bench.run(['import', name])).code, 0);
    }
  });

  it('a file is known by its beginning when its name does not tell', async (t) => {
    const bench = new TestBench(t);
    const cases: [string, number][] = [
      ['\ufeff{"text":"a"}\n{"text":"b"}\n', 2],
      ['{"messages":[{"role":"user","content":"a"}]}', 1],
      ['\n[\n{"role":"user","content":"a"}]', 1],
      ['{\n"messages":[{"role":"user","content":"a"}]}', 1],
      ['{"text":"one line only"}', 1],
    ];
    for (const [i, [content, count]] of cases.entries()) {
      writeFileSync(join(bench.directory, `file${i}`), content);
      const { out } = await bench.run(['import', `file${i}`, '--json']);
      assert.equal((JSON.parse(out) as { added: number }).added, count, content);
    }
  });
});
