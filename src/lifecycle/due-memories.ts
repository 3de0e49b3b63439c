/** Memories whose time is over by the rules, in the order of their ids, page by page: what is left for later is passed by. */
import { setImmediate as turn } from 'node:timers/promises';
import type { Organizations } from '../access/organizations.ts';
import { HOUR_MS } from '../durations.ts';
import type { OrganizationId } from '../ids.ts';
import { idBefore } from '../ids.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import { expiryOf, shortestMs, type ExpiryRules } from '../search/expiry.ts';
import { SYSTEM, type ReadSql, type Store } from '../store/store.ts';
import { openArchived, selectArchived } from '../vaults/archived-row.ts';
import { openMemory } from '../vaults/memory-row.ts';
import { selectJoined } from '../vaults/memory-store.ts';
import { datedRecord } from '../vaults/retention.ts';
import { matchVaultRow, selectVaults, type JoinedVaultRow, type Vault } from '../vaults/vault.ts';
import { StrongroomError } from '../errors.ts';

export interface DueParts {
  readonly store: Pick<Store, 'read'>;
  readonly sealer: RecordSealer;
  readonly organizations: Organizations;
}

export interface Due {
  readonly id: string;
  /** When it was due. */
  readonly at: number;
  readonly state: 'live' | 'trashed' | 'archived' | 'review';
  readonly createdAt: number;
  readonly conversation: string | null;
}

const PAGE_ROWS = 500;
const KEPT_STATES = ['live', 'trashed', 'archived', 'review'] as const;
/** An id is made a little before its row says it was created. */
const SLACK_MS = HOUR_MS;

type VaultsParts = Pick<DueParts, 'store' | 'sealer' | 'organizations'>;

/** Every vault that is there, the trashed ones as well: what lies in them ends all the same. */
export const allVaults = (parts: VaultsParts): AsyncGenerator<Vault> =>
  vaultsWhere(parts, (vaults) => vaults);

/** Those of them with anything in their trash: asked of many at once, because most have none. */
export const vaultsWithTrash = (parts: VaultsParts): AsyncGenerator<Vault> =>
  vaultsWhere(parts, (vaults) =>
    vaults.where(({ exists, selectFrom }) =>
      exists(
        selectFrom('memories')
          .select('memories.id')
          .whereRef('memories.organization', '=', 'vaults.organization')
          .whereRef('memories.vault', '=', 'vaults.id')
          .where('memories.state', '=', 'trashed'),
      ),
    ),
  );

type SelectVaults = ReturnType<typeof selectVaults>;

async function* vaultsWhere(
  { store, sealer, organizations }: VaultsParts,
  narrow: (vaults: SelectVaults) => SelectVaults,
): AsyncGenerator<Vault> {
  for (let after = ''; ;) {
    const rows = await store.read(SYSTEM, (db) =>
      narrow(selectVaults(db))
        .where('vaults.id', '>', after)
        .where('vaults.state', 'in', ['live', 'trashed'])
        .orderBy('vaults.id')
        .limit(PAGE_ROWS)
        .execute(),
    );
    for (const row of rows) {
      const vault = await openedVault(sealer, organizations, row);
      if (vault !== null) yield vault;
    }
    const last = rows.at(-1);
    if (last === undefined) return;
    after = last.id;
  }
}

/** Null where its keys are gone: then nothing in it is left to end. */
async function openedVault(
  sealer: RecordSealer,
  organizations: Organizations,
  row: JoinedVaultRow,
): Promise<Vault | null> {
  const organization = await organizations.find(row.organization as OrganizationId);
  return organization === null ? null : matchVaultRow(sealer, organization, row);
}

export interface DueQuery {
  readonly rules: ExpiryRules;
  readonly now: number;
  /**
   * Looks at every row, not only at those whose id says that they are old enough: an id is later than its row after the
   * clock was set back.
   */
  readonly isThorough: boolean;
}

/** What is over at `now` by `rules`, in pages. */
export async function* dueMemories(
  parts: DueParts,
  vault: Vault,
  { rules, now, isThorough }: DueQuery,
): AsyncGenerator<readonly Due[]> {
  const seen = new Set<string>();
  const aged = oldEnough(rules, now, isThorough);
  for (const select of [expiredByThemselves(now), aged]) {
    if (select === null) continue;
    for await (const rows of pagesOf(parts, vault, select)) {
      const kinds = namesKinds(rules) ? await kindsOf(parts, vault, rows) : NO_KINDS;
      const due: Due[] = [];
      for (const row of rows) {
        const dated = datedRecord(row, kinds.get(row.id) ?? null);
        const at = seen.has(row.id) ? null : expiryOf(rules, dated);
        if (at === null || at > now) continue;
        seen.add(row.id);
        due.push({
          id: row.id,
          at,
          state: row.state as Due['state'],
          createdAt: row.created_at,
          conversation: row.conversation,
        });
      }
      if (due.length > 0) yield due;
      await turn();
    }
  }
}

