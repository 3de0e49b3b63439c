/** Values of flags, parsed where they are given: what does not fit is a usage error that names the flag. */
import type { JsonObject, JsonValue, SearchWeights } from '@strongroom/client';
import { InvalidArgumentError } from 'commander';

export const wholeNumber =
  (min: number, max: number) =>
  (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max))
      throw new InvalidArgumentError(`A whole number from ${min} to ${max}.`);
    return value;
  };

export function jsonObject(text: string): JsonObject {
  let value: JsonValue;
  try {
    value = JSON.parse(text) as JsonValue;
  } catch {
    throw new InvalidArgumentError('Not well-formed JSON; {"name": "value"} is.');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new InvalidArgumentError('A JSON object is needed: {"name": "value"}.');
  return value;
}

/** A time: 2026-05-07T10:00:00Z, or 2026-05-07, or anything with an offset. Without one it is UTC. */
export function time(text: string): string {
  const zoned = /^\d{4}-\d{2}-\d{2}$/.test(text) || /(?:Z|[+-]\d{2}:?\d{2})$/i.test(text) ? text : `${text}Z`;
  const ms = /^\d{4}-\d{2}-\d{2}/.test(text) ? Date.parse(zoned) : Number.NaN;
  if (Number.isNaN(ms)) throw new InvalidArgumentError('A time like 2026-05-07T10:00:00Z or 2026-05-07.');
  return new Date(ms).toISOString();
}

/** `1:2`: the list by text counts once, the list by vector twice. */
export function weights(text: string): SearchWeights {
  const [, byText = '', byVector = ''] = /^(\d+(?:\.\d+)?):(\d+(?:\.\d+)?)$/.exec(text) ?? [];
  if (byText === '') throw new InvalidArgumentError('Two numbers like 1:2, for text and for vector.');
  return { text: Number(byText), vector: Number(byVector) };
}

/** For flags that may be given several times. */
export const collect = (text: string, before: readonly string[] = []): readonly string[] => [...before, text];

/** The members that were given, as a request's optional members: an absent one is not sent. */
export function given<Members extends object>(members: Members): Partial<Members> {
  return Object.fromEntries(
    Object.entries(members).filter(([, value]) => value !== undefined),
  ) as Partial<Members>;
}
