/**
 * The well-behaved neighbour of the section "under attack", in a process of its own: searches at a steady rate, most of them
 * on connections it keeps, some on new ones. A request is sent when its time has come, answered or not the one before, and
 * is timed from then: who is kept waiting does not ask less, and no waiting goes uncounted.
 */
import { Agent, request } from 'node:https';
import { answerParent } from './child.ts';
import { Corpus } from './corpus.ts';
import { quantile } from './figures.ts';
import type { Reach } from './server-process.ts';

export interface Waits {
  readonly requests: number;
  /** Those that were refused, or not answered. */
  readonly failed: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
}

export interface NeighbourQuestions {
  readonly fill: { takes: { reach: Reach; memories: number }; answers: null };
  /** On connections that are kept, and each on one of its own. */
  readonly ask: { takes: { reach: Reach; seconds: number }; answers: { kept: Waits; anew: Waits } };
  /** A key of somebody else's. */
  readonly newKey: { takes: Reach; answers: string };
}

const FROM = '127.0.0.33';
const KEPT_PER_SECOND = 80;
const ANEW_PER_SECOND = 10;
const TICK_MS = 2;
const TIMEOUT_MS = 5_000;
const BATCH = 100;
const VAULT = '/v1/vaults/memories';

const kept = new Agent({ keepAlive: true, maxSockets: 16, localAddress: FROM });

answerParent<NeighbourQuestions>({
  fill: async ({ reach, memories }) => {
    const corpus = new Corpus(1);
    await post(reach, '/v1/vaults', { name: 'memories' }, kept);
    for (let made = 0; made < memories; made += BATCH) {
      const texts = Array.from({ length: BATCH }, () => ({ text: corpus.text() }));
      await post(reach, `${VAULT}/memories`, { memories: texts }, kept);
    }
    return null;
  },
  newKey: async (reach) => {
    const made = await post(reach, '/v1/keys', { name: 'somebody else' }, kept);
    return (JSON.parse(made) as { apiKey: string }).apiKey;
  },
  ask: async ({ reach, seconds }) => {
    const [one, other] = await Promise.all([
      steadily(KEPT_PER_SECOND, seconds, (body) => post(reach, `${VAULT}/search`, body, kept)),
      steadily(ANEW_PER_SECOND, seconds, (body) => post(reach, `${VAULT}/search`, body, false)),
    ]);
    return { kept: one, anew: other };
  },
});

async function steadily(
  perSecond: number,
  seconds: number,
  ask: (body: unknown) => Promise<string>,
): Promise<Waits> {
  const corpus = new Corpus(perSecond);
  const waits: number[] = [];
  let failed = 0;
  const started = performance.now();
  const asked: Promise<void>[] = [];
  const count = Math.round(perSecond * seconds);
  await new Promise<void>((resolve) => {
    const timer = setInterval(() => {
      for (let due = dueAt(asked.length); performance.now() >= due; due = dueAt(asked.length)) {
        if (asked.length === count) {
          clearInterval(timer);
          return resolve();
        }
        const since = performance.now();
        const answered = ask({ mode: 'text', query: corpus.query(), limit: 10 })
          .catch(() => failed++)
          .then(() => void waits.push(performance.now() - since));
        asked.push(answered);
      }
    }, TICK_MS);
    const dueAt = (number: number): number => started + (number / perSecond) * 1000;
  });
  await Promise.all(asked);
  return { requests: count, failed, p50Ms: quantile(waits, 0.5), p95Ms: quantile(waits, 0.95) };
}

function post(reach: Reach, path: string, value: unknown, agent: Agent | false): Promise<string> {
  const body = Buffer.from(JSON.stringify(value));
  return new Promise((resolve, reject) => {
    const req = request(`${reach.url}${path}`, {
      method: 'POST',
      agent,
      ca: reach.ca,
      localAddress: FROM,
      timeout: TIMEOUT_MS,
      headers: {
        authorization: `Bearer ${reach.apiKey}`,
        'content-type': 'application/json',
        'content-length': body.length,
      },
    });
    req.on('timeout', () => req.destroy(new Error('no answer')));
    req.on('error', reject);
    req.on('response', (res) => {
      let text = '';
      res.setEncoding('utf8');
      res.on('error', reject);
      res.on('data', (chunk: string) => (text += chunk));
      res.on('end', () => {
        if (res.statusCode === 200 || res.statusCode === 201) resolve(text);
        else reject(new Error(`${path} answered ${res.statusCode}: ${text}`));
      });
    });
    req.end(body);
  });
}
