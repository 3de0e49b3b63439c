/**
 * What must be kept, asked in the very transaction that would end it: legal holds and statutory minimums.
 *
 * Invariant: whatever ends together is kept together. Where one memory of a person, a conversation or a vault is held, the
 * whole of it is refused and nothing of it ends: a destroyed slot of the person would end the held memory along.
 */
import type { ExpressionBuilder, ExpressionWrapper, SqlBool } from 'kysely';
import { StrongroomError } from '../errors.ts';
import type { OrganizationId, VaultId } from '../ids.ts';
import type { HoldRow } from '../store/schema-retention.ts';
import type { Database } from '../store/schema.ts';
import { rowsWhere, SYSTEM, type ReadSql, type Tx } from '../store/store.ts';
import type { DeletionGuard, Ending } from '../vaults/deletion-guard.ts';
import { decodeScope } from '../vaults/memory-row.ts';
import type { Policies } from './policies.ts';

export interface HoldGuardParts {
  readonly policies: Pick<Policies, 'minimums'>;
  /** The time by which a statute has run out: none that is not plausible. */
  readonly now: () => number;
}

type ActiveHold = Pick<HoldRow, 'id' | 'kind' | 'vault' | 'target'>;

/** Everything that keeps content in one organization, as it stands in a transaction. */
interface Keepers {
  readonly organization: OrganizationId;
  readonly holds: readonly ActiveHold[];
  /** Slots of the people who are held: memories about several carry them in their scope. */
  readonly subjectSlots: ReadonlyMap<string, number>;
  /** What was created after these moments is kept by a statute; null: none. */
  readonly memoriesSince: number | null;
  readonly conversationsSince: number | null;
}

/** Ids in one statement. */
const IDS_MAX = 500;
const STATUTE = 'a statutory minimum';

export class HoldGuard implements DeletionGuard {
  readonly #parts: HoldGuardParts;

  constructor(parts: HoldGuardParts) {
    this.#parts = parts;
  }

  async require(tx: Tx, ending: Ending): Promise<void> {
    const keepers = await this.#keepers(tx.sql, await organizationOf(tx, ending));
    const by = await keptBy(tx.sql, keepers, ending);
    if (by.length > 0)
      throw new StrongroomError('held', `kept by ${[...new Set(by)].slice(0, 5).join(', ')}`);
  }

