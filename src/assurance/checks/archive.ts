/**
 * The archive on a scratch instance, by a clock that is turned: what comes of age moves, comes back only when somebody else
 * approved, after the wait and for a while; and what lies there is AES-256, opens with its key alone and not with a bit turned.
 */
import { DAY_MS, HOUR_MS, MINUTE_MS } from '../../durations.ts';
import { ask } from '../ask.ts';
import { canaryVector, canaryWord, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import { fileFaults, filesNamed, tryFile, vaultKeys, type TriedFile } from '../tried-file.ts';
import type { Insides, Tenant, World } from '../world.ts';
import { encodeUtf8 } from '../../bytes/encoding.ts';
import type { Slot } from '../../keys/slot.ts';
import { SYSTEM } from '../../store/store.ts';

const DIMENSIONS = 8;

interface Archived {
  /** Memories of age that are not in the archive, and those that are. */
  readonly notArchived: number;
  readonly archived: number;
  readonly foundBySearch: boolean;
  /** Statuses: of approving one's own, of reading unapproved, too early, in time, and after the end. */
  readonly ownApproval: number;
  readonly unapproved: number;
  readonly early: number;
  readonly inTime: number;
  readonly isWhole: boolean;
  readonly late: number;
  readonly copiesLeft: number;
  readonly waitedHours: number;
  readonly files: readonly TriedFile[];
}

export const archiveCheck = defineCheck<Archived>({
  name: 'archive',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('the clock is turned from the inside');
    const tenant = await world.tenant(0);
    return withVault(world, tenant, {}, (_, vault) => watch({ world, tenant, insides, vault }));
  },
  judges: {
    'RET-08': (seen, { hours = 48 }) => {
      const { notArchived, archived, foundBySearch, ownApproval, unapproved, early, inTime } = seen;
      const faults = [
        ...(archived > 0 ? [] : ['nothing moved to the archive']),
        ...(notArchived === 0 ? [] : [`${notArchived} memories of age are not in the archive`]),
        ...(foundBySearch ? ['a search still finds what is archived'] : []),
        ...(ownApproval === 403 ? [] : [`approving one's own request answered ${ownApproval}`]),
        ...(unapproved === 409 ? [] : [`an unapproved request was read: ${unapproved}`]),
        ...(early === 409 ? [] : [`the copy was read before the wait was over: ${early}`]),
        ...(inTime === 200 && seen.isWhole ? [] : ['the copy did not come back whole']),
        ...(seen.late === 409 ? [] : [`an expired copy was read: ${seen.late}`]),
        ...(seen.copiesLeft === 0 ? [] : ['the copy was left after its end']),
        ...(seen.waitedHours <= hours ? [] : [`it took ${seen.waitedHours} hours`]),
      ];
      return judged(archived, faults, { waitedHours: seen.waitedHours });
    },
    'CRY-02': ({ files }) => judged(files.length, fileFaults(files), { archives: files.length }),
  },
  sabotages: [
    {
      name: 'plain-archive',
      breaks: 'Archives are written as they are, without encryption around them.',
      turns: ['CRY-02'],
      change: {
        cipher: () => ({
          encrypt: (_, plaintext) => Promise.resolve(new Uint8Array(plaintext)),
          decrypt: (_, file) => Promise.resolve(new Uint8Array(file)),
        }),
      },
    },
    {
      name: 'open-archive',
      breaks: 'Whoever asks is answered, approved or not, at any time.',
      turns: ['RET-08'],
      change: {
        parts: (real) => ({
          ...real,
          archive: replaced(real.archive, {
            readRequest: (context, id, page) =>
              real.archive.readRequest(context, id, page).catch(() => ({ memories: [], next: null })),
          }),
        }),
      },
    },
    {
      name: 'no-archiving',
      breaks: 'Nothing moves to the archive, whatever its age.',
      turns: ['RET-08'],
      change: { scheduler: (real) => replaced(real, { run: () => Promise.resolve() }) },
    },
  ],
});

interface Stage {
  readonly world: World;
  readonly tenant: Tenant;
  readonly insides: Insides;
  readonly vault: string;
}

