/**
 * That an erasure is final, from the inside of a scratch instance: copies of everything that was stored, made before it, do
 * not open with the keyring of today, where copies of its twin do; the certificate lists keys that end each of them; and no
 * request is left undone.
 */
import type { Strongroom } from '@strongroom/client';
import { DAY_MS } from '../../durations.ts';
import { StrongroomError } from '../../errors.ts';
import type { Keyring } from '../../keys/keyring.ts';
import { RecordKeys, type Scope } from '../../keys/record-key.ts';
import { KeyedSealer } from '../../keys/record-sealer.ts';
import type { Slot } from '../../keys/slot.ts';
import { verifyCertificate } from '../../lifecycle/verify-certificate.ts';
import type { MemoryVersionRow } from '../../store/schema.ts';
import { SYSTEM, type Store } from '../../store/store.ts';
import { canaryWord } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import type { Insides, World } from '../world.ts';

const WAYS = ['memory', 'subject', 'conversation', 'trash'] as const;

type Way = (typeof WAYS)[number];

interface Ended {
  readonly way: Way;
  /** Copies of the erased that open, and of its twin that do not. */
  readonly opens: number;
  readonly lost: number;
  readonly copies: number;
  /** How many of these were in the newest backup. */
  readonly backedUp: number;
  /** Copies of which no key that a certificate lists is part. */
  readonly uncovered: number;
  readonly faults: readonly string[];
}

interface Seen {
  readonly ended: readonly Ended[];
  /** The age, in days, of the oldest erasure that is not done. */
  readonly oldestDays: number;
}

export const finalityCheck = defineCheck<Seen>({
  name: 'finality',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('keys are looked at from the inside');
    const { client } = await world.tenant(0);
    const sown: Sown[] = [];
    for (const way of WAYS) sown.push(await sow(world, client, way));
    await insides.recovery.backups.create('full');
    const stored = await copiesOf(insides.store);
    const backedUp = await insides.recovery.laidOut(copiesOf);
    const ended: Ended[] = [];
    for (const one of sown) ended.push(await end({ world, insides, client }, one, { stored, backedUp }));
    insides.turnClock(31 * DAY_MS);
    await insides.sweep();
    return { ended, oldestDays: await oldestOpen(world, insides) };
  },
  judges: {
    'RET-03': ({ ended, oldestDays }, { days = 0 }) => {
      const faults = ended.flatMap(({ way, opens, lost, copies, backedUp }) => [
        ...(copies === 0 ? [`by ${way}: nothing had been stored, so nothing was learnt`] : []),
        ...(backedUp === 0 ? [`by ${way}: nothing was in the backup, so nothing was learnt`] : []),
        ...(opens === 0 ? [] : [`by ${way}: ${opens} copies of the erased open`]),
        ...(lost === 0 ? [] : [`by ${way}: ${lost} copies of what nobody erased do not open`]),
      ]);
      if (oldestDays > days) faults.push(`an erasure is not done after ${Math.round(oldestDays)} days`);
      const copies = ended.reduce((sum, each) => sum + each.copies, 0);
      return judged(copies, faults, { copies, oldestDays: Math.round(oldestDays) });
    },
    'RET-11': ({ ended }) => {
      const faults = ended.flatMap(({ way, uncovered, faults }) => [
        ...faults.map((fault) => `by ${way}: ${fault}`),
        ...(uncovered === 0 ? [] : [`by ${way}: its keys leave ${uncovered} copies open`]),
      ]);
      return judged(ended.length, faults, { certificates: ended.length });
    },
  },
  sabotages: [
    {
      name: 'no-puncture',
      breaks: 'Erasures ask for nothing to be destroyed.',
      turns: ['RET-03', 'RET-11'],
      change: {
        destruction: (real) =>
          replaced(real, {
            order: (tx, _slots, reason, id) => real.order(tx, [], reason, id),
            carryOut: (request) => real.carryOut({ ...request, slots: [] }),
          }),
      },
    },
    {
      name: 'only-hidden',
      breaks: 'What is erased is refused, and its keys live on.',
      turns: ['RET-03', 'RET-11'],
      change: {
        destruction: (real) =>
          replaced(real, {
            carryOut: () => Promise.resolve({ epoch: null, state: 'hidden', confirmed: [], missing: [] }),
          }),
      },
    },
  ],
});

interface Canary {
  readonly id: string;
  readonly subject: string;
  readonly conversation: string;
}

/** What will be erased in that way, and what nobody erases. */
interface Sown {
  readonly way: Way;
  readonly vault: string;
  readonly canary: Canary;
  readonly twin: Canary;
}

