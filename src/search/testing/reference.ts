/**
 * The answers of an index, worked out the slow and obvious way from the records themselves.
 *
 * It shares the analyzer and the reading of dates with the index, and nothing of postings, threads, heaps or kernels.
 */
import { Analyzer } from '../analyzer.ts';
import { DAY_MS, parseDates, type DateHint } from '../dates.ts';
import { matchesFilter } from '../filter.ts';
import { RANKING } from '../text-index.ts';
import { CONTEXT_PAUSE_MS, momentOf } from '../threads.ts';
import type { Hit, IndexedRecord, Metric, SearchRequest } from '../types.ts';

const analyzer = new Analyzer();

export function referenceSearch(
  records: readonly IndexedRecord[],
  metric: Metric,
  request: SearchRequest,
): readonly Hit[] {
  const { query = '', vector, mode, filter, limit, now } = request;
  const visible = (record: IndexedRecord): boolean =>
    (record.expiresAt === null || record.expiresAt > now) &&
    (filter === undefined || matchesFilter(filter, record));
  const rank = (score: (record: IndexedRecord) => number | null): readonly Hit[] =>
    records
      .filter(visible)
      .map((record) => ({ id: record.id, score: score(record) }))
      .filter((hit): hit is Hit => hit.score !== null)
      .sort((a, b) => b.score - a.score || (a.id < b.id ? 1 : -1));
  const byText = () => rank(textScorer(records, query, now));
  const byVector = () => rank(({ vector: own }) => (own && vector ? similarity(metric, vector, own) : null));
  if (mode === 'text') return byText().slice(0, limit);
  if (mode === 'vector') return byVector().slice(0, limit);
  const depth = Math.max(limit, 100);
  const fused = new Map<string, number>();
  for (const list of [byText(), byVector()])
    list.slice(0, depth).forEach(({ id }, at) => fused.set(id, (fused.get(id) ?? 0) + 1 / (61 + at)));
  return rank(({ id }) => fused.get(id) ?? null).slice(0, limit);
}

function textScorer(
  records: readonly IndexedRecord[],
  query: string,
  now: number,
): (r: IndexedRecord) => number | null {
  const terms = new Map(records.map((record) => [record.id, analyzer.terms(record.text)]));
  const withText = [...terms.values()].filter((list) => list.length > 0);
  const average = withText.reduce((sum, list) => sum + list.length, 0) / withText.length;
  const all = analyzer.queryTerms(query);
  const telling = all.some(({ common }) => !common) ? all.filter(({ common }) => !common) : all;
  const hints = parseDates(query, now);

  const ownPart = (record: IndexedRecord, term: string): number => {
    const list = terms.get(record.id) ?? [];
    const frequency = list.filter((other) => other === term).length;
    const { k1, b } = RANKING;
    return (frequency * (k1 + 1)) / (frequency + k1 * (1 - b + (b * list.length) / average));
  };
  return (record) => {
    let score = 0;
    for (const { term } of telling) {
      const holding = withText.filter((list) => list.includes(term)).length;
      if (holding === 0) continue;
      const idf = Math.log(1 + (withText.length - holding + 0.5) / (holding + 0.5));
      const parts = contextOf(records, record).map(
        ([neighbour, weight]) => weight * ownPart(neighbour, term),
      );
      score += idf * Math.max(...parts);
    }
    const name = record.speaker === null ? [] : analyzer.terms(record.speaker);
    if (telling.some(({ term }) => name.includes(term))) score += RANKING.speaker;
    for (const hint of hints)
      if (record.at !== null && meets(hint, record.at)) score += RANKING.date * hint.weight;
    return score > 0 ? score : null;
  };
}

/** The record with weight 1, and its neighbours up to three steps away, as long as no pause comes between. */
function contextOf(
  records: readonly IndexedRecord[],
  record: IndexedRecord,
): readonly [IndexedRecord, number][] {
  if (record.conversation === null) return [[record, 1]];
  const thread = records
    .filter((other) => other.conversation === record.conversation)
    .sort((a, b) => momentOf(a) - momentOf(b) || (a.id < b.id ? -1 : 1));
  const at = thread.indexOf(record);
  const context: [IndexedRecord, number][] = [[record, 1]];
  for (const direction of [-1, 1])
    for (let step = 1; step <= RANKING.contextSteps; step++) {
      const [near, far] = [thread[at + direction * (step - 1)], thread[at + direction * step]];
      if (near === undefined || far === undefined) break;
      if (Math.abs(momentOf(far) - momentOf(near)) > CONTEXT_PAUSE_MS) break;
      context.push([far, RANKING.contextDecay ** step]);
    }
  return context;
}

function meets(hint: DateHint, at: number): boolean {
  if (hint.kind === 'days') return at >= hint.from * DAY_MS && at < hint.to * DAY_MS;
  const date = new Date(at);
  const [from, to] = hint.days;
  return date.getUTCMonth() === hint.month && date.getUTCDate() >= from && date.getUTCDate() < to;
}

function similarity(metric: Metric, q: Float32Array, x: Float32Array): number {
  const dot = (a: Float32Array, b: Float32Array): number =>
    a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
  if (metric === 'dot') return dot(q, x);
  if (metric === 'cosine') return dot(q, x) / Math.sqrt(dot(q, q) * dot(x, x));
  return 1 / (1 + Math.sqrt(q.reduce((sum, value, i) => sum + (value - (x[i] ?? 0)) ** 2, 0)));
}
