/** Medians and quantiles of what was measured several times, and their form in a table. */

export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor((sorted.length - 1) * part)] ?? 0;
}

export const median = (values: readonly number[]): number => {
  const middle = values.length / 2;
  const sorted = [...values].sort((left, right) => left - right);
  const [below = 0, above = 0] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]];
  return (below + above) / 2;
};

/** Three figures that count. */
export const rounded = (value: number): number => Number(value.toPrecision(3));