/**
 * Most vaults have no more than a page, and are asked once. Where there are more it is gone on state by state, in the order
 * of an index: for all states together each page would sort everything that is left.
 */
async function* pagesOf(
  { store }: DueParts,
  vault: Vault,
  select: Select,
): AsyncGenerator<readonly DatedRow[]> {
  const page = (states: readonly Due['state'][], after: string) =>
    store.read(vault.organization.id, (db) => select(db, { vault, states, after }));
  const first = await page(KEPT_STATES, '');
  yield first;
  if (first.length < PAGE_ROWS) return;
  const last = first.at(-1)?.id ?? '';
  for (const state of KEPT_STATES)
    for (let after = last; ;) {
      const rows = await page([state], after);
      if (rows.length > 0) yield rows;
      if (rows.length < PAGE_ROWS) break;
      after = rows.at(-1)?.id ?? after;
    }
}

interface From {
  readonly vault: Vault;
  readonly states: readonly Due['state'][];
  readonly after: string;
}

type Select = (db: ReadSql, from: From) => Promise<readonly DatedRow[]>;

interface DatedRow {
  readonly id: string;
  readonly state: string;
  readonly version: number;
  readonly conversation: string | null;
  readonly created_at: number;
  readonly expires_at: number | null;
}

const dated = (db: ReadSql, { vault, states, after }: From) =>
  db
    .selectFrom('memories')
    .select(['id', 'state', 'version', 'conversation', 'created_at', 'expires_at'])
    .where('vault', '=', vault.id)
    .where('state', 'in', states)
    .where('id', '>', after)
    .orderBy('id')
    .limit(PAGE_ROWS);

const expiredByThemselves =
  (now: number): Select =>
  (db, from) =>
    dated(db, from).where('expires_at', '<=', now).execute();

/** Ids are ordered by time, so what is too young is not even read. */
function oldEnough(rules: ExpiryRules, now: number, isThorough: boolean): Select | null {
  const shortest = shortestMs(rules);
  if (shortest === null) return null;
  const until = now - shortest;
  if (until < 0) return null;
  // Row by row, because one statement over a large vault would hold up everybody else.
  if (isThorough) return (db, from) => dated(db, from).execute();
  return (db, from) =>
    dated(db, from)
      .where('id', '<', idBefore('memory', until + SLACK_MS))
      .where('created_at', '<=', until)
      .execute();
}

const NO_KINDS: ReadonlyMap<string, string | null> = new Map();

const namesKinds = ({ vault, organization }: ExpiryRules): boolean =>
  (vault?.kinds.size ?? 0) > 0 || (organization?.kinds.size ?? 0) > 0;

/** They are sealed, so the memories have to be opened; one that does not open has no kind, and its other rules hold. */
export async function kindsOf(
  { store, sealer }: Pick<DueParts, 'store' | 'sealer'>,
  vault: Vault,
  rows: readonly Pick<DatedRow, 'id' | 'state' | 'version'>[],
): Promise<ReadonlyMap<string, string | null>> {
  const kinds = new Map<string, string | null>();
  const idsIn = (isArchived: boolean): string[] => [
    '',
    ...rows.flatMap(({ id, state }) => ((state === 'archived') === isArchived ? [id] : [])),
  ];
  const joined = await store.read(vault.organization.id, (db) =>
    selectJoined(db, vault).where('memories.id', 'in', idsIn(false)).execute(),
  );
  const archived = await store.read(vault.organization.id, (db) =>
    selectArchived(db, vault).where('memories.id', 'in', idsIn(true)).execute(),
  );
  for (const row of joined)
    kinds.set(
      row.id,
      unlessGone(() => openMemory(sealer, vault, row).body.kind),
    );
  for (const row of archived)
    kinds.set(
      row.id,
      unlessGone(() => openArchived(sealer, vault, row).body.kind),
    );
  await turn();
  return kinds;
}

function unlessGone(open: () => string | undefined): string | null {
  try {
    return open() ?? null;
  } catch (error) {
    if (error instanceof StrongroomError && (error.code === 'erased' || error.code === 'box.damaged'))
      return null;
    throw error;
  }
}
