/**
 * A rotation on a scratch instance whose clock runs ahead: keys are replaced when they are due, what is written then lies
 * under the new ones, what was written before is still there, and the old ones are destroyed in the end. Of the root that
 * is looked for on the disk: whatever file held it, none does afterwards.
 */
import { Strongroom as Client, type LedgerCheckpoint } from '@strongroom/client';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bytes } from '../../bytes/encoding.ts';
import { DAY_MS } from '../../durations.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { decodeRootFile, ROOT_FILE_BYTES } from '../../keys/root-file.ts';
import type { Slot } from '../../keys/slot.ts';
import { openCheckpoint } from '../../ledger/checkpoint.ts';
import { parseVkey } from '../../ledger/note.ts';
import { verifyExport } from '../../ledger/verify-export.ts';
import { SYSTEM } from '../../store/store.ts';
import { canaryWord } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import type { Insides, Sabotaged, Tenant, World } from '../world.ts';

interface Rotated {
  /** By name: whether another key took its place when it was due, and the old one is dead after its time. */
  readonly keys: readonly {
    readonly name: string;
    readonly isReplaced: boolean;
    readonly isDestroyed: boolean;
  }[];
  /** Hashes of API keys in force that do not lie under the pepper of that day. */
  readonly leftBehind: number;
  /** What was written after the rotation and lies under an older key. */
  readonly underOld: readonly string[];
  /** Files that hold a root which was replaced. */
  readonly oldRootIn: readonly string[];
  /** Replicas whose root file holds its root: no key management service has a part of it. */
  readonly rootsInFiles: number;
  /** What could not be read back, or did not verify. */
  readonly lost: readonly string[];
  readonly readBack: number;
}

const SERVICE_KEYS = [
  'ledger signing',
  'pepper',
  'cursors',
  'backup signing',
  'certificate signing',
] as const;

export const rotationCheck = defineCheck<Rotated>({
  name: 'rotation',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('the clock is turned from the inside');
    const tenant = await world.tenant(0);
    const before = await stateOf(insides);
    const roots = await rootsOn(world);
    const old = await written(world, tenant, 'before');
    const { keys: ages } = await tenant.client.rotations.list();
    const retiredDays = await replaceAll(insides, Math.max(...ages.map(({ daysMax }) => daysMax)), tenant);
    const after = await stateOf(insides);
    const made = await written(world, tenant, 'after');
    const lost = [...(await old.lost()), ...(await made.lost())];
    const underOld = made.signedBy === old.signedBy ? ['a checkpoint of the ledger'] : [];
    const leftBehind = await hashesLeftBehind(insides, after.slots.get('pepper'));
    const oldRootIn = await filesWith(world, roots);
    // And once more when the old keys are gone.
    insides.turnClock((retiredDays + 1) * DAY_MS);
    await insides.rotations.tend();
    lost.push(...(await old.lost()), ...(await made.lost()));
    const keys = SERVICE_KEYS.map((name) => {
      const slot = before.slots.get(name);
      const isReplaced = slot !== after.slots.get(name);
      return { name, isReplaced, isDestroyed: slot !== undefined && insides.keyring.isErased(slot) };
    });
    const root = {
      name: 'root',
      isReplaced: after.epoch > before.epoch,
      isDestroyed: oldRootIn.length === 0,
    };
    const isTurned = after.sides > before.sides;
    const sides = { name: 'files beside the root', isReplaced: isTurned, isDestroyed: isTurned };
    for (const bytes of roots) bytes.fill(0);
    return {
      keys: [...keys, root, sides],
      leftBehind,
      underOld,
      oldRootIn,
      rootsInFiles: roots.length,
      lost: [...new Set(lost)],
      readBack: old.count + made.count,
    };
  },
  judges: {
    'CRY-04': ({ keys, leftBehind, underOld, oldRootIn, rootsInFiles, lost, readBack }) => {
      const faults = [
        ...keys.flatMap(({ name, isReplaced, isDestroyed }) => [
          ...(isReplaced ? [] : [`the ${name} key was not replaced when it was due`]),
          ...(isReplaced && !isDestroyed ? [`the old ${name} key is alive after its time`] : []),
        ]),
        ...(leftBehind === 0 ? [] : [`${leftBehind} hashes of API keys lie under the old pepper`]),
        ...underOld.map((what) => `${what} was made with an old key after the rotation`),
        ...oldRootIn.map((name) => `${name} still holds a root that was replaced`),
        ...(rootsInFiles === 0 ? ['no root was found on the disk, so nothing was learnt of its end'] : []),
        ...lost,
      ];
      const keysReplaced = keys.filter(({ isReplaced }) => isReplaced).length;
      return judged(keys.length + readBack, faults, { keysReplaced, rootsInFiles });
    },
  },
  sabotages: [
    {
      name: 'rotation-skipped',
      breaks: 'No key is ever found to be due.',
      turns: ['CRY-04'],
      change: { rotation: { isDue: () => false } },
    },
    {
      name: 'old-key-kept',
      breaks: 'A key that was replaced is never destroyed.',
      turns: ['CRY-04'],
      change: { rotation: { destroy: () => Promise.resolve(null) } },
    },
    {
      name: 'hashes-left-behind',
      breaks: 'What lies under the old pepper stays there.',
      turns: ['CRY-04'],
      change: { rotation: { rewrap: () => Promise.resolve() } },
    },
    {
      name: 'old-key-used',
      breaks: 'The new key is on record, and the old one goes on being used.',
      turns: ['CRY-04'],
      change: { rotation: { adopt: () => undefined } },
    },
    {
      name: 'old-root-kept',
      breaks: 'A copy of the root is made before the next one takes its place.',
      turns: ['CRY-04'],
      change: {
        parts: (real, { directory, keyring }) => ({
          ...real,
          rotations: replaced(real.rotations, {
            listRotations: async (context) => {
              await copyFile(
                join(directory, 'keystore', 'a', 'root'),
                join(directory, `root.${keyring.epoch}`),
              );
              return real.rotations.listRotations(context);
            },
          }),
        }),
      },
    },
    {
      name: 'destroyed-too-early',
      breaks: 'The old key dies before what lies under it has been brought over.',
      turns: ['CRY-04'],
      change: destroyedTooEarly(),
    },
  ],
});

