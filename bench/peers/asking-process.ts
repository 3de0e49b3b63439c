/**
 * Asks a server over HTTP, in a process of its own. Bodies are made before the clock starts, connections are kept open, and
 * answers are read whole; once the clock has stopped, what was found is held against the true neighbours. Vectors travel as each side's own client sends
 * them: ours as base64, Chroma's as lists of numbers.
 */
import { sentVector } from '@strongroom/client';
import { answerParent } from '../child.ts';
import { Corpus } from '../corpus.ts';
import { quantile } from '../figures.ts';
import { Connection, requestOf } from './connection.ts';
import type { Pass } from './contestant.ts';
import { NEIGHBOURS, readSet, recallOf, vectorAt } from './sets.ts';

export type Target =
  | { readonly kind: 'strongroom'; readonly url: string; readonly ca: string; readonly apiKey: string }
  | { readonly kind: 'chroma'; readonly url: string; readonly collection: string };

export interface AddLoad {
  readonly target: Target;
  readonly batchSize: number;
  readonly inFlight: number;
  /** Of the vectors of the set; null: all. */
  readonly most: number | null;
}

export interface SearchLoad {
  readonly target: Target;
  readonly inFlight: number;
  /** Null: each query once. */
  readonly seconds: number | null;
}

export interface AskingQuestions {
  /** Makes the vault. */
  readonly open: { takes: { readonly target: Target; readonly vault: string }; answers: null };
  /** Additions per second, up to the first search that is answered after the last. */
  readonly add: {
    takes: AddLoad;
    answers: { readonly added: number; readonly perSecond: number; readonly batchP50Ms: number };
  };
  readonly search: { takes: SearchLoad; answers: Pass };
}

/** Strongroom's: what `open` has made. */
let vaultName = '';
/** Bodies that are held at once while all vectors are added. */
const BODIES_MAX = 40;

const [setFolder = ''] = process.argv.slice(2);
const set = await readSet(setFolder);
const corpus = new Corpus(1);
/** The row behind each id that Strongroom gave. */
const rowsById = new Map<string, number>();

interface Form {
  readonly addPath: string;
  readonly searchPath: string;
  addBody(rows: readonly number[]): unknown;
  added(rows: readonly number[], answer: unknown): void;
  searchBody(query: number): unknown;
  found(answer: unknown): readonly number[];
}

const forms: { readonly [Kind in Target['kind']]: (target: Extract<Target, { kind: Kind }>) => Form } = {
  strongroom: () => ({
    addPath: `/v1/vaults/${vaultName}/memories`,
    searchPath: `/v1/vaults/${vaultName}/search`,
    addBody: (rows) => ({
      memories: rows.map((row) => ({
        text: corpus.text(),
        vector: sentVector(vectorAt(set, set.base, row)),
      })),
    }),
    added: (rows, answer) => {
      const { memories } = answer as { memories: { id: string }[] };
      memories.forEach(({ id }, at) => rowsById.set(id, rows[at] ?? -1));
    },
    searchBody: (query) => ({
      mode: 'vector',
      limit: NEIGHBOURS,
      vector: sentVector(vectorAt(set, set.queries, query)),
    }),
    found: (answer) =>
      (answer as { results: { id: string }[] }).results.map(({ id }) => rowsById.get(id) ?? -1),
  }),
  chroma: ({ collection }) => ({
    addPath: `${collection}/add`,
    searchPath: `${collection}/query`,
    addBody: (rows) => ({
      ids: rows.map(String),
      embeddings: rows.map((row) => Array.from(vectorAt(set, set.base, row))),
      documents: rows.map(() => corpus.text()),
    }),
    added: () => undefined,
    searchBody: (query) => ({
      query_embeddings: [Array.from(vectorAt(set, set.queries, query))],
      n_results: NEIGHBOURS,
      include: ['documents', 'distances'],
    }),
    found: (answer) => ((answer as { ids: string[][] }).ids[0] ?? []).map(Number),
  }),
};

const formOf = (target: Target): Form =>
  target.kind === 'strongroom' ? forms.strongroom(target) : forms.chroma(target);