async function sow(world: World, client: Strongroom, way: Way): Promise<Sown> {
  const vault = client.vault((await client.vaults.create(canaryWord(world))).id);
  const one = async (): Promise<Canary> => {
    const names = { subject: canaryWord(world), conversation: canaryWord(world) };
    const { id } = await vault.add({ text: canaryWord(world), vector: [1, 2], ...names });
    await vault.update(id, { text: canaryWord(world) });
    await vault.add({ text: canaryWord(world), derivedFrom: [id] });
    return { id, ...names };
  };
  return { way, vault: vault.vault, canary: await one(), twin: await one() };
}

interface Stage {
  readonly world: World;
  readonly insides: Insides;
  readonly client: Strongroom;
}

/** Versions as they lay in the database, and as the newest backup gives them back. */
interface Copies {
  readonly stored: readonly MemoryVersionRow[];
  readonly backedUp: readonly MemoryVersionRow[];
}

async function end(
  { world, insides, client }: Stage,
  { way, vault, canary, twin }: Sown,
  { stored, backedUp }: Copies,
): Promise<Ended> {
  const [erased, kept] = [canary.id, twin.id].map((id) =>
    [...stored, ...backedUp].filter(({ memory }) => memory === id),
  );
  const faults: string[] = [];
  const ranges = await erase(insides, client, { way, vault, ...canary }).catch((error: unknown) => {
    if (!(error instanceof StrongroomError)) throw error;
    faults.push(`it could not be certified: ${error.code}`);
    return [];
  });
  const isListed = (slot: number): boolean => ranges.some(([first, last]) => first <= slot && slot <= last);
  const opens = (erased ?? []).filter(
    (copy) => isAlive(insides.keyring, copy) || opensWith(world, insides, copy),
  );
  return {
    way,
    copies: erased?.length ?? 0,
    backedUp: backedUp.filter(({ memory }) => memory === canary.id).length,
    opens: opens.length,
    lost: (kept ?? []).filter((copy) => !opensWith(world, insides, copy)).length,
    uncovered: (erased ?? []).filter((copy) => !slotsOf(copy).some(isListed)).length,
    faults,
  };
}

interface Asked extends Canary {
  readonly way: Way;
  readonly vault: string;
}

/** The ranges of keys that the certificate lists. */
async function erase(
  insides: Insides,
  client: Strongroom,
  { way, vault, id, subject, conversation }: Asked,
): Promise<readonly (readonly [number, number])[]> {
  let erasure = '';
  if (way === 'trash') {
    await client.memories.delete(vault, id, { mode: 'trash' });
    insides.turnClock(31 * DAY_MS);
    await insides.sweep();
    erasure = (await client.erasures.list({ limit: 1 })).erasures[0]?.id ?? '';
  } else {
    const target =
      way === 'memory' ? { memory: id } : way === 'subject' ? { subject } : { vault, conversation };
    erasure = (await client.erasures.request({ target, reason: 'a canary' })).id;
  }
  const { certificate } = await client.erasures.certificate(erasure);
  const { verifierKey: key } = await client.erasures.certificateKey();
  return verifyCertificate(certificate, { key }).statement?.predicate.keys.ranges ?? [];
}

/** All versions that lie in a database now. */
const copiesOf = (store: Store): Promise<readonly MemoryVersionRow[]> =>
  store.read(SYSTEM, (db) => db.selectFrom('memory_versions').selectAll().execute());

const slotsOf = ({ slot, scope }: MemoryVersionRow): number[] => [
  slot,
  ...(JSON.parse(scope) as [string, number][]).map(([, part]) => part),
];

/** Whether the pages still derive all of its keys: refused is not dead. */
const isAlive = (keyring: Keyring, copy: MemoryVersionRow): boolean =>
  slotsOf(copy).every((slot) => !keyring.isDestroyed(slot as Slot));

function opensWith({ random }: World, { keyring }: Insides, copy: MemoryVersionRow): boolean {
  const { organization, vault, memory: id, version, slot, scope } = copy;
  const sealer = new KeyedSealer(new RecordKeys(keyring), random);
  const place = { table: 'memory_versions', organization, vault, id, version };
  try {
    const boxes = sealer.at({ ...place, own: slot as Slot, scope: JSON.parse(scope) as Scope });
    return boxes.open('body_box', copy.body_box).length > 0;
  } catch (error) {
    if (error instanceof StrongroomError && error.code === 'erased') return false;
    throw error;
  }
}

async function oldestOpen({ clock }: World, { store }: Insides): Promise<number> {
  const rows = await store.read(SYSTEM, (db) =>
    db.selectFrom('erasures').select('requested_at').where('state', '=', 'hidden').execute(),
  );
  const oldest = Math.min(clock.now(), ...rows.map((row) => row.requested_at));
  return (clock.now() - oldest) / DAY_MS;
}
