/**
 * The pieces that the schemas of several resources share. They refuse, they do not repair: what is taken is stored as
 * it was sent, except that times are written in UTC.
 *
 * Vectors and metadata are checked by loops of our own and described to OpenAPI by hand: a schema node for each of
 * 76,800 numbers would cost more than reading them.
 */
import type { JsonObject, SentVector } from '@strongroom/client';
import { z } from 'zod';
import { firstNotFinite, parseFloats } from '../bytes/floats.ts';
import { isId } from '../ids.ts';
import { LIMITS } from '../limits.ts';
import { StrongroomError } from '../errors.ts';
import { parseFilter } from '../search/parse-filter.ts';
import { parseJson } from './json-body.ts';

/** What the OpenAPI document says of a schema beyond its type; with an `id` it becomes `#/components/schemas/…`. */
export const schemaNotes = z.registry<{ id?: string; [keyword: string]: unknown }>();

/** For routes without parameters, query or body. */
export const nothing = z.strictObject({});
export const noBody = z.strictObject({}).optional();
export const noAnswer = z.void();

const FLOAT32_MAX = 3.4028234663852886e38;
/** A larger double rounds to infinity as a float32 (half a unit in the last place above the largest one). */
const FLOAT32_LIMIT = FLOAT32_MAX + 2 ** 103;

// eslint-disable-next-line no-control-regex -- the point is to refuse them
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/;

/** Text of at most so many bytes of UTF-8; a UTF-16 unit takes at most three, so most texts need no counting. */
export const textUpTo = (bytesMax: number, note = '') =>
  z
    .string()
    .min(1, 'must not be empty')
    .refine((text) => text.length * 3 <= bytesMax || Buffer.byteLength(text, 'utf8') <= bytesMax, {
      error: `is longer than ${bytesMax} bytes`,
    })
    .register(schemaNotes, { description: `${note}At most ${bytesMax} bytes of UTF-8.` });

/** A short label that people and programs read: one line, nothing hidden at its ends. */
export const label = z
  .string()
  .min(1, 'must not be empty')
  .max(LIMITS.nameCharactersMax, `is longer than ${LIMITS.nameCharactersMax} characters`)
  .refine((text) => !CONTROL_CHARACTER.test(text), { error: 'holds a control character' });

/** A name that may stand in a path instead of an id, and so must neither look like one nor be a path of its own. */
export const vaultName = label
  .refine((name) => name.trim() === name, { error: 'begins or ends with white space' })
  .refine((name) => !isId('vault', name), { error: 'looks like an id' })
  .refine((name) => name !== '.' && name !== '..', { error: 'is not a name' });

/** RFC 3339 with an offset; written in UTC with milliseconds. */
export const time = z.iso
  .datetime({ offset: true, error: 'is not a date-time with its offset (RFC 3339)' })
  .overwrite((text) => {
    const ms = Date.parse(text);
    return Number.isNaN(ms) ? text : new Date(ms).toISOString();
  });

export const memoryId = z
  .string()
  .refine((text): boolean => isId('memory', text), { error: 'is not the id of a memory' })
  .register(schemaNotes, { pattern: '^mem_[0-7][0-9a-hjkmnp-tv-z]{25}$' });

const numbers = {
  type: 'array',
  items: { type: 'number' },
  minItems: LIMITS.dimensionsMin,
  maxItems: LIMITS.dimensionsMax,
};

/** As it is answered. */
export const answeredVector = z
  .custom<number[]>()
  .register(schemaNotes, { ...numbers, description: 'Finite float32 numbers.' });

/** As it is sent. */
export const vector = z
  .custom<SentVector>()
  .superRefine(checkVector)
  .register(schemaNotes, {
    oneOf: [numbers, { type: 'string', format: 'byte' }],
    description:
      `Finite float32 numbers, ${LIMITS.dimensionsMin} to ${LIMITS.dimensionsMax}: a list, or base64 of their bytes, ` +
      'little-endian, which is a quarter as long and read many times faster.',
  });

const weight = z.number().min(0).max(LIMITS.weightMax);

/** How the lists of a hybrid search count. */
export const weights = z
  .strictObject({ text: weight, vector: weight })
  .refine(({ text, vector }) => text + vector > 0, { error: 'are both 0, so nothing would count' })
  .register(schemaNotes, { description: 'The n-th of a list counts weight / (60 + n); not both 0.' });

export const metadata = z
  .custom<JsonObject>()
  .superRefine(checkMetadata)
  .register(schemaNotes, {
    type: 'object',
    description: `Any JSON object of at most ${LIMITS.metadataBytesMax} bytes.`,
  });

