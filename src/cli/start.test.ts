import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { StrongroomError } from '../errors.ts';
import { TestBench } from './testing/test-io.ts';

describe('start', () => {
  it('makes a deployment, serves it, and prints lines to paste with the key in them once', async (t) => {
    const bench = new TestBench(t);
    bench.stop.abort();
    const first = await bench.run(['start', '--port', '9001'], {
      variables: { npm_lifecycle_event: 'start' },
      outColumns: 80,
    });
    assert.equal(first.code, 0);
    const shown = first.written.map(({ text }) => text).join('');
    const order = [
      'Strongroom is ready at https://127.0.0.1:9001',
      'paste these lines',
      '  export STRONGROOM_URL=https://127.0.0.1:9001\n',
      '  export STRONGROOM_API_KEY=sr_production_first\n',
      `  export STRONGROOM_CA=${bench.directory}/strongroom-data/tls/ca.pem\n`,
      'npm run -s strongroom -- add "',
      'npm run -s strongroom -- search "',
      'Stopping.',
    ].map((part) => shown.indexOf(part));
    assert.ok(!order.includes(-1), shown);
    assert.deepEqual(
      [...order].sort((a, b) => a - b),
      order,
    );
    assert.deepEqual(bench.local.calls, ['serve', 'close']);

    const second = await bench.run(['start', '--port', '9001']);
    assert.ok(!`${second.out}${second.err}`.includes('sr_production_first'));
    assert.match(second.err, /key create NAME --data/);
  });

  it('serves until it is asked to stop, and closes then', async (t) => {
    const bench = new TestBench(t);
    const serving = new Promise<void>((resolve) => {
      bench.local.onServe = resolve;
    });
    const running = bench.run(['start']);
    await serving;
    assert.deepEqual(bench.local.calls, ['serve']);
    bench.stop.abort();
    assert.equal((await running).code, 0);
    assert.deepEqual(bench.local.calls, ['serve', 'close']);
  });

  it('a new key is shown even when serving fails, because it is never shown again', async (t) => {
    const bench = new TestBench(t);
    bench.local.failure = new StrongroomError('port.taken', 'port 8443 is taken');
    const { code, out, err } = await bench.run(['start']);
    assert.equal(code, 1);
    assert.match(out, /^export STRONGROOM_API_KEY=sr_production_first$/m);
    assert.match(err, /port\.taken: port 8443 is taken\n {2}Give another with --port N/);
  });

  it('with --json its data is one JSON object in one line, and there are no words', async (t) => {
    const bench = new TestBench(t);
    bench.stop.abort();
    const { out, err } = await bench.run(['start', '--json']);
    assert.deepEqual(JSON.parse(out), {
      url: 'https://127.0.0.1:8443',
      apiKey: 'sr_production_first',
      ca: `${bench.directory}/strongroom-data/tls/ca.pem`,
    });
    assert.equal(err, '');
  });

  it('a path that a shell would take apart is quoted', async (t) => {
    const { out } = await new TestBench(t).run(['init', '--data', "it's here"]);
    assert.match(out, /^export STRONGROOM_CA='.*\/it'\\''s here\/tls\/ca\.pem'$/m);
  });
});

describe('verdicts', () => {
  it('a broken ledger ends with 3 and names the entry, one that cannot be read with 5', async (t) => {
    const bench = new TestBench(t);
    const broken = { n: 17, reason: 'its hash is not the one in the tree' };
    bench.local.logs = [{ log: 'org_1', size: 40, rootHash: 'ab', broken }];
    const found = await bench.run(['ledger', 'verify', '--data', 'x']);
    assert.equal(found.code, 3);
    assert.equal(found.out, 'BROKEN  org_1: 40 entries at entry 17: its hash is not the one in the tree\n');

    bench.local.logs = [];
    assert.equal((await bench.run(['ledger', 'verify', '--data', 'x'])).code, 5);
    bench.local.failure = new StrongroomError('data.in_use');
    assert.equal((await bench.run(['ledger', 'verify', '--data', 'x'])).code, 5);
  });

  it('a failing finding of the doctor ends with 3, a warning does not', async (t) => {
    const bench = new TestBench(t);
    const finding = { name: 'keystore', detail: 'both replicas on one disk', advice: 'add another' };
    bench.local.findings = [{ ...finding, status: 'warning' }];
    const warned = await bench.run(['doctor']);
    assert.equal(warned.code, 0);
    assert.equal(warned.out, 'warning  keystore: both replicas on one disk\n         add another\n');
    bench.local.findings = [{ ...finding, status: 'failing' }];
    assert.equal((await bench.run(['doctor'])).code, 3);
  });

  it('a failing server ends health with 1', async (t) => {
    const bench = new TestBench(t);
    const checks = [{ name: 'ledger', status: 'failing', detail: 'cannot be written' }];
    bench.server.intercept = () => ({ status: 503, body: { status: 'failing', checks } });
    const { code, out } = await bench.run(['health']);
    assert.equal(code, 1);
    assert.match(out, /failing +ledger: cannot be written/);
  });

  it('a degraded server says what is missing, and serves', async (t) => {
    const bench = new TestBench(t);
    const checks = [{ name: 'keystore', status: 'degraded', code: 'keystore.away', detail: '1 of 2 away' }];
    bench.server.intercept = () => ({ status: 200, body: { status: 'degraded', checks } });
    const { code, out } = await bench.run(['health']);
    assert.equal(code, 0);
    assert.match(out, /^degraded strongroom\ndegraded keystore: 1 of 2 away$/m);
  });
});
