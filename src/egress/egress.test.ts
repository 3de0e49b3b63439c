import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { StrongroomError } from '../errors.ts';
import type { OrganizationId } from '../ids.ts';
import type { EntryDraft } from '../ledger/entry.ts';
import type { Tx } from '../store/store.ts';
import { Egress } from './egress.ts';
import { resolveName } from './exchange.ts';
import { TestTimer } from '../testing/timer.ts';
import { answerJson, startEndpoint } from './testing/endpoint.ts';

const ASKER = {
  organization: 'org_a' as OrganizationId,
  principal: 'key_a',
  request: 'req_a',
  target: 'vlt_a',
};
const OUTGOING = { headers: {}, body: Buffer.from('words'), answerBytesMax: 100, timeoutMs: 1000 };

interface Written {
  readonly organization: string;
  readonly draft: EntryDraft;
}

/** An egress whose ledger keeps what it is given, up to `entriesMax` entries. */
function egressTo(t: TestContext, url: string | null, entriesMax = Number.POSITIVE_INFINITY) {
  const written: Written[] = [];
  let now = 0;
  const egress = new Egress({
    store: {
      write: async (organization, work) => {
        if (written.length >= entriesMax) throw new StrongroomError('ledger.unavailable');
        return work({ organization } as unknown as Tx);
      },
    },
    ledger: {
      append: (tx, draft) => {
        const { organization } = tx as unknown as { organization: string };
        written.push({ organization, draft });
      },
    },
    clock: { now: () => (now += 7) },
    timer: new TestTimer(),
    resolve: resolveName,
    places: url === null ? {} : { embedding: { url: new URL(url), network: 'private' } },
  });
  t.after(() => egress.close());
  return { egress, written };
}

test('each exchange stands in the ledger of whom it is for: before anything leaves, and with what came of it', async (t) => {
  const seen: number[] = [];
  const endpoint = await startEndpoint(t, (res, asked) => {
    seen.push(opened.written.length);
    answerJson({ ok: true })(res, asked);
  });
  const opened = egressTo(t, `${endpoint.url}/x?secret`);
  await opened.egress.post('embedding', ASKER, OUTGOING);
  assert.deepEqual(seen, [1]);
  const { host } = new URL(endpoint.url);
  const common = { principal: 'key_a', target: 'vlt_a', request: 'req_a', scope: [], outcome: 'done' };
  assert.deepEqual(opened.written, [
    {
      organization: 'org_a',
      draft: { ...common, action: 'egress.send', facts: { host, purpose: 'embedding', bytes: 5 } },
    },
    {
      organization: 'org_a',
      draft: {
        ...common,
        action: 'egress.answer',
        facts: { host, purpose: 'embedding', ms: 7, status: 200, bytes: 11 },
      },
    },
  ]);
});

test('what failed says how, and nothing of what was answered', async (t) => {
  const endpoint = await startEndpoint(t, answerJson({ error: 'your words were: words' }, 500));
  const { egress, written } = egressTo(t, endpoint.url);
  await egress.post('embedding', ASKER, OUTGOING);
  endpoint.reply = (res) => void res.socket?.destroy();
  await egress.post('embedding', ASKER, OUTGOING);
  const answers = written.filter(({ draft }) => draft.action === 'egress.answer');
  assert.deepEqual(
    answers.map(({ draft }) => [
      draft.outcome,
      draft.code,
      draft.facts?.['status'],
      draft.facts?.['failure'],
    ]),
    [
      ['failed', 'egress.failed', 500, undefined],
      ['failed', 'egress.failed', undefined, 'connection'],
    ],
  );
  assert.doesNotMatch(JSON.stringify(written), /words/);
});

test('nothing leaves when its entry cannot be kept', async (t) => {
  const endpoint = await startEndpoint(t, answerJson({}));
  const { egress } = egressTo(t, endpoint.url, 0);
  await assert.rejects(egress.post('embedding', ASKER, OUTGOING), StrongroomError);
  assert.equal(endpoint.asked.length, 0);
});

test('what came of it is not handed on when its entry cannot be kept', async (t) => {
  const endpoint = await startEndpoint(t, answerJson({}));
  const { egress } = egressTo(t, endpoint.url, 1);
  await assert.rejects(
    egress.post('embedding', ASKER, OUTGOING),
    (error) => error instanceof StrongroomError && error.code === 'ledger.unavailable',
  );
  assert.equal(endpoint.asked.length, 1);
});

test('what the settings do not name is refused', async (t) => {
  const { egress, written } = egressTo(t, null);
  await assert.rejects(
    egress.post('embedding', ASKER, OUTGOING),
    (error) => error instanceof StrongroomError && error.code === 'egress.refused',
  );
  assert.deepEqual(written, []);
  const elsewhere = egressTo(t, 'http://1.1.1.1/');
  await assert.rejects(
    elsewhere.egress.post('embedding', ASKER, OUTGOING),
    (error) => error instanceof StrongroomError && error.code === 'egress.refused',
  );
  assert.deepEqual(
    elsewhere.written.map(({ draft }) => [draft.action, draft.outcome, draft.code]),
    [
      ['egress.send', 'done', undefined],
      ['egress.answer', 'failed', 'egress.refused'],
    ],
  );
});
