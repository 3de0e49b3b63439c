/** Model providers and what they see. */
import { claimed, type Claim } from '../claim.ts';

export const MODELS_CLAIMS: readonly Claim[] = [
  claimed({
    id: 'LLM-01',
    sentence: 'Customer data never trains models.',
    examines:
      'Each active provider has a dated no-training basis; opt-in flags off; own pipelines have no training job or dataset export',
    method: 'E A',
    supports: ['C1.1 P4.1', 'A.5.20 A.5.34', '28(3)(a) 5(1)(b)', '504(e)', '140(ag) r7051'],
    state: {
      kind: 'not_claimed',
      reason:
        'On what terms an embedding service handles what it is sent nobody has on record; no other provider is called.',
    },
  }),
  claimed({
    id: 'LLM-02',
    sentence: 'Providers keep nothing.',
    examines:
      'Adapter status: OpenAI admin endpoint, Azure capability, gateway flag, Anthropic attested + eligible endpoints only, local none',
    method: 'E A',
    supports: ['C1.2 P6.4', 'A.5.23 A.8.10', '28 5(1)(e)', '504(e)', 'r7051'],
    state: {
      kind: 'not_claimed',
      reason: 'What an embedding service keeps cannot be seen from here; no other provider is called.',
    },
  }),
  claimed({
    id: 'LLM-03',
    sentence: 'Providers are isolated from each other.',
    examines:
      'Distinct credentials and clients; forced outage of pinned provider does not reroute; no shared context between calls',
    method: 'T',
    supports: ['CC6.1 CC9.2', 'A.5.23 A.8.22', '32', '312(a)(1)', ''],
    state: { kind: 'not_claimed', reason: 'There is one embedding service at most, so nothing to isolate.' },
  }),
  claimed({
    id: 'LLM-04',
    sentence: 'Personal data and secrets are reduced before leaving.',
    examines:
      'Mock provider on the wire receives no canary PII; block mode refuses; measured recall on corpus ≥ floor (AISVS 8.2.1)',
    method: 'T',
    supports: ['C1.1 P4.1', 'A.8.11 A.8.12', '25 5(1)(c)', '502(b)', '100(c)'],
    state: { kind: 'not_claimed', reason: 'Texts go to an embedding service that is set up as they are.' },
  }),
  claimed({
    id: 'LLM-05',
    sentence: 'Prompts and answers are not stored, only counts.',
    examines: 'After a call: metadata row only; canary absent from every store; switch state shown on page',
    method: 'T',
    supports: ['P4.2', 'A.8.10', '5(1)(c)', '502(b)', '100(c)'],
    state: {
      kind: 'not_claimed',
      reason: 'Only an embedding service is ever called, and no check looks for what is left of a call.',
    },
  }),
  claimed({
    id: 'LLM-06',
    sentence: 'Models are security-tested before and during use.',
    examines: 'Each active model has an eval ≤30 d and score ≥ floor; failing model is blocked',
    method: 'E*',
    supports: ['CC7.1 CC9.2', 'A.8.29', '32(1)(d)', '308(a)(8)', ''],
    state: {
      kind: 'not_claimed',
      reason: 'Of models only an embedding service is used, and it is not evaluated.',
    },
  }),
  claimed({
    id: 'LLM-07',
    sentence: 'Memories are treated as untrusted input.',
    examines:
      'Adversarial corpus: flagged/quarantined at write, excluded at recall, provenance immutable; false-positive rate (AISVS 8.1.2, 8.2.3, 8.3.3)',
    method: 'T',
    supports: ['CC6.8 PI1.2', 'A.8.26 A.8.7', '32', '312(c)(1)', ''],
    state: { kind: 'not_claimed', reason: 'Memories are not examined for instructions.' },
  }),
  claimed({
    id: 'LLM-08',
    sentence: 'AI is optional; own provider, own key, local models work.',
    examines: 'AI off → zero egress during full test drive; key of tenant A used only for A',
    method: 'T',
    supports: ['P2.1', 'A.5.23', '7 25', '', '120'],
    state: {
      kind: 'partial',
      missing: 'an organization cannot bring its own key: the embedding service is the operator’s',
      notProven:
        'That a service which the operator sets up keeps to itself what it is sent, or that other programs on the host stay silent. Connections of search workers are not heard; they have no code for any.',
      hoursFresh: 26,
      mend: 'Find what reached out: the fault names where to. Nothing but src/egress may.',
    },
  }),
];