export const filter = z.custom<JsonObject>().superRefine(checkFilter).register(schemaNotes, {
  type: 'object',
  description: 'AND, OR, NOT; eq ne gt gte lt lte in nin contains icontains.',
});

export const cursor = z.string().min(1).max(LIMITS.cursorCharactersMax);

/** In a body. */
export const limit = z.int().min(1).max(LIMITS.listMax);

/** In a query, where everything is text. */
export const queryInteger = (min: number, max: number) =>
  z
    .custom<number>()
    .transform((text: unknown, context): number => {
      const value =
        typeof text === 'string' && /^(?:0|[1-9]\d{0,15})$/.test(text) ? Number(text) : Number.NaN;
      if (value >= min && value <= max) return value;
      context.addIssue({ code: 'custom', message: `must be a whole number from ${min} to ${max}` });
      return z.NEVER;
    })
    .register(schemaNotes, { type: 'integer', minimum: min, maximum: max });

export const queryLimit = queryInteger(1, LIMITS.listMax);

/** JSON in a query parameter: the same parser, the same limits. */
export const queryFilter = z
  .custom<JsonObject>()
  .transform((text: unknown, context): JsonObject => {
    try {
      const value = parseJson(Buffer.from(typeof text === 'string' ? text : '', 'utf8'));
      parseFilter(value, '');
      return value as JsonObject;
    } catch (error) {
      addFaults(error, context);
      return z.NEVER;
    }
  })
  .register(schemaNotes, {
    type: 'string',
    contentMediaType: 'application/json',
    description: 'A filter as JSON text.',
  });

export const include = z.enum(['vector']);

function checkVector(value: unknown, context: z.core.$RefinementCtx): void {
  const fault = vectorFault(value);
  if (fault !== null) context.addIssue({ code: 'custom', ...fault });
}

/** The first thing that is wrong; the rest is not worth reading. */
function vectorFault(value: unknown): { message: string; path?: number[] } | null {
  if (typeof value === 'string') return base64Fault(value);
  if (!Array.isArray(value)) return { message: 'must be a list of numbers, or base64 of them' };
  if (!isDimensions(value.length)) return DIMENSIONS_FAULT;
  for (let index = 0; index < value.length; index++) {
    const number: unknown = value[index];
    // Also false for what is not a number.
    if (typeof number !== 'number' || !(Math.abs(number) < FLOAT32_LIMIT))
      return { path: [index], message: 'must be a number that is finite as float32' };
  }
  return null;
}

function base64Fault(text: string): { message: string } | null {
  // Before anything is made of it.
  if (text.length > BASE64_CHARACTERS_MAX) return DIMENSIONS_FAULT;
  let floats: Float32Array;
  try {
    floats = parseFloats(text);
  } catch {
    return { message: 'is not base64 of float32 numbers' };
  }
  if (!isDimensions(floats.length)) return DIMENSIONS_FAULT;
  const at = firstNotFinite(floats);
  return at < 0 ? null : { message: `number ${at} is not finite` };
}

const isDimensions = (count: number): boolean =>
  count >= LIMITS.dimensionsMin && count <= LIMITS.dimensionsMax;
const DIMENSIONS_FAULT = {
  message: `must hold ${LIMITS.dimensionsMin} to ${LIMITS.dimensionsMax} numbers`,
};
const BASE64_CHARACTERS_MAX = 4 * Math.ceil((LIMITS.dimensionsMax * 4) / 3);

function checkMetadata(value: unknown, context: z.core.$RefinementCtx): void {
  if (!isObject(value)) {
    context.addIssue({ code: 'custom', message: 'must be a JSON object' });
    return;
  }
  const bytes = Buffer.byteLength(JSON.stringify(value), 'utf8');
  if (bytes > LIMITS.metadataBytesMax)
    context.addIssue({ code: 'custom', message: `is longer than ${LIMITS.metadataBytesMax} bytes as JSON` });
}

function checkFilter(value: unknown, context: z.core.$RefinementCtx): void {
  try {
    parseFilter(value, '');
  } catch (error) {
    addFaults(error, context);
  }
}

function addFaults(error: unknown, context: z.core.$RefinementCtx): void {
  if (!(error instanceof StrongroomError)) throw error;
  const faults = error.faults.length > 0 ? error.faults : [{ path: '', message: error.message }];
  for (const { path, message } of faults) context.addIssue({ code: 'custom', message, path: pathOf(path) });
}

/** A JSON Pointer as the names it holds (RFC 6901, 4). */
const pathOf = (pointer: string): string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
