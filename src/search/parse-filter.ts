/**
 * Reads a filter from JSON, or says everything that is wrong with it and where (JSON Pointer, RFC 6901).
 *
 * The limits on depth, clauses and values hold before anything is compared, so that a filter costs at most a known
 * amount for each record it is tried on.
 */
import { StrongroomError, type Fault } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { foldCase, type Filter, type FilterField, type Scalar } from './filter.ts';

const TIME_FIELDS = ['at', 'createdAt', 'updatedAt', 'expiresAt'] as const;
const TEXT_FIELDS = ['id', 'text', 'subject', 'conversation', 'speaker', 'kind'] as const;
const OPERATORS = ['eq', 'ne', 'gt', 'gte', 'lt', 'lte', 'in', 'nin', 'contains', 'icontains'] as const;
type Operator = (typeof OPERATORS)[number];

// RFC 3339 date, or date-time with its offset; anything vaguer would depend on where the server stands.
const TIME = /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

const isMember = <T extends string>(list: readonly T[], name: string): name is T =>
  (list as readonly string[]).includes(name);

/**
 * @param path JSON Pointer of the filter within the request, put before each fault's own.
 * @throws StrongroomError `request.invalid` with a fault for each thing that is wrong.
 */
export function parseFilter(json: unknown, path = '/filter'): Filter {
  const parser = new FilterParser();
  const filter = parser.object(json, path, 1);
  if (parser.faults.length > 0 || filter === null)
    throw new StrongroomError('request.invalid', {
      detail: 'the filter is not valid',
      faults: parser.faults,
    });
  return filter;
}

/** Returns null wherever it noted a fault, and goes on to find the others. */
class FilterParser {
  readonly faults: Fault[] = [];
  #clauses = 0;
  #values = 0;
  #parts = 0;

  object(json: unknown, path: string, depth: number): Filter | null {
    if (depth > LIMITS.jsonDepthMax) return this.#fault(path, `nested more than ${LIMITS.jsonDepthMax} deep`);
    if (!isObject(json)) return this.#fault(path, 'must be an object');
    const names = Object.keys(json);
    if (names.length === 0) return this.#fault(path, 'must not be empty');
    const parts = names.map((name) =>
      this.#member(name, json[name], `${path}/${escapePointer(name)}`, depth),
    );
    return both(parts);
  }

  #member(name: string, json: unknown, path: string, depth: number): Filter | null {
    if (++this.#clauses > LIMITS.filterClausesMax) {
      // One fault says it; the rest of the filter is not worth walking.
      if (this.#clauses === LIMITS.filterClausesMax + 1)
        this.#fault(path, `more than ${LIMITS.filterClausesMax} clauses in the filter`);
      return null;
    }
    if (name === 'AND') return this.#list('and', json, path, depth);
    if (name === 'OR') return this.#list('or', json, path, depth);
    if (name === 'NOT') {
      const filter = isObject(json)
        ? this.object(json, path, depth + 1)
        : this.#list('or', json, path, depth);
      return filter && { op: 'not', filter };
    }
    const of = parseField(name);
    if (of === null)
      return this.#fault(path, 'is not a field of a memory; metadata is written metadata.name');
    return this.#field(of, json, path);
  }

