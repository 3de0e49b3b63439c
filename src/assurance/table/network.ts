/** Network, input and the command line. */
import { claimed, type Claim } from '../claim.ts';

export const NETWORK_CLAIMS: readonly Claim[] = [
  claimed({
    id: 'NET-01',
    sentence: 'Only declared ports and networks are reachable.',
    examines: 'Port scan from edge and app zone; IP allow-list canary refused; admin listener private',
    method: 'T',
    supports: ['CC6.6', 'A.8.20 A.8.21', '32', '312(e)(1)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'No check looks at the machine from outside.' },
  }),
  claimed({
    id: 'NET-02',
    sentence: 'Components are segmented and run unprivileged.',
    examines:
      'Edge cannot open store or cache; container user, read-only root, dropped capabilities, network list',
    method: 'T',
    supports: ['CC6.6', 'A.8.22', '32', '312(a)(1)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'There is no image and no deployment to examine.' },
  }),
  claimed({
    id: 'NET-03',
    sentence: 'Floods and abusive clients are contained: a neighbour is answered within {milliseconds} ms.',
    examines:
      'Burst → 429 + Retry-After; slow, oversize, compressed bombs refused; neighbour latency unharmed; upstream DDoS inherited',
    method: 'T I',
    supports: ['CC6.6 A1.1', 'A.8.6 A.8.20', '32(1)(b)', '308(a)(7)', ''],
    state: {
      kind: 'complete',
      notProven:
        'That a flood larger than the line or the machine, or one from very many addresses, is survived: that is for the network in front of it. Measured in one process, on a scratch instance.',
      hoursFresh: 26,
      mend: 'Set rateLimit to on and restart.',
    },
    parameters: { milliseconds: { value: 500, floor: 2000, better: 'less' } },
  }),
  claimed({
    id: 'NET-04',
    sentence: 'Inputs are validated, outputs filtered.',
    examines:
      'Schema fuzz on all routes; no stack traces; unauthorised fields never returned; security headers and CSP',
    method: 'T',
    supports: ['CC6.8 PI1.2', 'A.8.26 A.8.28', '32', '312(c)(1)', '100(e)'],
    state: {
      kind: 'complete',
      notProven: 'That no input exists which does harm: what is sent is a sample, another each time.',
      hoursFresh: 26,
      mend: 'Put nothing in front of the server that adds to its answers, and look up the request in its log by its id.',
    },
  }),
  claimed({
    id: 'NET-05',
    sentence: 'Access can be limited by country or network.',
    examines: 'Synthetic addresses allowed and denied as set; database present and <35 d old',
    method: 'T*',
    supports: ['CC6.6', 'A.8.20 A.8.23', '32', '312(a)(1)', ''],
    state: {
      kind: 'not_claimed',
      reason: 'Access is limited by network for each key, not by country, and no check examines it.',
    },
  }),
  claimed({
    id: 'CLI-01',
    sentence: 'The CLI keeps tokens sealed and talks only to verified servers.',
    examines:
      'Store kind, file mode, expiry, refresh rotation, TLS refusal on bad certificate, logout revokes; local commands make no egress',
    method: 'T',
    supports: ['CC6.1 CC6.7', 'A.8.1 A.5.17', '32', '312(d) 312(e)(1)', '100(e)'],
    state: {
      kind: 'not_claimed',
      reason: 'The command line keeps no tokens: it reads a key from its environment.',
    },
  }),
];