interface State {
  readonly slots: ReadonlyMap<string, Slot>;
  readonly epoch: number;
  readonly sides: number;
}

async function stateOf({ store, keyring }: Insides): Promise<State> {
  const rows = await store.read(SYSTEM, (db) =>
    db.selectFrom('service_slots').select(['name', 'slot']).execute(),
  );
  const slots = new Map(rows.map(({ name, slot }) => [name, slot as Slot]));
  return { slots, epoch: keyring.epoch, sides: keyring.sideGeneration };
}

/** Goes to the day on which the last of them is due, and does the chores of that hour. Answers how long old keys are kept. */
async function replaceAll(
  { turnClock, rotations, keyring }: Insides,
  days: number,
  { client }: Tenant,
): Promise<number> {
  turnClock(days * DAY_MS);
  // The keyring's own chore: a full epoch once a day.
  await keyring.tend();
  await rotations.tend();
  const ages = (await client.rotations.list().catch(() => null))?.keys ?? [];
  const kept = ages.flatMap(({ retired }) =>
    retired.map(({ since, destroyBy }) => Date.parse(destroyBy ?? since) - Date.parse(since)),
  );
  return Math.max(1, ...kept) / DAY_MS;
}

/** A memory, an API key, a checkpoint and an export of that moment, and what of them is lost later. */
async function written(world: World, { client }: Tenant, when: string) {
  const word = canaryWord(world);
  const scopes = [{ actions: ['vault.list'], vaults: ['*'] }];
  const apiKey = (await client.keys.create({ name: word, scopes }).catch(() => null))?.apiKey;
  const vault = client.vault((await client.vaults.create({ name: word }).catch(() => ({ id: word }))).id);
  const memory = await vault.add({ text: word }).catch(() => null);
  const checkpoint = await client.ledger.checkpoint().catch(() => null);
  const lost = async (): Promise<string[]> => {
    const read = memory === null ? null : await vault.get(memory.id).catch(() => null);
    const isSigned = checkpoint !== null && (await isFollowed(client, checkpoint).catch(() => false));
    const isKnown = apiKey !== undefined && (await signsIn(world, apiKey));
    return [
      ...(read?.text === word ? [] : [`a memory from ${when} the rotation is not read back`]),
      ...(isKnown ? [] : [`an API key from ${when} the rotation does not sign in`]),
      ...(isSigned ? [] : [`a checkpoint from ${when} the rotation does not verify`]),
    ];
  };
  return { lost, signedBy: checkpoint?.verifierKey ?? null, count: 3 };
}

const signsIn = ({ url, fetch }: World, apiKey: string): Promise<boolean> =>
  new Client({ url, apiKey, fetch, retries: 0 }).vaults.list().then(
    () => true,
    () => false,
  );

/** The roots that lie in files named so, each once for every replica. */
async function rootsOn(world: World): Promise<Bytes[]> {
  const roots: Bytes[] = [];
  for await (const { name, bytes } of world.written(0, 0)) {
    if (!/(^|\/)root$/.test(name) || bytes.length !== ROOT_FILE_BYTES) continue;
    roots.push(...decodeRootFile(new Uint8Array(bytes)).cells.map(({ root }) => root));
  }
  return roots;
}

async function filesWith(world: World, needles: readonly Bytes[]): Promise<string[]> {
  const names = new Set<string>();
  const length = Math.max(0, ...needles.map((needle) => needle.length));
  for await (const { name, bytes } of world.written(0, length)) {
    const held = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
    if (needles.some((needle) => held.includes(needle))) names.add(name);
  }
  return [...names];
}

/** Whether it verifies with a published key, and whoever knew that key then can verify the whole log of today with it. */
async function isFollowed(
  client: Tenant['client'],
  { note, verifierKey }: LedgerCheckpoint,
): Promise<boolean> {
  const { keys } = await client.ledger.keys();
  const known = keys.find((key) => key.verifierKey === verifierKey);
  if (known === undefined) return false;
  const vkey = parseVkey(known.verifierKey);
  openCheckpoint(note, vkey);
  const report = await verifyExport(client.ledger.export(), () => vkey);
  return report.faults.length === 0 && report.fileFault === null;
}

async function hashesLeftBehind({ store }: Insides, pepper: Slot | undefined): Promise<number> {
  const rows = await store.read(SYSTEM, (db) =>
    db.selectFrom('api_keys').select('pepper_slot').where('state', '=', 'active').execute(),
  );
  return rows.filter(({ pepper_slot }) => pepper_slot !== pepper).length;
}

function destroyedTooEarly(): Sabotaged {
  let keyring: Keyring | null = null;
  return {
    parts: (real, within) => {
      ({ keyring } = within);
      return real;
    },
    rotation: {
      rewrap: async (_key, old) => {
        await keyring?.puncture({ id: `early_${old}`, slots: [old], reason: 'sabotage' });
      },
    },
  };
}
