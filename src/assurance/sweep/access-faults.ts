/** What a sweep shows of doors: nobody gets in without a key, and a smaller or a foreign key opens no more than it may. */
import { isReadAction } from '../../ledger/actions.ts';
import { codeOf } from '../ask.ts';
import { placeOf } from './entry-faults.ts';
import type { Answered, Sweep, Variant } from './sweep.ts';

export const strangersOf = ({ answers }: Pick<Sweep, 'answers'>): readonly Answered[] =>
  answers.filter(({ variant }) => variant === 'no key' || variant === 'wrong key');

export const doorFaults = (answered: Answered): string[] =>
  answered.reply.status === 401 && codeOf(answered.reply).startsWith('auth.')
    ? []
    : [`${placeOf(answered)}: ${saidBy(answered)}`];

export const confinedOf = ({ answers }: Pick<Sweep, 'answers'>): readonly Answered[] =>
  answers.filter(({ variant }) => variant === 'powerless key' || variant === 'reader key');

/** Reads are granted to the one that reads, and nothing else to either. */
export function confinedFaults(answered: Answered): string[] {
  const { route, status, variant, reply } = answered;
  const isGranted = variant === 'reader key' && isReadAction(route.action);
  const isRight = isGranted
    ? reply.status === status
    : reply.status === 403 && codeOf(reply) === 'access.refused';
  return isRight ? [] : [`${placeOf(answered)}: ${saidBy(answered)}`];
}

export const foreignOf = ({ answers }: Pick<Sweep, 'answers'>): readonly Answered[] => {
  const variant: Variant = 'foreign key';
  return answers.filter((answered) => answered.variant === variant);
};

/** An id in a body leads to something as one in a path does. */
const ID = /"[a-z]{3}_[0-9a-z]{26}"/;

/** What an id leads to is not there; what needs none is the asker's own. */
export function foreignFaults(answered: Answered): string[] {
  const { route, status, body, reply } = answered;
  // A number of an entry is one of the asker's own log.
  const isOfOwner = /:(?!n\b)/.test(route.url) || ID.test(JSON.stringify(body ?? null));
  return reply.status === (isOfOwner ? 404 : status) ? [] : [`${placeOf(answered)}: ${saidBy(answered)}`];
}

const saidBy = ({ reply }: Answered): string => `answered ${reply.status} ${codeOf(reply)}`.trimEnd();