async function watch({ world, tenant, insides, vault }: Stage): Promise<Archived> {
  const { client, apiKey } = tenant;
  const sinceMs = Date.parse('2020-01-01T00:00:00Z');
  const word = canaryWord(world);
  const vector = canaryVector(world, DIMENSIONS);
  await client.retention.set({ memories: { archiveAfterDays: 1 } }, vault);
  const { id } = await client.memories.add(vault, { text: `about ${word}`, vector, subject: word });
  insides.turnClock(2 * DAY_MS);
  await insides.sweep();
  const { aged, moved } = await countOf(insides, vault, world.clock.now() - DAY_MS);
  const found = await client.memories.search(vault, word);
  const files = await openAll({ world, tenant, insides, vault }, { word, sinceMs });
  const status = async (path: string, method = 'GET', key = apiKey): Promise<number> =>
    (await ask(world, { method, path: `/v1/archive/requests/${path}`, apiKey: key })).status;
  const scopes = [{ actions: ['archive.*'], vaults: ['*'] }];
  const asker = await client.keys.create({ name: `canary ${word}`, scopes });
  const asked = await ask(world, {
    method: 'POST',
    path: '/v1/archive/requests',
    body: { vault, memories: [id], reason: 'a canary' },
    apiKey: asker.apiKey,
  });
  const request = String(asked.json?.['id']);
  const ownApproval = await status(`${request}/approve`, 'POST', asker.apiKey);
  const unapproved = await status(`${request}/memories`);
  const approved = await client.archive.approve(request);
  const readyMs = Date.parse(approved.readyAt ?? '');
  const waitMs = readyMs - world.clock.now();
  // The clock goes on meanwhile.
  insides.turnClock(waitMs - MINUTE_MS);
  const early = await status(`${request}/memories`);
  insides.turnClock(MINUTE_MS);
  const copy = await client.archive.memories(request).catch(() => null);
  const inTime = await status(`${request}/memories`);
  insides.turnClock(Date.parse(approved.expiresAt ?? '') - readyMs);
  const late = await status(`${request}/memories`);
  await insides.sweep();
  const copiesLeft = await copiesOf(insides, request);
  await client.keys.revoke(asker.id);
  await client.retention.set({}, vault);
  return {
    notArchived: aged - moved,
    archived: moved,
    foundBySearch: found.some((one) => one.id === id),
    ownApproval,
    unapproved,
    early,
    inTime,
    isWhole: copy?.memories[0]?.text === `about ${word}` && copy.memories[0].vector?.length === DIMENSIONS,
    late,
    copiesLeft,
    waitedHours: waitMs / HOUR_MS,
    files,
  };
}

/** Memories of the vault that are older than the policy lets lie, and those of them that are in the archive. */
const countOf = ({ store }: Insides, vault: string, until: number) =>
  store.read(SYSTEM, async (db) => {
    const rows = await db
      .selectFrom('memories')
      .select('state')
      .where('vault', '=', vault)
      .where('created_at', '<=', until)
      .execute();
    return { aged: rows.length, moved: rows.filter(({ state }) => state === 'archived').length };
  });

const copiesOf = ({ store, keyring }: Insides, request: string): Promise<number> =>
  store.read(SYSTEM, async (db) => {
    const row = await db
      .selectFrom('archive_requests')
      .select(['state', 'copy_slot'])
      .where('id', '=', request)
      .executeTakeFirst();
    if (row?.state !== 'expired') return 1;
    return row.copy_slot === null || keyring.isErased(row.copy_slot as Slot) ? 0 : 1;
  });

/** Each archive of the vault as it lies on disk. */
async function openAll(
  { world, tenant, insides, vault }: Stage,
  { word, sinceMs }: { readonly word: string; readonly sinceMs: number },
): Promise<readonly TriedFile[]> {
  const rows = await insides.store.read(SYSTEM, (db) =>
    db.selectFrom('archives').selectAll().where('vault', '=', vault).execute(),
  );
  const keys = await vaultKeys(insides, { organization: tenant.organization, vault });
  const tried: TriedFile[] = [];
  for (const { id, slot } of rows) {
    const [bytes = new Uint8Array(0)] = (await filesNamed(world, id, sinceMs)).values();
    const context = `strongroom/archive/1 ${tenant.organization} ${vault} ${id}`;
    const from = { key: keys(id, slot), context: encodeUtf8(context) };
    tried.push(await tryFile({ what: 'an archive', magic: 'SRAR', bytes, from, word }));
  }
  return tried;
}
