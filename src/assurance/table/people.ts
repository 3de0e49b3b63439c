/** Privacy, suppliers, residency and governance. */
import { claimed, type Claim } from '../claim.ts';

export const PEOPLE_CLAIMS: readonly Claim[] = [
  claimed({
    id: 'PRV-01',
    sentence: 'People get a complete, portable copy of their data.',
    examines: 'Canary subject present in every annotated class; export holds all, schema-valid, re-imports',
    method: 'T',
    supports: ['P5.1 P6.7', 'A.5.34', '15 20', '524', '110 130'],
    state: { kind: 'not_claimed', reason: 'There is no export by person.' },
  }),
  claimed({
    id: 'PRV-02',
    sentence: 'Erasure requests finish within {days} d, also in bulk.',
    examines: 'Canary erasure end to end; oldest open request; bulk job idempotent; log kept',
    method: 'T',
    supports: ['P4.3 P5.2', 'A.8.10', '17 12(3)', '', '105 r7022'],
    parameters: { days: { value: 30, floor: 30, better: 'less' } },
    state: {
      kind: 'complete',
      notProven:
        'That the requests people made elsewhere were entered here; a request under a legal hold waits for its release.',
      hoursFresh: 26,
      mend: 'strongroom erasures list --state hidden names the open requests; strongroom doctor says which replica of the keystore is away.',
    },
  }),
  claimed({
    id: 'PRV-03',
    sentence: 'Requests are tracked with identity check and deadlines.',
    examines: 'Register: no overdue, extension reasons, verification method, per-jurisdiction clocks',
    method: 'E',
    supports: ['P5.1 P8.1', 'A.5.34', '12', '524(b)', 'r7021'],
    state: { kind: 'not_claimed', reason: 'There is no register of requests.' },
  }),
  claimed({
    id: 'PRV-04',
    sentence: 'Consent is recorded, receipted and revocable.',
    examines: 'Grant → TS 27560-shaped record + receipt; withdraw → processing stops in probe',
    method: 'T',
    supports: ['P2.1 P3.2', 'A.5.34', '7', '508', '120 121'],
    state: { kind: 'not_claimed', reason: 'Consent is not recorded.' },
  }),
  claimed({
    id: 'PRV-05',
    sentence: 'The record of processing is generated and complete.',
    examines: 'Diff live schema and egress against annotations = ∅; ROPA fields of Art 30 present',
    method: 'E',
    supports: ['P1.1 CC2.1', 'A.5.9 A.5.12', '30', '308(a)(1)(ii)(A)', '100(a)'],
    state: { kind: 'not_claimed', reason: 'The record of processing is not generated.' },
  }),
  claimed({
    id: 'PRV-06',
    sentence: 'Only declared personal data is held; nothing is shared without permission.',
    examines:
      'Account columns ⊆ declared; sampled scan for undeclared PII in metadata; egress hosts ⊆ permitted purposes',
    method: 'E',
    supports: ['P3.1 P6.1', 'A.5.34 A.8.12', '5(1)(b) 5(1)(c)', '502(b)', '100(c) 120'],
    state: { kind: 'not_claimed', reason: 'Nothing examines what personal data is held.' },
  }),
  claimed({
    id: 'SUP-01',
    sentence: 'Sub-processors are public, complete and announced before use.',
    examines: 'Egress hosts ⊆ register with data, region, purpose; notices sent ≥30 d before effective date',
    method: 'E',
    supports: ['CC9.2 P6.4', 'A.5.19 A.5.22', '28(2) 28(4)', '308(b)', 'r7051'],
    state: { kind: 'not_claimed', reason: 'There is no register of sub-processors.' },
  }),
  claimed({
    id: 'SUP-02',
    sentence: 'What runs is the open source, signed and inventoried.',
    examines:
      'Running digest = signed release; SBOM present; provenance verifies; configuration drift since approval = 0',
    method: 'E',
    supports: ['CC8.1 CC6.8', 'A.8.9 A.8.32', '32', '312(c)(1)', ''],
    state: { kind: 'not_claimed', reason: 'There are no signed releases.' },
  }),
  claimed({
    id: 'SUP-03',
    sentence: 'Security updates are applied in time.',
    examines: 'Known criticals past deadline = 0; update channel reachable; advisories published',
    method: 'E',
    supports: ['CC7.1', 'A.8.8', '32', '308(a)(5)(ii)(B)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'There is no update channel.' },
  }),
  claimed({
    id: 'RES-01',
    sentence: 'Data stays in the chosen region.',
    examines:
      "Region label of every store, replica, backup, provider; out-of-region write refused; egress endpoints' region",
    method: 'T*',
    supports: ['CC6.7 C1.1', 'A.5.14 A.5.23', '44–49', '', ''],
    state: { kind: 'not_claimed', reason: 'There are no regions.' },
  }),
  claimed({
    id: 'GOV-01',
    sentence: 'Independent audits, penetration tests and certificates are current.',
    examines: 'Artifact hash, issuer, scope, expiry; otherwise not claimed',
    method: 'A*',
    supports: ['CC4.1', 'A.5.35', '32(1)(d)', '308(a)(8)', '185(a)(15)'],
    state: { kind: 'not_claimed', reason: 'No audit, penetration test or certificate is on record.' },
  }),
  claimed({
    id: 'GOV-02',
    sentence: 'Reviews, drills, training and on-call cover are kept up.',
    examines:
      'Quarterly review ≤92 d, drill ≤92 d, training ≤12 mo, schedule without gaps, test page acknowledged',
    method: 'E A*',
    supports: ['CC1.4 CC4.1 CC5.3', 'A.6.3 A.5.36', '32(4)', '308(a)(5)', ''],
    state: { kind: 'not_claimed', reason: 'No reviews, drills or training are on record.' },
  }),
  claimed({
    id: 'GOV-03',
    sentence: 'Anyone can report a vulnerability and is answered.',
    examines: 'security.txt valid and unexpired; mailbox canary answered; age of open reports',
    method: 'E',
    supports: ['CC2.3 CC7.1', 'A.8.8 A.6.8', '32', '308(a)(6)', ''],
    state: { kind: 'not_claimed', reason: 'No contact is published by a running server.' },
  }),
];
