/** What a policy would do to what is there, found by the same rules as the real thing. It reads; nothing here can write. */
import type { RetentionEffect, RetentionSimulation } from '@strongroom/client';
import type { Clock } from '../environment.ts';
import type { Organization } from '../access/organizations.ts';
import { isExpired } from '../search/expiry.ts';
import type { Store } from '../store/store.ts';
import { datedRecord } from '../vaults/retention.ts';
import type { Vault } from '../vaults/vault.ts';
import { allVaults, dueMemories, kindsOf, type Due, type DueParts } from './due-memories.ts';
import type { HoldGuard } from './hold-guard.ts';
import { archiveTimes, minimumsOf, type Policies } from './policies.ts';
import type { PolicyRules } from './retention-policy.ts';
import { minimumEnd } from './retention-resolver.ts';

export interface SimulationParts extends DueParts {
  readonly store: Store;
  readonly policies: Policies;
  readonly guard: HoldGuard;
  readonly clock: Clock;
}

export interface Simulated {
  readonly organization: Organization;
  /** Null: the organization's own policy is tried, over all its vaults. */
  readonly vault: Vault | null;
  readonly rules: PolicyRules;
}

type Effects = Map<string, RetentionEffect>;

/** The first ids of each effect. */
const SHOWN_MAX = 10;
const PAGE_ROWS = 500;

export async function simulate(parts: SimulationParts, tried: Simulated): Promise<RetentionSimulation> {
  const removes: Effects = new Map();
  const keeps: Effects = new Map();
  const archives: Effects = new Map();
  let looked = 0;
  for await (const vault of vaultsOf(parts, tried)) {
    looked += await simulateEnds(parts, tried, vault, { removes, keeps });
    looked += await simulateArchive(parts, tried, vault, archives);
  }
  return {
    removes: [...removes.values()],
    keeps: [...keeps.values()],
    archives: [...archives.values()],
    looked,
  };
}

async function* vaultsOf(parts: SimulationParts, { organization, vault }: Simulated): AsyncGenerator<Vault> {
  if (vault !== null) {
    yield vault;
    return;
  }
  for await (const one of allVaults(parts)) if (one.organization.id === organization.id) yield one;
}

async function simulateEnds(
  parts: SimulationParts,
  { organization, vault: only, rules }: Simulated,
  vault: Vault,
  { removes, keeps }: { readonly removes: Effects; readonly keeps: Effects },
): Promise<number> {
  const { policies, guard, store, clock } = parts;
  const now = clock.now();
  const before = await policies.of(vault);
  const own = await policies.get(organization.id, vault.id);
  const after =
    only === null
      ? policies.rulesWith(own, rules)
      : policies.rulesWith(rules, await policies.get(organization.id, null));
  const minimums = minimumsOf(only === null ? rules : await policies.get(organization.id, null));
  let looked = 0;
  for await (const page of dueMemories(parts, vault, { rules: after, now, isThorough: true })) {
    looked += page.length;
    const fresh = await notYetOver(parts, vault, before, page, now);
    const kept = await store.read(organization.id, (db) =>
      guard.keeping(
        db,
        organization.id,
        fresh.map(({ id }) => id),
      ),
    );
    for (const due of fresh) {
      const isHeld = (kept.get(due.id) ?? []).some((by) => by.startsWith('hld_'));
      const least = minimumEnd({ ...due, expiresAt: null, kind: null }, minimums);
      count(isHeld || (least !== null && least > now) ? keeps : removes, vault, due);
    }
  }
  return looked;
}

/** What is over by the rules in force as well is not the new policy's doing. */
async function notYetOver(
  parts: SimulationParts,
  vault: Vault,
  before: Awaited<ReturnType<Policies['of']>>,
  page: readonly Due[],
  now: number,
): Promise<readonly Due[]> {
  const rows = await parts.store.read(vault.organization.id, (db) =>
    db
      .selectFrom('memories')
      .select(['id', 'state', 'version', 'conversation', 'created_at', 'expires_at'])
      .where(
        'id',
        'in',
        page.map(({ id }) => id),
      )
      .execute(),
  );
  const kinds = await kindsOf(parts, vault, rows);
  const over = new Set(
    rows.flatMap((row) =>
      isExpired(before, datedRecord(row, kinds.get(row.id) ?? null), now) ? [row.id] : [],
    ),
  );
  return page.filter(({ id }) => !over.has(id));
}

async function simulateArchive(
  { store, clock, policies }: SimulationParts,
  { vault: only, rules, organization }: Simulated,
  vault: Vault,
  archives: Effects,
): Promise<number> {
  const places =
    only === null
      ? [await policies.get(organization.id, vault.id), rules]
      : [rules, await policies.get(organization.id, null)];
  const { memoriesMs, conversationsMs } = archiveTimes(places);
  const shortest = Math.min(memoriesMs ?? Infinity, conversationsMs ?? Infinity);
  if (shortest === Infinity) return 0;
  const now = clock.now();
  let looked = 0;
  for (let after = ''; ;) {
    const rows = await store.read(organization.id, (db) =>
      db
        .selectFrom('memories')
        .select(['id', 'conversation', 'created_at'])
        .where('vault', '=', vault.id)
        .where('state', '=', 'live')
        .where('created_at', '<=', now - shortest)
        .where('id', '>', after)
        .orderBy('id')
        .limit(PAGE_ROWS)
        .execute(),
    );
    looked += rows.length;
    for (const { id, conversation, created_at } of rows) {
      const ms = conversation === null ? memoriesMs : conversationsMs;
      if (ms !== null && created_at + ms <= now) count(archives, vault, { id, conversation });
    }
    const last = rows.at(-1);
    if (last === undefined || rows.length < PAGE_ROWS) return looked;
    after = last.id;
  }
}

function count(effects: Effects, vault: Vault, { id, conversation }: Pick<Due, 'id' | 'conversation'>): void {
  const kind = conversation === null ? 'memories' : 'conversations';
  const name = `${vault.id} ${kind}`;
  const effect = effects.get(name) ?? { vault: vault.id, class: kind, count: 0, memories: [] };
  effect.count++;
  if (effect.memories.length < SHOWN_MAX) effect.memories.push(id);
  effects.set(name, effect);
}
