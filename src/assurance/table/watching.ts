/** Audit and monitoring. */
import { claimed, type Claim } from '../claim.ts';

export const WATCHING_CLAIMS: readonly Claim[] = [
  claimed({
    id: 'AUD-01',
    sentence: 'Every action is recorded: who, what, when, where, why, outcome.',
    examines:
      'Drive every route incl. reads and denials; exactly one complete event each; catalogue coverage 100 %',
    method: 'T',
    supports: ['CC7.2', 'A.8.15', '5(2) 30', '312(b)', 'r7101'],
    state: {
      kind: 'complete',
      notProven:
        'That an entry holds what the caller kept to themselves. Refusals of strangers are counted by address, route and minute, not kept one by one.',
      hoursFresh: 26,
      mend: 'strongroom health says whether entries can be kept; strongroom ledger verify --data DIR, with the server stopped, names what is missing.',
    },
  }),
  claimed({
    id: 'AUD-02',
    sentence:
      'The log is append-only and tamper-evident, and its times are those of the clock within {seconds} s.',
    examines:
      'Consistency proof since last checkpoint; altered copy detected; app role cannot update/delete; clock skew',
    method: 'T',
    supports: ['CC7.2', 'A.8.15 A.8.17', '32', '312(b) 312(c)(2)', '100(e)'],
    state: {
      kind: 'complete',
      notProven:
        'That a log which was cut back whole, together with its checkpoints and the keystore, would be noticed without a checkpoint kept elsewhere; nor that the clock of the machine is right, because no other is asked. That tables refuse changes is tried on a scratch instance, on SQLite; on PostgreSQL the rights of its role stand for it.',
      hoursFresh: 26,
      mend: 'strongroom ledger verify --data DIR, with the server stopped, names the first entry that does not hold.',
    },
    parameters: { seconds: { value: 5, floor: 60, better: 'less' } },
  }),
  claimed({
    id: 'AUD-03',
    sentence: 'Logs and reports export completely, signed.',
    examines:
      'Export canary range in each format; count and hash equal; verifies offline; export itself logged',
    method: 'T',
    supports: ['CC2.3', 'A.5.28 A.8.15', '5(2)', '312(b)', 'r7101'],
    state: {
      kind: 'complete',
      notProven:
        'That the export holds what the caller may not see. The ledger is exported as JSON Lines, and verifications as bundles; there is no other format.',
      hoursFresh: 26,
      mend: 'strongroom ledger export --out FILE, then strongroom ledger verify --export FILE names the line at fault.',
    },
  }),
  claimed({
    id: 'AUD-04',
    sentence: "Events stream to the customer's SIEM without loss.",
    examines: 'Heartbeat event at sink ≤5 min; cursor lag; kill-and-resume has no gap',
    method: 'T*',
    supports: ['CC7.2', 'A.8.15 A.8.16', '32', '308(a)(1)(ii)(D)', ''],
    state: { kind: 'not_claimed', reason: 'Events are not streamed.' },
  }),
  claimed({
    id: 'AUD-05',
    sentence: 'Logs, traces and errors carry no content or secrets.',
    examines:
      'Canary text, PII and key absent from audit, app log, trace, metrics, error sink; AI telemetry content off',
    method: 'T',
    supports: ['CC6.7 C1.1', 'A.8.12 A.8.15', '5(1)(c)', '312(b)', '100(c)'],
    state: {
      kind: 'complete',
      notProven:
        'That a log of a dependency or of the platform is free of content: the log, the ledger and the metrics of this process are looked at. There are no traces and no error sink.',
      hoursFresh: 26,
      mend: 'Stop shipping the log, and remove the lines that were found from where it is kept.',
    },
  }),
  claimed({
    id: 'MON-01',
    sentence: 'Unauthorised attempts raise an alert in real time.',
    examines: 'Synthetic burst → alert in test channel ≤60 s; every configured channel reachable',
    method: 'T',
    supports: ['CC7.2 CC7.3', 'A.8.16', '32 33', '308(a)(5)(ii)(C)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'There are no alerts.' },
  }),
  claimed({
    id: 'MON-02',
    sentence: 'Unusual access is detected.',
    examines:
      'Replay attack fixtures (new network, travel, bulk export, spike, dormant key) and benign weeks; rates ≥/≤ bounds',
    method: 'T',
    supports: ['CC7.2', 'A.8.16', '32', '308(a)(1)(ii)(D)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'There is no detection of unusual access.' },
  }),
  claimed({
    id: 'MON-03',
    sentence: 'System health is watched, with scrubbed error reports.',
    examines: 'Thrown canary error arrives at sink scrubbed; exporters alive; SLO alerts armed',
    method: 'T*',
    supports: ['CC7.1 CC7.2', 'A.8.16', '32', '308(a)(1)(ii)(D)', ''],
    state: { kind: 'not_claimed', reason: 'There is no error sink and no exporter.' },
  }),
  claimed({
    id: 'MON-04',
    sentence: 'Incidents follow a timed process, incl. the 72 h duty.',
    examines:
      'Drill: opened, paged, contained, clock started, notice drafted with Art 33(3) fields; last drill ≤92 d; register complete',
    method: 'T',
    supports: ['CC7.3 CC7.4 CC7.5 P6.6', 'A.5.24 A.5.26 A.5.27', '33 34', '308(a)(6) 404 410', '1798.82'],
    state: { kind: 'not_claimed', reason: 'There is no register of incidents.' },
  }),
  claimed({
    id: 'MON-05',
    sentence: 'The status shown is current.',
    examines: 'Newest run within cycle; trust.json hash equals API results; every page claim has a control',
    method: 'T',
    supports: ['CC4.1 CC2.3', 'A.5.36', '5(2) 24', '308(a)(8)', ''],
    state: { kind: 'not_claimed', reason: 'There is no public status page.' },
  }),
];
