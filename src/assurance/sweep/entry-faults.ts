/** What a sweep shows of the ledger: one whole entry for each request of a known key, and strangers counted right. */
import type { LedgerEntry } from '@strongroom/client';
import { codeOf } from '../ask.ts';
import { INJECTED_ADDRESS } from '../inject-fetch.ts';
import type { Answered, Sweep } from './sweep.ts';

/** `getMemory, fuzzed (path: a NUL)`. */
export const placeOf = ({ route, variant, what }: Answered): string =>
  `${route.name}, ${variant}${what === '' ? '' : ` (${what})`}`;

export function entryFaults(
  answered: Answered,
  { entries, startedMs, endedMs, purpose }: Pick<Sweep, 'entries' | 'startedMs' | 'endedMs' | 'purpose'>,
): string[] {
  const { route, principal, reply } = answered;
  const where = placeOf(answered);
  const found = entries.get(reply.header('x-request-id') ?? '') ?? [];
  const [entry] = found;
  if (entry === undefined || found.length !== 1) return [`${where}: ${found.length} entries`];
  const isDone = reply.status < 300;
  const expected = {
    principal,
    action: route.action,
    outcome: isDone ? 'done' : reply.status < 500 ? 'refused' : 'failed',
    // A refused HEAD has no document that would name its code.
    ...(answered.method === 'HEAD' ? {} : { code: isDone ? undefined : codeOf(reply) }),
    purpose,
    address: INJECTED_ADDRESS,
  };
  const wrong = Object.entries(expected).flatMap(([name, value]) =>
    entry[name as keyof LedgerEntry] === value ? [] : [`${where}: ${name} is not what happened`],
  );
  const at = Date.parse(entry.at);
  const isTimed = at >= startedMs && at <= endedMs;
  const isPlaced = !isDone || /^[a-z]{3}_[0-9a-z]{26}$/.test(entry.target);
  return [
    ...wrong,
    ...(isTimed ? [] : [`${where}: the time is not that of the request`]),
    ...(isPlaced ? [] : [`${where}: the entry does not say on what`]),
  ];
}

/** Nothing is written down twice, whoever asked for it: the sweep's own preparations are requests as well. */
export const doubleFaults = ({ entries }: Pick<Sweep, 'entries'>): string[] =>
  [...entries].flatMap(([request, own]) =>
    request !== '' && own.length > 1 ? [`one request has ${own.length} entries (${own[0]?.action})`] : [],
  );

/** Each refusal of a stranger stands in one count, under its method and route. */
export function strangerFaults({
  answers,
  nowhere,
  strangers,
}: Pick<Sweep, 'answers' | 'nowhere' | 'strangers'>): string[] {
  const expected = new Map<string, number>();
  const expect = (name: string): void => void expected.set(name, (expected.get(name) ?? 0) + 1);
  for (const { route, method, principal, reply } of answers)
    // Anything else means that the stranger was let in, which is told elsewhere.
    if (principal === null && (reply.status === 401 || reply.status === 405))
      expect(`${method} ${route.url.replaceAll(/:(\w+)/g, '{$1}')}`);
  for (const _ of nowhere) expect('GET unmatched');
  const faults = [...new Set([...expected.keys(), ...strangers.counted.keys()])].flatMap((name) => {
    const [wanted, counted] = [expected.get(name) ?? 0, strangers.counted.get(name) ?? 0];
    // Where many addresses ask within a minute, some are counted together: then no more is known than the sum.
    const isRight = counted === wanted || (counted < wanted && counted + strangers.together >= wanted);
    return isRight ? [] : [`${name}: ${wanted} strangers were refused, ${counted} are counted`];
  });
  return expected.size === 0 ? ['no stranger was refused, so no count was looked at'] : faults;
}
