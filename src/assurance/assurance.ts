/**
 * Verification: runs the checks of the claims that were asked for, keeps what they found, records it, and says how every
 * claim stands.
 *
 * Two entries in the asking organization's log, both `verification.run`: who asked, durable before anything is done; and
 * the system's own with the digest of the result, durable before the result is shown. What runs of itself has both in the
 * deployment's log. One verification runs at a time, and each organization has a budget of them.
 */
import type {
  ClaimResult,
  SabotageOutcome,
  Verification,
  VerificationEvent,
  VerificationEvidence,
  VerificationInput,
} from '@strongroom/client';
import type { Access } from '../access/access.ts';
import type { RequestContext } from '../access/context.ts';
import type { Recorder } from '../access/recorder.ts';
import { encodeBase64 } from '../bytes/encoding.ts';
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { NewId, OrganizationId } from '../ids.ts';
import { DEPLOYMENT_LOG, encodeLeaf, type Facts, type LogId } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { chargeTo } from '../http/rate-limit.ts';
import { TokenBuckets, type Rate } from '../http/token-buckets.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import { digestOf, digestsOf, type Unproven } from './bundle.ts';
import type { Check } from './check.ts';
import { FAMILIES, type Claim } from './claim.ts';
import { Findings } from './findings.ts';
import { runChecks, type Progress } from './runner.ts';
import { runSabotages, sabotagesOf } from './sabotage.ts';
import { isDue, standingOf, type Finding } from './standing.ts';
import type { LiveWorld, OpenLive, OpenScratch, ScratchWorld } from './world.ts';

export interface AssuranceParts {
  readonly claims: readonly Claim[];
  readonly checks: readonly Check[];
  readonly openLive: OpenLive;
  readonly openScratch: OpenScratch;
  readonly access: Pick<Access, 'require'>;
  readonly recorder: Pick<Recorder, 'record'>;
  readonly store: Pick<Store, 'read' | 'write'>;
  readonly ledger: Pick<Ledger, 'append' | 'entries' | 'proof'>;
  readonly clock: Clock;
  readonly newId: NewId;
  readonly deployment: string;
  /** Version and configuration, as far as results depend on them. */
  readonly build: string;
}

/** Verifications an organization may ask for: so many at once, then one every three minutes. */
const RUNS: Rate = { burst: 12, perSecond: 20 / 3600 };

/** What came of one request, before it is recorded. */
interface Outcome {
  readonly ran: readonly Claim[];
  readonly sabotages?: SabotageOutcome[];
}

export class Assurance {
  readonly #parts: AssuranceParts;
  readonly #claims: ReadonlyMap<string, Claim>;
  readonly #findings: Findings;
  readonly #budget: TokenBuckets;
  readonly #stop = new AbortController();
  #isRunning = false;

  constructor(parts: AssuranceParts) {
    this.#parts = parts;
    this.#claims = new Map(parts.claims.map((claim) => [claim.id, claim]));
    this.#findings = new Findings(parts.store);
    this.#budget = new TokenBuckets(RUNS, () => parts.clock.now());
  }

  /** See `Verifications` in http/parts.ts. */
  async *verify(context: RequestContext, input: VerificationInput): AsyncGenerator<VerificationEvent> {
    const { access, newId, recorder } = this.#parts;
    access.require(context, 'verification.run', null);
    const chosen = this.#choose(input);
    const id = newId('verification');
    const claims = chosen.map((claim) => claim.id);
    // What only shows how claims stand runs nothing, costs nothing and waits for nobody.
    const release = claims.length > 0 ? this.#begin(context.organization) : null;
    try {
      const startedMs = this.#parts.clock.now();
      await recorder.record(context, { action: 'verification.run', target: id, targets: claims });
      const outcome = yield* this.#run(id, input, chosen);
      const unproven = await this.#unproven({ id, startedMs }, outcome);
      const evidence = await this.#record(context.organization, unproven);
      yield { type: 'verification', verification: { ...unproven, evidence } };
    } finally {
      release?.();
    }
  }

