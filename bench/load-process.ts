/**
 * The load generator, in a process of its own. Bodies are made before the clock starts; connections are kept open; its
 * own processor time is measured, so that it can be told apart from the server's on a machine that both share.
 */
import { Agent, request } from 'node:https';
import { sentVector } from '@strongroom/client';
import { answerParent } from './child.ts';
import { Corpus } from './corpus.ts';
import { quantile } from './figures.ts';
import type { Reach } from './server-process.ts';

export type SearchMode = 'text' | 'vector' | 'hybrid';

export interface AddLoad {
  readonly vault: string;
  readonly batches: number;
  readonly batchSize: number;
  readonly inFlight: number;
  readonly seed: number;
}

export interface SearchLoad {
  readonly vault: string;
  readonly mode: SearchMode;
  readonly seconds: number;
  readonly inFlight: number;
  readonly limit: number;
  readonly seed: number;
}

export interface Measured {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  /** Processor time of this process meanwhile. */
  readonly cpuMs: number;
  readonly requestBytes: number;
}

export interface LoadQuestions {
  readonly createVault: { takes: { reach: Reach; name: string; dimensions: number }; answers: null };
  readonly add: { takes: AddLoad & { reach: Reach }; answers: Measured };
  readonly search: { takes: SearchLoad & { reach: Reach }; answers: Measured };
}

const QUERIES = 200;
const MEMORIES = '/v1/vaults/{vault}/memories';
const SEARCH = '/v1/vaults/{vault}/search';

class Client {
  readonly #reach: Reach;
  readonly #agent: Agent;

  constructor(reach: Reach) {
    this.#reach = reach;
    this.#agent = new Agent({ keepAlive: true, ca: reach.ca });
  }

  /** Rejects on any answer but success: a figure for refusals would be a fine one. */
  post(path: string, body: Buffer): Promise<Buffer> {
    const { url, apiKey } = this.#reach;
    return new Promise((resolve, reject) => {
      const req = request(`${url}${path}`, {
        method: 'POST',
        agent: this.#agent,
        headers: {
          authorization: `Bearer ${apiKey}`,
          'content-type': 'application/json',
          'content-length': body.length,
        },
      });
      req.on('error', reject);
      req.on('response', (res) => {
        const chunks: Buffer[] = [];
        res.on('error', reject);
        res.on('data', (chunk: Buffer) => chunks.push(chunk));
        res.on('end', () => {
          const answer = Buffer.concat(chunks);
          if (res.statusCode === 200 || res.statusCode === 201) resolve(answer);
          else reject(new Error(`${path} answered ${res.statusCode}: ${answer.toString('utf8')}`));
        });
      });
      req.end(body);
    });
  }
}

const clients = new Map<string, Client>();

answerParent<LoadQuestions>({
  createVault: async ({ reach, name, dimensions }) => {
    await clientOf(reach).post('/v1/vaults', json({ name, dimensions }));
    return null;
  },
  add: ({ reach, vault, batches, batchSize, inFlight, seed }) => {
    const corpus = new Corpus(seed);
    const memory = () => ({ text: corpus.text(), vector: sentVector(corpus.vector()) });
    const bodies = Array.from({ length: batches }, () =>
      json({ memories: Array.from({ length: batchSize }, memory) }),
    );
    return measure(clientOf(reach), MEMORIES.replace('{vault}', vault), { bodies, inFlight, seconds: null });
  },
  search: ({ reach, vault, mode, seconds, inFlight, limit, seed }) => {
    const corpus = new Corpus(seed);
    const bodies = Array.from({ length: QUERIES }, () =>
      json({
        mode,
        limit,
        ...(mode === 'vector' ? {} : { query: corpus.query() }),
        ...(mode === 'text' ? {} : { vector: sentVector(corpus.vector()) }),
      }),
    );
    return measure(clientOf(reach), SEARCH.replace('{vault}', vault), { bodies, inFlight, seconds });
  },
});

interface Run {
  readonly bodies: readonly Buffer[];
  readonly inFlight: number;
  /** Null: each body once. */
  readonly seconds: number | null;
}

/** Keeps so many requests under way until the time or the bodies are over. */
async function measure(client: Client, path: string, { bodies, inFlight, seconds }: Run): Promise<Measured> {
  const times: number[] = [];
  const cpuBefore = process.cpuUsage();
  const started = performance.now();
  const isOver = (next: number): boolean =>
    seconds === null ? next >= bodies.length : performance.now() - started >= seconds * 1000;
  let next = 0;
  const lane = async (): Promise<void> => {
    for (let number = next++; !isOver(number); number = next++) {
      const sent = performance.now();
      await client.post(path, bodies[number % bodies.length] as Buffer);
      times.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  const elapsedMs = performance.now() - started;
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    requests: times.length,
    seconds: elapsedMs / 1000,
    p50Ms: quantile(times, 0.5),
    p95Ms: quantile(times, 0.95),
    cpuMs: (user + system) / 1000,
    requestBytes: Math.round(bodies.reduce((sum, body) => sum + body.length, 0) / bodies.length),
  };
}

function clientOf(reach: Reach): Client {
  const client = clients.get(reach.url) ?? new Client(reach);
  clients.set(reach.url, client);
  return client;
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value), 'utf8');
