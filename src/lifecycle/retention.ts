/**
 * Retention as its owners see it: shown, set, tried out, and explained for any memory, any entry of the ledger and any line
 * of the application log.
 */
import type {
  EntryRetention,
  LogRetention,
  RetentionExplanation,
  RetentionPolicyInput,
  RetentionPolicyView,
  RetentionSimulation,
} from '@strongroom/client';
import type { Access } from '../access/access.ts';
import type { RequestContext } from '../access/context.ts';
import type { Organization, Organizations } from '../access/organizations.ts';
import type { Recorder } from '../access/recorder.ts';
import { DAY_MS } from '../durations.ts';
import { StrongroomError } from '../errors.ts';
import { isId } from '../ids.ts';
import type { Action } from '../ledger/actions.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { LEDGER_KEPT_S } from '../store/migrations/0002-ledger-pruning.ts';
import type { VaultIndexes } from '../vaults/indexes.ts';
import { datedRecord } from '../vaults/retention.ts';
import type { Vault } from '../vaults/vault.ts';
import { requireVersion, type Vaults } from '../vaults/vaults.ts';
import { kindsOf, type DueParts } from './due-memories.ts';
import type { HoldGuard } from './hold-guard.ts';
import { logFileEndsAt, logFileOf } from './log-days.ts';
import type { Policies } from './policies.ts';
import { parsePolicy, policyView, SECURITY_LOG_MONTHS } from './retention-policy.ts';
import { resolve, type Facts } from './retention-resolver.ts';
import { simulate } from './retention-simulation.ts';
import type { Store } from '../store/store.ts';
import type { Clock } from '../environment.ts';

export interface RetentionParts extends DueParts {
  readonly store: Store;
  readonly organizations: Organizations;
  readonly access: Access;
  readonly ledger: Pick<Ledger, 'entry' | 'details'>;
  readonly recorder: Recorder;
  readonly vaults: Vaults;
  readonly indexes: VaultIndexes;
  readonly policies: Policies;
  readonly guard: HoldGuard;
  readonly clock: Clock;
  /** Days for which the application log is kept; null where it goes to the platform. */
  readonly logDays: number | null;
}

/** Since when something lies in the trash, and when that ends it. */
interface InTrash {
  readonly of: 'memory' | 'vault';
  readonly at: number;
  /** Null: not while something is kept that would end along. */
  readonly endsAt: number | null;
  readonly keptBy: string[];
}

interface Place {
  readonly organization: Organization;
  readonly vault: Vault | null;
}

export class Retention {
  readonly #parts: RetentionParts;

  constructor(parts: RetentionParts) {
    this.#parts = parts;
  }

  /** `vault` null: the organization's own. */
  async getRetention(context: RequestContext, vault: string | null): Promise<RetentionPolicyView> {
    const place = await this.#reach(context, 'retention.get', vault);
    const view = await this.#view(place);
    await this.#parts.recorder.record(context, { action: 'retention.get', target: targetOf(place) });
    return view;
  }

