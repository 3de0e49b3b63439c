/**
 * The answers of an index, worked out the slow and obvious way from the records themselves.
 *
 * It shares the analyzer and the reading of dates with the index, and nothing of postings, threads, heaps or kernels.
 */
import { DAY_MS } from '../../durations.ts';
import { Analyzer, capitalWords, nameWords, surfaceWords } from '../analyzer.ts';
import { parseDates, type DateHint } from '../dates.ts';
import { matchesFilter } from '../filter.ts';
import type { LanguageCode } from '../languages.ts';
import { RANKING } from '../ranking.ts';
import { parseTextQuery } from '../text-query.ts';
import { CONTEXT_PAUSE_MS, momentOf } from '../threads.ts';
import type { Trait } from '../traits.ts';
import type { Hit, IndexedRecord, Metric, SearchRequest } from '../types.ts';

const analyzer = new Analyzer();

export function referenceSearch(
  records: readonly IndexedRecord[],
  metric: Metric,
  request: SearchRequest,
): readonly Hit[] {
  const { query = '', vector, mode, filter, limit, now, weights = { text: 1, vector: 1 } } = request;
  const { phrases, isExact } = parseTextQuery(query);
  const visible = (record: IndexedRecord): boolean =>
    (record.expiresAt === null || record.expiresAt > now) &&
    (filter === undefined || matchesFilter(filter, record)) &&
    (mode === 'vector' || !isExact || phrases.every((phrase) => phrase.isIn(record.text)));
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
  for (const [list, weight] of [[byText(), weights.text] as const, [byVector(), weights.vector] as const])
    if (weight > 0)
      list.slice(0, depth).forEach(({ id }, at) => fused.set(id, (fused.get(id) ?? 0) + weight / (61 + at)));
  return rank(({ id }) => fused.get(id) ?? null).slice(0, limit);
}

function textScorer(
  records: readonly IndexedRecord[],
  query: string,
  now: number,
): (r: IndexedRecord) => number | null {
  const analyzed = new Map(records.map((record) => [record.id, analyzer.analyze(record.text, 'auto')]));
  const withText = [...analyzed.values()].filter(({ terms }) => terms.length > 0);
  const average = withText.reduce((sum, { terms }) => sum + terms.length, 0) / withText.length;
  const present = new Set<LanguageCode>(['en', ...withText.map(({ language }) => language)]);
  const { words, prefixes, phrases, isExact } = parseTextQuery(query);
  const { language, terms: all, asksFor } = analyzer.analyzeQuery(words, 'auto', [...present]);
  const isTelling = prefixes.length > 0 || all.some(({ isCommon }) => !isCommon);
  const telling = isTelling ? all.filter(({ isCommon }) => !isCommon) : all;
  const named = [...telling.flatMap((term) => term.words), ...capitalWords(words)];
  const hints = parseDates(words, now, language);
  const frequencies: readonly ((record: IndexedRecord) => number)[] = [
    ...telling.map(
      ({ stems }) =>
        ({ id }: IndexedRecord) =>
          analyzed.get(id)?.terms.filter((term) => stems.includes(term)).length ?? 0,
    ),
    ...prefixes.map(
      (prefix) =>
        ({ text }: IndexedRecord) =>
          surfaceWords(text).filter((word) => word.startsWith(prefix)).length,
    ),
  ];

  const has = (record: IndexedRecord, trait: Trait): boolean =>
    analyzed.get(record.id)?.traits.includes(trait) ?? false;
  const ownPart = (record: IndexedRecord, frequency: number): number => {
    const length = analyzed.get(record.id)?.terms.length ?? 0;
    const { k1, b } = RANKING;
    return (frequency * (k1 + 1)) / (frequency + k1 * (1 - b + (b * length) / average));
  };
  return (record) => {
    let score = 0;
    for (const frequencyIn of frequencies) {
      const holding = records.filter((other) => frequencyIn(other) > 0).length;
      if (holding === 0) continue;
      const idf = Math.log(1 + (withText.length - holding + 0.5) / (holding + 0.5));
      const parts = contextOf(records, record, (other) => has(other, 'question'))
        .filter(([{ expiresAt }]) => expiresAt === null || expiresAt > now)
        .map(([neighbour, weight]) => weight * ownPart(neighbour, frequencyIn(neighbour)));
      score += idf * Math.max(0, ...parts);
    }
    const name = record.speaker === null ? [] : nameWords(record.speaker);
    if (named.some((word) => name.includes(word))) score += RANKING.speaker;
    for (const hint of hints)
      if (record.at !== null && meets(hint, record.at)) score += RANKING.date * hint.weight;
    if (score <= 0) return null;
    for (const trait of asksFor) if (has(record, trait)) score += RANKING.trait;
    const held = isExact ? [] : phrases.filter((phrase) => phrase.isIn(record.text));
    return score + RANKING.phrase * held.length;
  };
}

/**
 * The record with weight 1, and its neighbours up to three steps away, as long as no pause comes between. What was asked right
 * before has a weight of its own.
 */
function contextOf(
  records: readonly IndexedRecord[],
  record: IndexedRecord,
  isQuestion: (record: IndexedRecord) => boolean,
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
      const isAnswer = direction === -1 && step === 1 && isQuestion(far);
      context.push([far, isAnswer ? RANKING.answer : RANKING.contextDecay ** step]);
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
