/**
 * The archive on a scratch instance, by a clock that is turned: what comes of age moves, comes back only when somebody else
 * approved, after the wait and for a while; and what lies there is AES-256, opens with its key alone and not with a bit turned.
 */
import { createDecipheriv, createHmac } from 'node:crypto';
import { ask } from '../ask.ts';
import { canaryVector, canaryWord, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import { turnedBit } from '../turned-bit.ts';
import type { Insides, Tenant, World } from '../world.ts';
import { decryptStream } from '../../crypto/cobblestone.ts';
import { encodeUtf8 } from '../../bytes/encoding.ts';
import { StrongroomError } from '../../errors.ts';
import { RecordKeys } from '../../keys/record-key.ts';
import type { Slot } from '../../keys/slot.ts';
import { SYSTEM } from '../../store/store.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const DIMENSIONS = 8;
const HEAD_BYTES = 24 + 32;

interface Opened {
  readonly name: string;
  readonly hasCanary: boolean;
  /** What AES-256 in counter mode under the archive's key gives begins as an archive does. */
  readonly isAes256: boolean;
  readonly opens: boolean;
  readonly opensElsewhere: readonly string[];
}

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
  readonly files: readonly Opened[];
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
    'CRY-02': ({ files }) => {
      const faults = files.flatMap(({ name, hasCanary, isAes256, opens, opensElsewhere }) => [
        ...(hasCanary ? [`${name} holds a canary in the clear`] : []),
        ...(isAes256 ? [] : [`${name} is not AES-256 under the key of its archive`]),
        ...(opens ? [] : [`${name} does not open with its own key`]),
        ...opensElsewhere.map((how) => `${name} opens ${how}`),
      ]);
      return judged(files.length, faults, { archives: files.length });
    },
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

/** Each archive of the vault as it lies on disk, opened with its own key and tried with others. */
async function openAll(
  { world, tenant, insides, vault }: Stage,
  { word, sinceMs }: { readonly word: string; readonly sinceMs: number },
): Promise<readonly Opened[]> {
  const { store, keyring } = insides;
  const { rows, scope } = await store.read(SYSTEM, async (db) => {
    const rows = await db.selectFrom('archives').selectAll().where('vault', '=', vault).execute();
    const own = await db
      .selectFrom('vaults')
      .select('slot')
      .where('id', '=', vault)
      .executeTakeFirstOrThrow();
    const owner = await db
      .selectFrom('organizations')
      .select('slot')
      .where('id', '=', tenant.organization)
      .executeTakeFirstOrThrow();
    const scope = [
      ['organization', owner.slot as Slot],
      ['vault', own.slot as Slot],
    ] as const;
    return { rows, scope };
  });
  const keys = new RecordKeys(keyring);
  const opened: Opened[] = [];
  for (const { id, slot } of rows) {
    const bytes = await bytesOf(world, id, sinceMs);
    const key = keys.key({ id, version: 1, own: slot as Slot, scope });
    const context = encodeUtf8(`strongroom/archive/1 ${tenant.organization} ${vault} ${id}`);
    const elsewhere = {
      'with a bit turned': await opens({ key, context }, turnedBit(bytes, bytes.length - 1)),
      'under another key': await opens({ key: turnedBit(key), context }, bytes),
      'as another archive': await opens({ key, context: encodeUtf8('another') }, bytes),
      'cut short': await opens({ key, context }, bytes.subarray(0, -1)),
    };
    opened.push({
      name: 'an archive',
      hasCanary: Buffer.from(bytes).includes(word),
      isAes256: counterMode({ key, context }, bytes).startsWith('SRAR'),
      opens: await opens({ key, context }, bytes),
      opensElsewhere: Object.entries(elsewhere).flatMap(([how, isOpen]) => (isOpen ? [how] : [])),
    });
  }
  return opened;
}

/** As it was written below the data directory. */
async function bytesOf(world: World, id: string, sinceMs: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const { name, bytes } of world.written(sinceMs, 0))
    if (name.includes(id)) pieces.push(Buffer.from(bytes));
  return new Uint8Array(Buffer.concat(pieces));
}

interface Key {
  readonly key: Uint8Array;
  readonly context: Uint8Array;
}

async function opens(from: Key, bytes: Uint8Array): Promise<boolean> {
  try {
    for await (const piece of decryptStream(from, [bytes])) if (piece.length < 0) return false;
    return true;
  } catch (error) {
    if (error instanceof StrongroomError && error.code === 'box.damaged') return false;
    throw error;
  }
}

/**
 * The first chunk by a second implementation: HKDF-Expand with SHA-512 (RFC 5869, 2.3) gives key and nonce, and AES-256-GCM
 * enciphers in counter mode from the block after the first.
 */
function counterMode({ key, context }: Key, bytes: Uint8Array): string {
  const label = Buffer.from('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0', 'latin1');
  const info = Buffer.concat([label, bytes.subarray(0, 24), context]);
  const first = createHmac('sha512', key).update(info).update(Buffer.of(1)).digest();
  const counter = Buffer.concat([first.subarray(32, 44), Buffer.of(0, 0, 0, 2)]);
  const decipher = createDecipheriv('aes-256-ctr', first.subarray(0, 32), counter);
  return decipher.update(bytes.subarray(HEAD_BYTES, HEAD_BYTES + 64)).toString('latin1');
}