answerParent<AskingQuestions>({
  open: async ({ target, vault }) => {
    vaultName = vault;
    const body = { name: vault, dimensions: set.dimensions };
    await withLanes(target, 1, async ([lane]) => lane?.ask(requestTo(target, '/v1/vaults', body)));
    return null;
  },
  add: ({ target, batchSize, inFlight, most }) =>
    withLanes(target, inFlight, async (lanes) => {
      const form = formOf(target);
      const times: number[] = [];
      let elapsedMs = 0;
      const count = Math.min(set.base.length / set.dimensions, most ?? Number.POSITIVE_INFINITY);
      for (let from = 0; from < count; from += batchSize * BODIES_MAX) {
        const batches = batchesOf(from, Math.min(count, from + batchSize * BODIES_MAX), batchSize);
        const requests = batches.map((rows) => requestTo(target, form.addPath, form.addBody(rows)));
        const started = performance.now();
        await inLanes(lanes, batches.length, async (lane, at) => {
          const sent = performance.now();
          const answer = await lane.ask(requests[at] as Buffer);
          times.push(performance.now() - sent);
          form.added(batches[at] ?? [], parsed(answer));
        });
        elapsedMs += performance.now() - started;
      }
      const last = requestTo(target, form.searchPath, form.searchBody(0));
      const started = performance.now();
      await lanes[0]?.ask(last);
      elapsedMs += performance.now() - started;
      return { added: count, perSecond: (count / elapsedMs) * 1000, batchP50Ms: quantile(times, 0.5) };
    }),
  search: ({ target, inFlight, seconds }) =>
    withLanes(target, inFlight, async (lanes) => {
      const form = formOf(target);
      const queries = set.truth.length / NEIGHBOURS;
      const requests = Array.from({ length: queries }, (_, query) =>
        requestTo(target, form.searchPath, form.searchBody(query)),
      );
      const times: number[] = [];
      const answers: { readonly query: number; readonly body: Buffer }[] = [];
      const started = performance.now();
      const isOver = (): boolean => seconds !== null && performance.now() - started >= seconds * 1000;
      await inLanes(lanes, seconds === null ? queries : Number.POSITIVE_INFINITY, async (lane, at) => {
        if (isOver()) return false;
        const sent = performance.now();
        const query = at % queries;
        const body = await lane.ask(requests[query] as Buffer);
        times.push(performance.now() - sent);
        answers.push({ query, body });
        return true;
      });
      const elapsedMs = performance.now() - started;
      const recalls = answers.map(({ query, body }) => recallOf(set, query, form.found(parsed(body))));
      return {
        recall: recalls.reduce((sum, recall) => sum + recall, 0) / times.length,
        p50Ms: quantile(times, 0.5),
        p95Ms: quantile(times, 0.95),
        perSecond: (times.length / elapsedMs) * 1000,
      };
    }),
});

/** Opens the connections before anything is timed, and closes them afterwards. */
async function withLanes<T>(
  target: Target,
  count: number,
  work: (lanes: readonly Connection[]) => Promise<T>,
): Promise<T> {
  const place = { url: target.url, ca: target.kind === 'strongroom' && target.ca !== '' ? target.ca : null };
  const lanes = await Promise.all(Array.from({ length: count }, () => Connection.open(place)));
  try {
    return await work(lanes);
  } finally {
    for (const lane of lanes) lane.close();
  }
}

/** Does the work for each number below `count`, one at a time on each lane, until one says false. */
async function inLanes(
  lanes: readonly Connection[],
  count: number,
  work: (lane: Connection, at: number) => Promise<boolean | void>,
): Promise<void> {
  let next = 0;
  const run = async (lane: Connection): Promise<void> => {
    for (let at = next++; at < count; at = next++) if ((await work(lane, at)) === false) return;
  };
  await Promise.all(lanes.map(run));
}

function requestTo(target: Target, path: string, body: unknown): Buffer {
  const { host } = new URL(target.url);
  const authorization = target.kind === 'strongroom' ? { authorization: `Bearer ${target.apiKey}` } : {};
  return requestOf(path, Buffer.from(JSON.stringify(body), 'utf8'), { host, ...authorization });
}

const parsed = (body: Buffer): unknown => (body.length === 0 ? null : JSON.parse(body.toString('utf8')));

const batchesOf = (from: number, to: number, size: number): readonly (readonly number[])[] =>
  Array.from({ length: Math.ceil((to - from) / size) }, (_, at) =>
    Array.from({ length: Math.min(size, to - from - at * size) }, (_each, i) => from + at * size + i),
  );