  /**
   * Runs what is older than that, of itself, and records it in the deployment's log. Null where nothing is due, where
   * another verification runs, or where it was stopped.
   */
  async verifyDue(everyMs: number): Promise<Verification | null> {
    const { claims, clock, newId, store, ledger, build } = this.#parts;
    const findings = await this.#findings.all();
    const now = { nowMs: clock.now(), build };
    const due = claims.filter((claim) => isDue(claim, findings.get(claim.id), { ...now, everyMs }));
    if (due.length === 0 || this.#isRunning || this.#stop.signal.aborted) return null;
    this.#isRunning = true;
    try {
      const id = newId('verification');
      const targets = due.map((claim) => claim.id);
      await store.write(SYSTEM, (tx) => {
        ledger.append(tx, { ...entryOf(id), targets, facts: { scheduled: 1 } });
        return Promise.resolve();
      });
      const outcome = await ended(this.#run(id, {}, due));
      const unproven = await this.#unproven({ id, startedMs: now.nowMs }, outcome);
      return { ...unproven, evidence: await this.#record(DEPLOYMENT_LOG, unproven) };
    } catch (error) {
      if (this.#stop.signal.aborted) return null;
      throw error;
    } finally {
      this.#isRunning = false;
    }
  }

  /** How every claim stands now. */
  async standings(): Promise<readonly ClaimResult[]> {
    const { claims, clock, build } = this.#parts;
    const findings = await this.#findings.all();
    const now = { nowMs: clock.now(), build };
    return claims.map((claim) => standingOf(claim, findings.get(claim.id), now));
  }

  /** Ends what runs: it finds nothing, and its canaries are taken away. */
  stop(): void {
    this.#stop.abort();
  }

  /** Takes the one turn there is; what comes back gives it up. */
  #begin(organization: OrganizationId): () => void {
    if (this.#isRunning) throw new StrongroomError('busy', 'another verification is running');
    chargeTo(this.#budget, organization);
    this.#isRunning = true;
    return () => {
      this.#isRunning = false;
    };
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
    const { signal } = this.#stop;
    let live: Promise<LiveWorld> | undefined;
    let scratch: Promise<ScratchWorld> | undefined;
    const worlds = {
      live: () => (live ??= openLive(`verification ${id}`)),
      scratch: () => (scratch ??= openScratch({})),
    };
    const nowMs = (): number => clock.now();
    try {
      return yield* relay(runChecks({ checks, claims: chosen, worlds, nowMs, build, signal }));
    } finally {
      for (const world of [live, scratch]) await closed(world);
    }
  }

  async #unproven(
    { id, startedMs }: { readonly id: string; readonly startedMs: number },
    { ran, sabotages }: Outcome,
  ): Promise<Unproven> {
    const { clock, deployment, build } = this.#parts;
    return {
      id,
      deployment,
      build,
      startedAt: new Date(startedMs).toISOString(),
      finishedAt: new Date(clock.now()).toISOString(),
      ran: ran.map((claim) => claim.id),
      results: [...(await this.standings())],
      ...(sabotages === undefined ? {} : { sabotages }),
    };
  }

  /** Makes the entry with the result's digest durable and proves that it is in the log. */
  async #record(log: LogId, unproven: Unproven): Promise<VerificationEvidence> {
    const { ledger, store } = this.#parts;
    const digests = digestsOf(unproven);
    const digest = digestOf(digests);
    const draft = entryOf(unproven.id);
    const facts = { digest, ...countsOf(unproven) };
    await store.write(log === DEPLOYMENT_LOG ? SYSTEM : log, (tx) => {
      ledger.append(tx, { ...draft, targets: unproven.ran, facts });
      return Promise.resolve();
    });
    const { action, principal, target } = draft;
    const { entries } = await ledger.entries(log, { action, principal, target, limit: 1 });
    const [entry] = entries;
    if (entry === undefined)
      throw new StrongroomError('ledger.damaged', 'the entry just written is not there');
    const { text, vkey } = await ledger.proof(log, entry.n);
    const leaf = encodeBase64(encodeLeaf(entry, entry.log, entry.n));
    return { digests: { ...digests }, digest, n: entry.n, leaf, proof: text, verifierKey: vkey };
  }
}

/** What the system writes down of a verification. */
const entryOf = (target: string) =>
  ({
    principal: 'system',
    action: 'verification.run',
    target,
    outcome: 'done',
    request: '',
    scope: [],
  }) as const;

/** Where nobody listens to the progress. */
async function ended<Result>(running: AsyncGenerator<unknown, Result>): Promise<Result> {
  for (;;) {
    const next = await running.next();
    if (next.done === true) return next.value;
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
