/** What a sweep shows of the answers: each is one that was declared, shows nothing of the inside and has its headers. */
import { z } from 'zod';
import { ERRORS, isErrorCode } from '../../errors.ts';
import { problem } from '../../http/health-schemas.ts';
import { declaredStatuses } from '../../http/openapi.ts';
import type { Route } from '../../http/route.ts';
import { codeOf, type Reply } from '../ask.ts';
import { placeOf } from './entry-faults.ts';
import type { Answered, Sweep, Variant } from './sweep.ts';

/** Wrong input, which must be refused by its schema or its form. */
export const MALFORMED: ReadonlySet<Variant> = new Set([
  'unknown parameter',
  'not JSON',
  'wrong body',
  'too deep',
]);

const TRACE = /\n\s+at |\\n\s+at |node:internal|\.ts:\d+:\d+|\/node_modules\//;
const strictProblem = problem.strict();

export function answerFaults(answered: Answered, { isSecure }: Pick<Sweep, 'isSecure'>): string[] {
  const { route, variant, method, reply } = answered;
  const faults: string[] = [];
  const declared = variant === 'other method' ? [405] : declaredStatuses(route);
  // What was made up may be a good request by chance, to verify, and the sweep is a verification itself.
  const isBusy = variant === 'fuzzed' && route.name === 'runVerification' && codeOf(reply) === 'busy';
  if (reply.status >= 500 && !isBusy) faults.push(`answered ${reply.status}`);
  if (!declared.includes(reply.status)) faults.push(`${reply.status} is not a declared status`);
  if ((variant === 'granted' || variant === 'HEAD') && reply.status !== answered.status)
    faults.push(`answered ${reply.status} ${codeOf(reply)}`);
  if (MALFORMED.has(variant) && (reply.status < 400 || reply.status >= 500)) faults.push('was not refused');
  if (TRACE.test(reply.text)) faults.push('the answer shows a stack trace');
  if (method === 'HEAD') faults.push(...(reply.text === '' ? [] : ['a HEAD was answered with a body']));
  else if (reply.status >= 400)
    faults.push(...(isProblem(reply) ? [] : ['the refusal is no problem document']));
  else if (!isDeclared(route, reply)) faults.push('the answer holds what is not declared');
  return [...faults, ...headerFaults(reply, isSecure)].map((fault) => `${placeOf(answered)}: ${fault}`);
}

/** As declared, of a status that its code has, and nothing beside it. */
function isProblem({ json, header, status }: Reply): boolean {
  const parsed = strictProblem.safeParse(json);
  if (!parsed.success || header('content-type')?.includes('application/problem+json') !== true) return false;
  const { code } = parsed.data;
  return parsed.data.status === status && isErrorCode(code) && ERRORS[code].status === status;
}

function isDeclared(route: Route, { json, text, header, status }: Reply): boolean {
  // Of a deletion, 202 says that a replica has yet to forget; only where it is the good answer it has a body.
  if (status === 204 || (status === 202 && route.status !== 202)) return text === '';
  if (route.answerType === 'application/json') return isWhole(route.answer, json);
  const lines = text.split('\n').filter((line) => line !== '');
  return (
    header('content-type')?.includes(route.answerType) === true &&
    lines.every((line) => isWhole(route.answer, parsed(line)))
  );
}

/** Parsing drops what is not declared: nothing may be dropped. */
function isWhole(schema: z.ZodType, value: unknown): boolean {
  const found = schema.safeParse(value);
  return found.success && JSON.stringify(sorted(found.data)) === JSON.stringify(sorted(value));
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([left], [right]) => (left < right ? -1 : 1));
  return Object.fromEntries(entries.map(([name, each]) => [name, sorted(each)]));
}

const HEADERS: Readonly<Record<string, RegExp>> = {
  'cache-control': /^no-store$/,
  'content-security-policy': /^default-src 'none'/,
  'referrer-policy': /^no-referrer$/,
  'x-content-type-options': /^nosniff$/,
  'cross-origin-resource-policy': /^same-origin$/,
};

/** Of any answer, to whomever. */
export function headerFaults({ header }: Reply, isSecure: boolean): string[] {
  const missing = Object.entries(HEADERS).flatMap(([name, form]) =>
    form.test(header(name) ?? '') ? [] : [`the header ${name} is missing or weak`],
  );
  const isStrict = !isSecure || /max-age=\d{7,}/.test(header('strict-transport-security') ?? '');
  const told = ['server', 'x-powered-by'].filter((name) => header(name) !== null);
  return [
    ...missing,
    ...(isStrict ? [] : ['the header strict-transport-security is missing or weak']),
    ...told.map((name) => `the header ${name} tells what runs here`),
  ];
}