  #list(op: 'and' | 'or', json: unknown, path: string, depth: number): Filter | null {
    if (!Array.isArray(json)) return this.#fault(path, 'must be a list of filters');
    if (json.length === 0) return this.#fault(path, 'must not be empty');
    if (json.length > LIMITS.filterClausesMax)
      return this.#fault(path, `more than ${LIMITS.filterClausesMax} clauses in the filter`);
    const filters = json.map((part, at) => this.object(part, `${path}/${at}`, depth + 1));
    return filters.every((filter) => filter !== null) ? { op, filters } : null;
  }

  #field(of: FilterField, json: unknown, path: string): Filter | null {
    if (json === '*') return { op: 'present', of };
    if (!isObject(json)) return this.#operator(of, Array.isArray(json) ? 'in' : 'eq', json, path);
    const names = Object.keys(json);
    if (names.length === 0) return this.#fault(path, 'must name an operator');
    if (names.length > OPERATORS.length)
      return this.#fault(path, 'has more members than there are operators');
    const parts = names.map((name) => {
      const where = `${path}/${escapePointer(name)}`;
      if (!isMember(OPERATORS, name)) return this.#fault(where, `is not one of ${OPERATORS.join(', ')}`);
      return this.#operator(of, name, json[name], where);
    });
    return both(parts);
  }

  #operator(of: FilterField, op: Operator, json: unknown, path: string): Filter | null {
    switch (op) {
      case 'eq':
      case 'ne': {
        const value = this.#scalar(of, json, path);
        return value === undefined ? null : inOrNot(op === 'ne', of, [value]);
      }
      case 'in':
      case 'nin':
        return this.#in(of, op === 'nin', json, path);
      case 'gt':
      case 'gte':
      case 'lt':
      case 'lte': {
        const value = this.#scalar(of, json, path);
        if (value === undefined) return null;
        if (typeof value !== 'string' && typeof value !== 'number')
          return this.#fault(path, 'must be a number or a string');
        return { op, of, value };
      }
      case 'contains':
      case 'icontains':
        return this.#contains(of, op, json, path);
    }
  }

  #in(of: FilterField, negated: boolean, json: unknown, path: string): Filter | null {
    if (!Array.isArray(json)) return this.#fault(path, 'must be a list of values');
    if (json.length > LIMITS.filterValuesMax)
      return this.#fault(path, `more than ${LIMITS.filterValuesMax} values in the filter`);
    const values = json.map((value, at) => this.#scalar(of, value, `${path}/${at}`));
    return values.every((value) => value !== undefined) ? inOrNot(negated, of, values) : null;
  }

  #contains(of: FilterField, op: 'contains' | 'icontains', json: unknown, path: string): Filter | null {
    if ('field' in of && isMember(TIME_FIELDS, of.field))
      return this.#fault(path, 'does not apply to a time; use gt, gte, lt or lte');
    const value = this.#scalar(of, json, path);
    if (value === undefined) return null;
    if (typeof value === 'string' && value.length > LIMITS.filterPartCharactersMax)
      return this.#fault(path, `is longer than ${LIMITS.filterPartCharactersMax} characters`);
    if (++this.#parts > LIMITS.filterPartsMax)
      return this.#fault(path, `more than ${LIMITS.filterPartsMax} of contains and icontains in the filter`);
    if (op === 'contains') {
      if ('field' in of && typeof value !== 'string') return this.#fault(path, 'must be a string');
      return { op, of, value };
    }
    return typeof value === 'string'
      ? { op, of, value: foldCase(value) }
      : this.#fault(path, 'must be a string');
  }

  /** A value to compare with, a time as milliseconds; undefined where a fault was noted. */
  #scalar(of: FilterField, json: unknown, path: string): Scalar | undefined {
    if (++this.#values > LIMITS.filterValuesMax) {
      if (this.#values === LIMITS.filterValuesMax + 1)
        this.#fault(path, `more than ${LIMITS.filterValuesMax} values in the filter`);
      return undefined;
    }
    if (json === null) return null;
    if ('field' in of)
      return isMember(TIME_FIELDS, of.field) ? this.#time(json, path) : this.#text(json, path);
    if (typeof json === 'boolean' || (typeof json === 'number' && Number.isFinite(json))) return json;
    if (typeof json === 'string') return this.#text(json, path);
    this.#fault(path, 'must be a string, a finite number, a boolean or null');
    return undefined;
  }

  #text(json: unknown, path: string): string | undefined {
    if (typeof json !== 'string') this.#fault(path, 'must be a string');
    else if (!json.isWellFormed()) this.#fault(path, 'holds a lone surrogate');
    else if (json.length > LIMITS.textBytesMax) this.#fault(path, 'is longer than any text can be');
    else return json;
    return undefined;
  }

  #time(json: unknown, path: string): number | undefined {
    const ms = typeof json === 'string' ? parseTime(json) : null;
    if (ms !== null) return ms;
    this.#fault(path, 'must be a date or a date-time with its offset (RFC 3339)');
    return undefined;
  }

  #fault(path: string, message: string): null {
    this.faults.push({ path, message });
    return null;
  }
}

function parseTime(text: string): number | null {
  const day = TIME.exec(text)?.[1];
  if (day === undefined) return null;
  // Date.parse takes 30 February for 1 March.
  const midnight = Date.parse(day);
  if (Number.isNaN(midnight) || new Date(midnight).toISOString().slice(0, 10) !== day) return null;
  const ms = Date.parse(text);
  return Number.isNaN(ms) ? null : ms;
}

function parseField(name: string): FilterField | null {
  if (isMember(TIME_FIELDS, name) || isMember(TEXT_FIELDS, name)) return { field: name };
  if (!name.startsWith('metadata.')) return null;
  const metadata = name.slice('metadata.'.length).split('.');
  return metadata.every((part) => part !== '') ? { metadata } : null;
}

function both(parts: readonly (Filter | null)[]): Filter | null {
  if (!parts.every((part) => part !== null)) return null;
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { op: 'and', filters: parts };
}

function inOrNot(negated: boolean, of: FilterField, values: readonly Scalar[]): Filter {
  const filter: Filter = { op: 'in', of, values: new Set(values) };
  return negated ? { op: 'not', filter } : filter;
}

const isObject = (json: unknown): json is Record<string, unknown> =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

const escapePointer = (name: string): string => name.replaceAll('~', '~0').replaceAll('/', '~1');
