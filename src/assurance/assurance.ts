/**
 * Verification: runs the checks of the claims that were asked for, keeps what they found, records it, and says how every
 * claim stands.
 *
 * Two entries in the asking organization's log, both `verification.run`: who asked, durable before anything is done; and
 * the system's own with the digest of the result, durable before the result is shown. One verification runs at a time.
 */
import type { SabotageOutcome, VerificationEvent, VerificationInput } from '@strongroom/client';
import type { Access } from '../access/access.ts';
import type { RequestContext } from '../access/context.ts';
import type { Recorder } from '../access/recorder.ts';
import { encodeBase64 } from '../bytes/encoding.ts';
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { NewId, OrganizationId } from '../ids.ts';
import { encodeLeaf, type Facts } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Store } from '../store/store.ts';
import { digestOf, digestsOf, type Unproven } from './bundle.ts';
import type { Check } from './check.ts';
import { FAMILIES, type Claim } from './claim.ts';
import { Findings } from './findings.ts';
import { runChecks, type Progress } from './runner.ts';
import { runSabotages, sabotagesOf } from './sabotage.ts';
import { standingOf, type Finding } from './standing.ts';
import type { LiveWorld, OpenLive, OpenScratch, ScratchWorld } from './world.ts';

export interface AssuranceParts {
  readonly claims: readonly Claim[];
  readonly checks: readonly Check[];
  readonly openLive: OpenLive;
  readonly openScratch: OpenScratch;
  readonly access: Pick<Access, 'require'>;
  readonly recorder: Pick<Recorder, 'record'>;
  readonly store: Pick<Store, 'read' | 'write'>;
  readonly ledger: Pick<Ledger, 'append' | 'entries' | 'proof' | 'vkey'>;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly deployment: string;
  /** Version and configuration, as far as results depend on them. */
  readonly build: string;
}

/** What came of one request, before it is recorded. */
interface Outcome {
  readonly ran: readonly Claim[];
  readonly sabotages?: SabotageOutcome[];
}

export class Assurance {
  readonly #parts: AssuranceParts;
  readonly #claims: ReadonlyMap<string, Claim>;
  readonly #findings: Findings;
  #isRunning = false;

  constructor(parts: AssuranceParts) {
    this.#parts = parts;
    this.#claims = new Map(parts.claims.map((claim) => [claim.id, claim]));
    this.#findings = new Findings(parts.store);
  }

