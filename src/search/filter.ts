/**
 * Filters over memories: the vocabulary of mem0 (AND OR NOT; eq ne gt gte lt lte in nin contains icontains).
 *
 *     {"subject": "user-42", "AND": [{"metadata.stars": {"gte": 4}}, {"NOT": [{"kind": "summary"}]}]}
 *
 * - Members of one object all hold; so do the operators of one field. `{field: value}` means eq, `{field: "*"}` that
 *   the field is there. `NOT` holds when none of its filters does.
 * - Bare names are fields of the memory, `metadata.x.y` is metadata. A field that is absent equals null.
 * - A list in metadata equals a value when one of its members does; `ne` and `nin` are the negations of `eq` and `in`.
 * - Order compares numbers with numbers and strings with strings (by code unit); anything else does not hold.
 *   Times are given as ISO 8601 dates or date-times.
 * - `contains` looks for a part of a string or a member of a list, `icontains` for the same whatever the case.
 *
 * A parsed filter is plain data: it can be sent to a worker, and matching it reads nothing but the record.
 */
import type { FilterableRecord, JsonObject } from './types.ts';

export type Scalar = string | number | boolean | null;
export type FilterOrder = 'gt' | 'gte' | 'lt' | 'lte';
export type MemoryField = keyof Omit<FilterableRecord, 'metadata'>;

/** Where the value comes from: a field of the memory, or a path into its metadata. */
export type FilterField = { readonly field: MemoryField } | { readonly metadata: readonly string[] };

export type Filter =
  | { readonly op: 'and' | 'or'; readonly filters: readonly Filter[] }
  | { readonly op: 'not'; readonly filter: Filter }
  | { readonly op: 'in'; readonly of: FilterField; readonly values: ReadonlySet<Scalar> }
  | { readonly op: 'present'; readonly of: FilterField }
  | { readonly op: FilterOrder; readonly of: FilterField; readonly value: string | number }
  | { readonly op: 'contains'; readonly of: FilterField; readonly value: Scalar }
  | { readonly op: 'icontains'; readonly of: FilterField; readonly value: string };

/** Whether the record passes. */
export function matchesFilter(filter: Filter, record: FilterableRecord): boolean {
  switch (filter.op) {
    case 'and':
      return filter.filters.every((part) => matchesFilter(part, record));
    case 'or':
      return filter.filters.some((part) => matchesFilter(part, record));
    case 'not':
      return !matchesFilter(filter.filter, record);
    case 'present':
      return (valueOf(filter.of, record) ?? null) !== null;
    case 'in':
      return isIn(filter.values, valueOf(filter.of, record));
    case 'contains':
      return contains(valueOf(filter.of, record), filter.value);
    case 'icontains':
      return containsFolded(valueOf(filter.of, record), filter.value);
    case 'gt':
    case 'gte':
    case 'lt':
    case 'lte':
      return isOrdered(filter.op, valueOf(filter.of, record), filter.value);
  }
}

/** Whether it can be asked of records of which nothing but these fields is known. */
export function asksOnly(filter: Filter, fields: ReadonlySet<MemoryField>): boolean {
  if ('filters' in filter) return filter.filters.every((part) => asksOnly(part, fields));
  if ('filter' in filter) return asksOnly(filter.filter, fields);
  return 'field' in filter.of && fields.has(filter.of.field);
}

/** Lower case, the way `icontains` compares. */
export const foldCase = (text: string): string => text.toLowerCase();

function valueOf(of: FilterField, record: FilterableRecord): unknown {
  if ('field' in of) return record[of.field];
  let value: unknown = record.metadata;
  for (const name of of.metadata) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
    value = Object.hasOwn(value, name) ? (value as JsonObject)[name] : null;
  }
  return value;
}

const isIn = (values: ReadonlySet<Scalar>, value: unknown): boolean =>
  Array.isArray(value)
    ? value.some((member) => values.has(member as Scalar))
    : values.has((value ?? null) as Scalar);

function contains(value: unknown, part: Scalar): boolean {
  if (typeof value === 'string') return typeof part === 'string' && value.includes(part);
  return Array.isArray(value) && value.includes(part);
}

function containsFolded(value: unknown, part: string): boolean {
  if (typeof value === 'string') return foldCase(value).includes(part);
  return (
    Array.isArray(value) && value.some((member) => typeof member === 'string' && foldCase(member) === part)
  );
}

function isOrdered(order: FilterOrder, value: unknown, bound: string | number): boolean {
  if (typeof value === 'number' && typeof bound === 'number') return holds(order, value - bound);
  if (typeof value !== 'string' || typeof bound !== 'string') return false;
  return holds(order, value < bound ? -1 : value > bound ? 1 : 0);
}

function holds(order: FilterOrder, difference: number): boolean {
  switch (order) {
    case 'gt':
      return difference > 0;
    case 'gte':
      return difference >= 0;
    case 'lt':
      return difference < 0;
    case 'lte':
      return difference <= 0;
  }
}