  /** What keeps any part of it, each named once: asked before anything is asked for, by whoever only looks. */
  async keeps(sql: ReadSql, organization: OrganizationId, ending: Ending): Promise<readonly string[]> {
    return [...new Set(await keptBy(sql, await this.#keepers(sql, organization), ending))];
  }

  async released(tx: Tx, vault: VaultId, memories: readonly string[]): Promise<readonly string[]> {
    if (memories.length === 0) return [];
    const organization = await organizationOf(tx, { kind: 'vault', vault });
    const kept = await this.keeping(tx.sql, organization, memories);
    return memories.filter((memory) => !kept.has(memory));
  }

  /** By memory, what keeps it: ids of holds, and a word for a statute. */
  async keeping(
    sql: ReadSql,
    organization: OrganizationId,
    memories: readonly string[],
  ): Promise<ReadonlyMap<string, readonly string[]>> {
    const keepers = await this.#keepers(sql, organization);
    const kept = new Map<string, readonly string[]>();
    if (isIdle(keepers)) return kept;
    for (let at = 0; at < memories.length; at += IDS_MAX) {
      for (const [memory, by] of await keptAmong(sql, keepers, memories.slice(at, at + IDS_MAX)))
        kept.set(memory, by);
    }
    return kept;
  }

  async #keepers(sql: ReadSql, organization: OrganizationId): Promise<Keepers> {
    const active = { organization, state: 'active' } as const;
    const found = await rowsWhere(sql, 'holds', ['id', 'kind', 'vault', 'target'], { equal: active });
    const holds = found.toSorted((left, right) => (left.id < right.id ? -1 : 1));
    const people = holds.flatMap(({ kind, target }) =>
      kind === 'subject' && target !== null ? [target] : [],
    );
    const rows =
      people.length === 0
        ? []
        : await sql.selectFrom('subjects').select(['id', 'slot']).where('id', 'in', people).execute();
    const { memoriesMs, conversationsMs } = await this.#parts.policies.minimums(organization);
    const since = (ms: number | null): number | null => (ms === null ? null : this.#parts.now() - ms);
    return {
      organization,
      holds,
      subjectSlots: new Map(rows.map(({ id, slot }) => [id, slot])),
      memoriesSince: since(memoriesMs),
      conversationsSince: since(conversationsMs ?? memoriesMs),
    };
  }
}

const isIdle = ({ holds, memoriesSince, conversationsSince }: Keepers): boolean =>
  holds.length === 0 && memoriesSince === null && conversationsSince === null;

/** Of a job in the system's own scope, found through what is about to end. */
async function organizationOf(tx: Tx, ending: Ending): Promise<OrganizationId> {
  if (tx.organization !== SYSTEM) return tx.organization;
  const row =
    ending.kind === 'organization'
      ? undefined
      : ending.kind === 'subject'
        ? await tx.sql
            .selectFrom('subjects')
            .select('organization')
            .where('id', '=', ending.subject)
            .executeTakeFirst()
        : await tx.sql
            .selectFrom('vaults')
            .select('organization')
            .where('id', '=', ending.vault)
            .executeTakeFirst();
  // Whose it is must be known before it can be said that nobody keeps it.
  if (row === undefined)
    throw new StrongroomError(
      'internal',
      'the guard was asked about nobody’s content outside of an organization',
    );
  return row.organization as OrganizationId;
}

/** Everything that keeps any part of it. */
async function keptBy(sql: ReadSql, keepers: Keepers, ending: Ending): Promise<readonly string[]> {
  if (isIdle(keepers)) return [];
  if (ending.kind === 'memories') {
    const kept: string[] = [];
    for (let at = 0; at < ending.memories.length; at += IDS_MAX)
      kept.push(
        ...[...(await keptAmong(sql, keepers, ending.memories.slice(at, at + IDS_MAX))).values()].flat(),
      );
    return kept;
  }
  const whole = keepers.holds.filter((hold) => isWholeOf(hold, ending)).map(({ id }) => id);
  if (whole.length > 0) return whole;
  return (await anyHeld(sql, keepers, ending)) ? [...partKeepers(keepers)] : [];
}

/** Whether the hold is on what ends itself, or on something that lies in it whatever it holds. */
function isWholeOf({ kind, vault, target }: ActiveHold, ending: Ending): boolean {
  if (ending.kind === 'organization' || kind === 'organization') return true;
  if (ending.kind === 'vault') return vault === ending.vault || (kind === 'vault' && target === ending.vault);
  if (ending.kind === 'conversation')
    return (
      (kind === 'conversation' && target === ending.conversation) ||
      (kind === 'vault' && target === ending.vault)
    );
  return ending.kind === 'subject' && kind === 'subject' && target === ending.subject;
}

/** Those that may keep a part: which memory it is that each keeps is in its explanation. */
const partKeepers = ({ holds, memoriesSince, conversationsSince }: Keepers): readonly string[] => [
  ...holds.map(({ id }) => id),
  ...(memoriesSince === null && conversationsSince === null ? [] : [STATUTE]),
];

type Joined = Pick<Database, 'memories'> & { boxes: { memory: string; scope: string } };
type Where = ExpressionBuilder<Joined, 'memories' | 'boxes'>;
type Condition = ExpressionWrapper<Joined, 'memories' | 'boxes', SqlBool>;

/** Whether anything that would end along is kept: looked for among versions in the vault and in the archive. */
async function anyHeld(sql: ReadSql, keepers: Keepers, ending: Ending): Promise<boolean> {
  const slot = await slotOf(sql, ending);
  for (const table of ['memory_versions', 'archived_versions'] as const) {
    const found = await sql
      .selectFrom('memories')
      .innerJoin(
        (from) =>
          from
            .selectFrom(table)
            .select(['memory', 'scope'])
            .where('organization', '=', keepers.organization)
            .as('boxes'),
        (join) => join.onRef('boxes.memory', '=', 'memories.id'),
      )
      .select('memories.id')
      .where('memories.organization', '=', keepers.organization)
      .where((where) => endsWith(where as unknown as Where, ending, slot))
      .where((where) => isKept(where as unknown as Where, keepers))
      .limit(1)
      .executeTakeFirst();
    if (found !== undefined) return true;
  }
  return false;
}

/** Memories that end with it. */
function endsWith(where: Where, ending: Ending, slot: number | null): Condition {
  if (ending.kind === 'vault') return where('memories.vault', '=', ending.vault);
  if (ending.kind === 'conversation')
    return where.or([
      where.and([
        where('memories.vault', '=', ending.vault),
        where('memories.conversation', '=', ending.conversation),
      ]),
      ...(slot === null ? [] : [where('boxes.scope', 'like', inScope(slot, 'conversation'))]),
    ]);
  if (ending.kind === 'subject')
    return where.or([
      where('memories.subject', '=', ending.subject),
      ...(slot === null ? [] : [where('boxes.scope', 'like', inScope(slot))]),
    ]);
  return where.and([]);
}

/** Memories that something keeps. */
function isKept(
  where: Where,
  { holds, subjectSlots, memoriesSince, conversationsSince }: Keepers,
): Condition {
  const targets = (kind: HoldRow['kind']): readonly string[] =>
    holds.flatMap((hold) => (hold.kind === kind && hold.target !== null ? [hold.target] : []));
  const among = (
    column: 'memories.vault' | 'memories.conversation' | 'memories.subject',
    ids: readonly string[],
  ) => (ids.length === 0 ? [] : [where(column, 'in', [...ids])]);
  const listed = holds.flatMap(({ id, kind }) => (kind === 'memories' ? [id] : []));
  return where.or([
    ...among('memories.vault', targets('vault')),
    ...among('memories.conversation', targets('conversation')),
    ...among('memories.subject', targets('subject')),
    ...[...subjectSlots.values()].map((slot) => where('boxes.scope', 'like', inScope(slot))),
    ...(listed.length === 0
      ? []
      : [
          where(
            'memories.id',
            'in',
            (where as unknown as ExpressionBuilder<Database, never>)
              .selectFrom('hold_memories')
              .select('hold_memories.memory')
              .where('hold_memories.hold', 'in', listed) as never,
          ),
        ]),
    ...(memoriesSince === null
      ? []
      : [
          where.and([
            where('memories.conversation', 'is', null),
            where('memories.created_at', '>', memoriesSince),
          ]),
        ]),
    ...(conversationsSince === null
      ? []
      : [
          where.and([
            where('memories.conversation', 'is not', null),
            where('memories.created_at', '>', conversationsSince),
          ]),
        ]),
  ]);
}

/** As `encodeScope` writes it. */
const inScope = (slot: number, role: 'subject' | 'conversation' = 'subject'): string =>
  `%["${role}",${slot}]%`;

/** Of the person or the conversation: what was derived from theirs has it in its key. */
async function slotOf(sql: ReadSql, ending: Ending): Promise<number | null> {
  if (ending.kind !== 'subject' && ending.kind !== 'conversation') return null;
  const row =
    ending.kind === 'subject'
      ? await sql.selectFrom('subjects').select('slot').where('id', '=', ending.subject).executeTakeFirst()
      : await sql
          .selectFrom('conversations')
          .select('slot')
          .where('id', '=', ending.conversation)
          .executeTakeFirst();
  return row?.slot ?? null;
}

/** At most `IDS_MAX` memories, each with what keeps it. */
async function keptAmong(
  sql: ReadSql,
  keepers: Keepers,
  ids: readonly string[],
): Promise<ReadonlyMap<string, readonly string[]>> {
  const rows = await sql
    .selectFrom('memories')
    .select(['id', 'vault', 'subject', 'conversation', 'created_at'])
    .where('organization', '=', keepers.organization)
    .where('id', 'in', [...ids])
    .execute();
  const listed = await listedHolds(sql, keepers, ids);
  const people = keepers.subjectSlots.size === 0 ? new Map() : await scopeSlots(sql, ids);
  const kept = new Map<string, readonly string[]>();
  for (const row of rows) {
    const slots: ReadonlySet<number> = people.get(row.id) ?? new Set();
    const by = keepers.holds.filter(
      ({ id, kind, target }) =>
        kind === 'organization' ||
        (kind === 'vault' && target === row.vault) ||
        (kind === 'conversation' && target === row.conversation) ||
        (kind === 'subject' &&
          (target === row.subject || slots.has(keepers.subjectSlots.get(target ?? '') ?? -1))) ||
        (kind === 'memories' && listed.get(row.id)?.has(id) === true),
    );
    const since = row.conversation === null ? keepers.memoriesSince : keepers.conversationsSince;
    const names = [...by.map(({ id }) => id), ...(since !== null && row.created_at > since ? [STATUTE] : [])];
    if (names.length > 0) kept.set(row.id, names);
  }
  return kept;
}

async function listedHolds(
  sql: ReadSql,
  { holds }: Keepers,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const listing = holds.flatMap(({ id, kind }) => (kind === 'memories' ? [id] : []));
  const found = new Map<string, Set<string>>();
  if (listing.length === 0) return found;
  const rows = await sql
    .selectFrom('hold_memories')
    .select(['hold', 'memory'])
    .where('memory', 'in', [...ids])
    .where('hold', 'in', listing)
    .execute();
  for (const { hold, memory } of rows) found.getOrInsertComputed(memory, () => new Set()).add(hold);
  return found;
}

/** Slots of the people in the keys of any version of the memories. */
async function scopeSlots(
  sql: ReadSql,
  ids: readonly string[],
): Promise<ReadonlyMap<string, ReadonlySet<number>>> {
  const found = new Map<string, Set<number>>();
  for (const table of ['memory_versions', 'archived_versions'] as const) {
    const rows = await sql
      .selectFrom(table)
      .select(['memory', 'scope'])
      .where('memory', 'in', [...ids])
      .execute();
    for (const { memory, scope } of rows)
      for (const [role, slot] of decodeScope(scope))
        if (role === 'subject') found.getOrInsertComputed(memory, () => new Set()).add(slot);
  }
  return found;
}