  /** See `Verifications` in http/parts.ts. */
  async *verify(context: RequestContext, input: VerificationInput): AsyncGenerator<VerificationEvent> {
    const { access, clock, newId, recorder } = this.#parts;
    access.require(context, 'verification.run', null);
    const chosen = this.#choose(input);
    const id = newId('verification');
    const claims = chosen.map((claim) => claim.id);
    if (claims.length > 0 && this.#isRunning)
      throw new StrongroomError('busy', 'another verification is running');
    // What only shows how claims stand runs nothing and waits for nobody.
    const holds = claims.length > 0;
    if (holds) this.#isRunning = true;
    try {
      await recorder.record(context, { action: 'verification.run', target: id, targets: claims });
      const startedMs = clock.now();
      const outcome = yield* this.#run(id, input, chosen);
      const unproven = await this.#unproven({ id, startedMs }, outcome);
      const evidence = await this.#record(context.organization, unproven);
      yield { type: 'verification', verification: { ...unproven, evidence } };
    } finally {
      if (holds) this.#isRunning = false;
    }
  }

  #choose({ claims, families, sabotage }: VerificationInput): readonly Claim[] {
    const unknown = [
      ...[...(claims ?? []), ...(sabotage === undefined ? [] : [sabotage])].filter(
        (id) => !this.#claims.has(id),
      ),
      ...(families ?? []).filter((family) => !(family in FAMILIES)),
    ];
    if (unknown.length > 0)
      throw new StrongroomError('request.invalid', {
        detail: `there is no claim or family ${unknown.join(', ')}`,
        faults: unknown.map((name) => ({ path: '', message: `${name} is not in the table of claims` })),
      });
    if (sabotage !== undefined) return this.#parts.claims.filter(({ id }) => id === sabotage);
    return this.#parts.claims.filter(
      ({ id, family, state }) =>
        state.kind !== 'not_claimed' &&
        ((claims === undefined && families === undefined) ||
          claims?.includes(id) === true ||
          families?.includes(family) === true),
    );
  }

  async *#run(
    id: string,
    { sabotage }: VerificationInput,
    chosen: readonly Claim[],
  ): AsyncGenerator<VerificationEvent, Outcome> {
    if (sabotage === undefined) {
      const findings = yield* this.#check(id, chosen);
      await this.#findings.keep(findings);
      return { ran: chosen };
    }
    const planned = chosen.flatMap((claim) => sabotagesOf(this.#parts.checks, claim.id));
    if (planned.length === 0)
      throw new StrongroomError(
        'request.invalid',
        `${sabotage} is not claimed, so there is nothing to break`,
      );
    const running = runSabotages(planned, this.#claims, this.#parts.openScratch);
    return { ran: [], sabotages: yield* relay(running) };
  }

  async *#check(id: string, chosen: readonly Claim[]): AsyncGenerator<VerificationEvent, readonly Finding[]> {
    const { checks, clock, build, openLive, openScratch } = this.#parts;
    let live: Promise<LiveWorld> | undefined;
    let scratch: Promise<ScratchWorld> | undefined;
    const worlds = {
      live: () => (live ??= openLive(`verification ${id}`)),
      scratch: () => (scratch ??= openScratch({})),
    };
    const nowMs = (): number => clock.now();
    try {
      return yield* relay(runChecks({ checks, claims: chosen, worlds, nowMs, build }));
    } finally {
      for (const world of [live, scratch]) await closed(world);
    }
  }

  async #unproven(
    { id, startedMs }: { readonly id: string; readonly startedMs: number },
    { ran, sabotages }: Outcome,
  ): Promise<Unproven> {
    const { claims, clock, deployment, build } = this.#parts;
    const findings = await this.#findings.all();
    const now = { nowMs: clock.now(), build };
    return {
      id,
      deployment,
      build,
      startedAt: new Date(startedMs).toISOString(),
      finishedAt: new Date(now.nowMs).toISOString(),
      ran: ran.map((claim) => claim.id),
      results: claims.map((claim) => standingOf(claim, findings.get(claim.id), now)),
      ...(sabotages === undefined ? {} : { sabotages }),
    };
  }

  /** Makes the entry with the result's digest durable and proves that it is in the log. */
  async #record(log: OrganizationId, unproven: Unproven) {
    const { ledger, store } = this.#parts;
    const digests = digestsOf(unproven);
    const digest = digestOf(digests);
    const base = {
      principal: 'system',
      action: 'verification.run',
      target: unproven.id,
      request: '',
    } as const;
    const facts = { digest, ...countsOf(unproven) };
    await store.write(log, (tx) => {
      ledger.append(tx, { ...base, targets: unproven.ran, outcome: 'done', facts, scope: [] });
      return Promise.resolve();
    });
    const { action, principal, target } = base;
    const { entries } = await ledger.entries(log, { action, principal, target, limit: 1 });
    const [entry] = entries;
    if (entry === undefined)
      throw new StrongroomError('ledger.damaged', 'the entry just written is not there');
    const { text } = await ledger.proof(log, entry.n);
    const leaf = encodeBase64(encodeLeaf(entry, entry.log, entry.n));
    return { digests: { ...digests }, digest, n: entry.n, leaf, proof: text, verifierKey: ledger.vkey(log) };
  }
}

async function* relay<Result>(
  running: AsyncGenerator<Progress, Result>,
): AsyncGenerator<VerificationEvent, Result> {
  for (;;) {
    const next = await running.next();
    if (next.done === true) return next.value;
    yield { ...next.value, claims: [...next.value.claims] };
  }
}

/** What could not be opened has said so as an error of its checks. */
async function closed(world: Promise<LiveWorld | ScratchWorld> | undefined): Promise<void> {
  const opened = await world?.catch(() => undefined);
  await opened?.close();
}

function countsOf({ results, sabotages, ran }: Unproven): Facts {
  const own = results.filter(({ id }) => ran.includes(id));
  const count = (verdict: string): number => own.filter((result) => result.verdict === verdict).length;
  return {
    pass: count('pass'),
    fail: count('fail'),
    error: count('error'),
    partial: count('partial'),
    ...(sabotages === undefined ? {} : { sabotages: sabotages.length }),
  };
}