  /** Replaces the policy whole; in force for the very next question. */
  async setRetention(
    context: RequestContext,
    vault: string | null,
    input: RetentionPolicyInput,
    ifMatch: number | null,
  ): Promise<RetentionPolicyView> {
    const place = await this.#reach(context, 'retention.update', vault);
    const rules = parsePolicy(input, place.vault === null ? 'organization' : 'vault');
    const policy = await this.#parts.recorder.write(context, async (tx) => {
      const policy = await this.#parts.policies.write(tx, place, rules, (version) =>
        requireVersion(version, ifMatch),
      );
      return {
        result: policy,
        deed: { action: 'retention.update', target: policy.id, targets: [targetOf(place)] },
      };
    });
    return this.#viewOf(place, policy);
  }

  /** What the policy would do to what is there; changes nothing. */
  async simulateRetention(
    context: RequestContext,
    vault: string | null,
    input: RetentionPolicyInput,
  ): Promise<RetentionSimulation> {
    const place = await this.#reach(context, 'retention.simulate', vault);
    const rules = parsePolicy(input, place.vault === null ? 'organization' : 'vault');
    const simulation = await simulate(this.#parts, { ...place, rules });
    await this.#parts.recorder.record(context, {
      action: 'retention.simulate',
      target: targetOf(place),
      count: simulation.looked,
    });
    return simulation;
  }

  /** Which rule decides about a memory, all that were asked, and when it ends: also of one that nobody is shown any more. */
  async explainRetention(
    context: RequestContext,
    place: { readonly vault: string; readonly memory: string },
  ): Promise<RetentionExplanation> {
    const { vaults, policies, recorder } = this.#parts;
    const vault = await vaults.reachKept(context, 'retention.explain', place.vault);
    const { row, holds, trash } = await this.#found(vault, place.memory);
    const kind = (await kindsOf(this.#parts, vault, [row])).get(row.id) ?? null;
    const facts: Facts = {
      ...datedRecord(row, kind),
      holds,
      erasureAt: earliest(trash.map(({ endsAt }) => endsAt)),
      erasedFrom: earliest(trash.map(({ at }) => at)),
    };
    const resolution = resolve(facts, await policies.resolverRules(vault));
    const archive = await policies.archiveRules(vault);
    const archiveMs = row.conversation === null ? archive.memoriesMs : archive.conversationsMs;
    await recorder.record(context, { action: 'retention.explain', target: row.id });
    return {
      memory: row.id,
      state: row.state,
      rule: resolution.rule,
      endsAt: isoOf(resolution.endsAt),
      hiddenAt: isoOf(resolution.hiddenAt),
      archivesAt: row.state === 'live' && archiveMs !== null ? isoOf(row.created_at + archiveMs) : null,
      considered: resolution.considered.map(({ at, ...one }) => ({ ...one, at: isoOf(at) })),
      holds,
      trash: trash.map(({ at, endsAt, ...one }) => ({ ...one, at: iso(at), endsAt: isoOf(endsAt) })),
    };
  }

  /** The memory's row, what holds it, and the trash that it lies in: its own, its vault's, or both. */
  #found(vault: Vault, memory: string) {
    const { store, guard } = this.#parts;
    const organization = vault.organization.id;
    return store.read(organization, async (db) => {
      const row = await db
        .selectFrom('memories')
        .selectAll()
        .where('id', '=', isId('memory', memory) ? memory : '')
        .where('vault', '=', vault.id)
        .executeTakeFirst();
      if (row === undefined) throw new StrongroomError('not_found');
      const kept = await guard.keeping(db, organization, [row.id]);
      const thrown: [InTrash['of'], number | null][] = [
        ['memory', row.state === 'trashed' ? row.trashed_at : null],
        ['vault', vault.trashedAt ?? null],
      ];
      const trash: InTrash[] = [];
      for (const [of, at] of thrown) {
        if (at === null) continue;
        // What ends with the whole vault waits for whatever keeps any part of it.
        const keptBy =
          of === 'vault' ? await guard.keeps(db, organization, { kind: 'vault', vault: vault.id }) : [];
        const endsAt = keptBy.length > 0 ? null : at + vault.deletion.days * DAY_MS;
        trash.push({ of, at, endsAt, keptBy: [...keptBy] });
      }
      return { row, holds: (kept.get(row.id) ?? []).filter((by) => isId('hold', by)), trash };
    });
  }

  /** Until when an entry of the organization's log is kept; `not_found` where it has ended, or there is none. */
  async explainEntry(context: RequestContext, n: number): Promise<EntryRetention> {
    const { access, ledger, recorder } = this.#parts;
    access.require(context, 'retention.explain', null);
    const entry = await ledger.entry(context.organization, n);
    if (entry === null) throw new StrongroomError('not_found');
    const details =
      entry.box === undefined ? 'none' : (await ledger.details(entry)) === null ? 'erased' : 'kept';
    await recorder.record(context, { action: 'retention.explain', target: context.organization });
    const endsAt = new Date(entry.at + LEDGER_KEPT_S * 1000);
    const isRefusal = entry.outcome === 'refused';
    return {
      entry: n,
      class: isRefusal ? 'security' : 'ledger',
      at: new Date(entry.at).toISOString(),
      keptUntil: (isRefusal ? monthsLater(entry.at, SECURITY_LOG_MONTHS) : endsAt).toISOString(),
      endsAt: endsAt.toISOString(),
      details,
    };
  }

  /** Until when a line of the application log is kept that was written at a moment; null: one that is written now. */
  async explainLog(context: RequestContext, at: number | null): Promise<LogRetention> {
    const { access, recorder, logDays, clock } = this.#parts;
    access.require(context, 'retention.explain', null);
    const ms = at ?? clock.now();
    await recorder.record(context, { action: 'retention.explain', target: context.organization });
    return {
      class: 'application',
      days: logDays,
      at: iso(ms),
      file: logDays === null ? null : logFileOf(ms),
      endsAt: logDays === null ? null : iso(logFileEndsAt(ms, logDays)),
    };
  }

  /** For a request that is repeated. */
  async current(context: RequestContext, id: string): Promise<{ version: number; body: unknown } | null> {
    const { policies, organizations } = this.#parts;
    const policy = await policies.withId(context.organization, id);
    if (policy === null) return null;
    const place = { organization: await organizations.get(context.organization), vault: null };
    return { version: policy.version, body: this.#viewOf(place, policy) };
  }

  async #reach(context: RequestContext, action: Action, reference: string | null): Promise<Place> {
    const { access, organizations, vaults } = this.#parts;
    const organization = await organizations.get(context.organization);
    if (reference === null) {
      access.require(context, action, null);
      return { organization, vault: null };
    }
    return { organization, vault: await vaults.reach(context, action, reference) };
  }

  async #view(place: Place): Promise<RetentionPolicyView> {
    const { organization, vault } = place;
    return this.#viewOf(place, await this.#parts.policies.get(organization.id, vault?.id ?? null));
  }

  #viewOf({ vault }: Place, policy: Awaited<ReturnType<Policies['get']>>): RetentionPolicyView {
    const { policies, logDays } = this.#parts;
    return policyView({
      policy,
      vault: policy?.vault ?? vault?.id ?? null,
      capDays: policies.capDays,
      logDays,
    });
  }
}

const targetOf = ({ organization, vault }: Place): string => vault?.id ?? organization.id;

function monthsLater(ms: number, months: number): Date {
  const day = new Date(ms);
  day.setUTCMonth(day.getUTCMonth() + months);
  return day;
}

const iso = (ms: number): string => new Date(ms).toISOString();
const isoOf = (ms: number | null): string | null => (ms === null ? null : iso(ms));

function earliest(times: readonly (number | null)[]): number | null {
  const said = times.filter((time) => time !== null);
  return said.length === 0 ? null : Math.min(...said);
}
