/**
 * What the sweep over all routes shows (sweep/sweep.ts): every answer is held against what was declared and against the
 * ledger, which has one entry for each request of a known key and a count of every stranger's refusal.
 */
import { isAction } from '../../ledger/actions.ts';
import { defineCheck, judged } from '../check.ts';
import {
  confinedFaults,
  confinedOf,
  doorFaults,
  foreignFaults,
  foreignOf,
  strangersOf,
} from '../sweep/access-faults.ts';
import { answerFaults, headerFaults, MALFORMED } from '../sweep/answer-faults.ts';
import { doubleFaults, entryFaults, strangerFaults } from '../sweep/entry-faults.ts';
import { sweepAll, type Answered, type Sweep } from '../sweep/sweep.ts';
import { SWEEP_SABOTAGES } from './sweep-sabotages.ts';

export const sweepCheck = defineCheck<Sweep>({
  name: 'sweep',
  place: 'live',
  observe: sweepAll,
  judges: {
    'AUD-01': (sweep) => {
      const known = sweep.answers.filter(({ principal }) => principal !== null);
      const faults = [
        ...drivenFaults(sweep),
        ...sweep.unlisted.map((each) => `${each} is answered and stands in no catalogue`),
        ...sweep.answers
          .filter(({ route }) => !isAction(route.action))
          .map(({ route }) => `${route.name} has no action`),
        ...known.flatMap((answered) => entryFaults(answered, sweep)),
        ...doubleFaults(sweep),
        ...strangerFaults(sweep),
        ...sweep.open
          .filter(({ reply }) => sweep.entries.has(reply.header('x-request-id') ?? ''))
          .map(({ path }) => `${path} is exempt and has an entry`),
      ];
      return judged(known.length, faults, {
        requests: known.length,
        reads: known.filter(({ route }) => route.method === 'GET').length,
        refused: known.filter(({ reply }) => reply.status >= 400).length,
        strangers: sweep.answers.length - known.length + sweep.nowhere.length,
        routes: routesIn(sweep),
      });
    },
    'NET-04': (sweep) => {
      const { answers, nowhere, open, isSecure } = sweep;
      const others = [...nowhere.map((reply) => ({ path: 'a path that is none', reply })), ...open];
      const faults = [
        ...drivenFaults(sweep),
        ...answers.flatMap((answered) => answerFaults(answered, sweep)),
        ...others.flatMap(({ path, reply }) =>
          headerFaults(reply, isSecure).map((fault) => `${path}: ${fault}`),
        ),
      ];
      return judged(answers.length, faults, {
        answers: answers.length,
        malformed: counted(answers, ({ variant }) => MALFORMED.has(variant)),
        fuzzed: counted(answers, ({ variant }) => variant === 'fuzzed'),
        routes: routesIn(sweep),
      });
    },
    'ACC-05': (sweep) => {
      const strangers = strangersOf(sweep);
      const faults = [...drivenFaults(sweep), ...strangers.flatMap(doorFaults)];
      return judged(strangers.length, faults, { strangers: strangers.length, routes: routesIn(sweep) });
    },
    'KEY-04': (sweep) => {
      const confined = confinedOf(sweep);
      const faults = [...drivenFaults(sweep), ...confined.flatMap(confinedFaults)];
      return judged(confined.length, faults, { readerRequests: confined.length });
    },
    'TEN-01': (sweep) => {
      const foreign = foreignOf(sweep);
      const faults = [...drivenFaults(sweep), ...foreign.flatMap(foreignFaults)];
      return judged(foreign.length, faults, { foreignRequests: foreign.length });
    },
  },
  sabotages: SWEEP_SABOTAGES,
});

const drivenFaults = ({ undriven }: Sweep): string[] =>
  undriven.map((name) => `no request is known for ${name}`);

const routesIn = ({ answers }: Sweep): number => new Set(answers.map(({ route }) => route.name)).size;

const counted = (answers: readonly Answered[], is: (answered: Answered) => boolean): number =>
  answers.filter(is).length;
