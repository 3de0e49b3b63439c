/**
 * Figures about requests in the Prometheus text format (version 0.0.4): counts and times by route pattern, never by
 * what was asked for or by whom.
 */
import type { Gauge } from './parts.ts';

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** Upper bounds in seconds. */
const BUCKETS = [0.005, 0.025, 0.1, 0.5, 2.5] as const;

interface Series {
  readonly labels: string;
  readonly buckets: number[];
  count: number;
  sumS: number;
}

export class RequestMetrics {
  readonly #series = new Map<string, Series>();

  /** `route` is a pattern of ours, never a URL: the number of series is bounded. */
  observe(method: string, route: string, status: number, ms: number): void {
    const labels = `method="${method}",route="${route}",status="${status}"`;
    let series = this.#series.get(labels);
    if (series === undefined) {
      series = { labels, buckets: BUCKETS.map(() => 0), count: 0, sumS: 0 };
      this.#series.set(labels, series);
    }
    const seconds = ms / 1000;
    series.count++;
    series.sumS += seconds;
    BUCKETS.forEach((bound, index) => {
      if (seconds <= bound) series.buckets[index] = (series.buckets[index] ?? 0) + 1;
    });
  }

  text(gauges: readonly Gauge[]): string {
    const name = 'strongroom_request_duration_seconds';
    const lines = [
      `# HELP ${name} Time from the first byte of a request to the last of its answer.`,
      `# TYPE ${name} histogram`,
    ];
    for (const { labels, buckets, count, sumS } of this.#series.values()) {
      BUCKETS.forEach((bound, index) =>
        lines.push(`${name}_bucket{${labels},le="${bound}"} ${buckets[index]}`),
      );
      lines.push(`${name}_bucket{${labels},le="+Inf"} ${count}`);
      lines.push(`${name}_sum{${labels}} ${sumS.toFixed(3)}`, `${name}_count{${labels}} ${count}`);
    }
    for (const [name, own] of Map.groupBy(gauges, (gauge) => gauge.name)) {
      lines.push(`# HELP ${name} ${own[0]?.help}`, `# TYPE ${name} gauge`);
      for (const { labels = {}, value } of own) lines.push(`${name}${labelsText(labels)} ${value}`);
    }
    return `${lines.join('\n')}\n`;
  }
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
