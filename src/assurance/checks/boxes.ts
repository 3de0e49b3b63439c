/**
 * Sealed boxes from the inside of a scratch instance: the cipher by a second implementation of its counter mode, a key of
 * its own for each record and each vault, and what is stored of an API key given back as the key.
 */
import { createDecipheriv } from 'node:crypto';
import { ask } from '../ask.ts';
import { canaryEnd, canaryWord, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { encodeHex } from '../../bytes/encoding.ts';
import { openBox } from '../../crypto/seal.ts';
import type { HttpParts, Principal } from '../../http/parts.ts';
import { SYSTEM } from '../../store/store.ts';
import { replaced } from '../replaced.ts';
import { turnedBit } from '../turned-bit.ts';
import { StrongroomError } from '../../errors.ts';
import { RecordKeys, type Scope } from '../../keys/record-key.ts';
import type { Slot } from '../../keys/slot.ts';
import type { Insides, Tenant, World } from '../world.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const KEY_BYTES = 32;
/** Secret and checksum at the end of a key. */
const SECRET_CHARACTERS = 59;

interface Opened {
  readonly vault: string;
  readonly slot: number;
  readonly key: string;
  /** Whether AES-256 in counter mode under the record's key gives the canary. */
  readonly isAes256: boolean;
  readonly opensAtPlace: boolean;
  readonly opensElsewhere: readonly string[];
}

interface Boxes {
  readonly opened: readonly Opened[];
  readonly vaultSlots: readonly number[];
  /** Forms of the stored hash that signed in. */
  readonly hashSignsIn: readonly string[];
  readonly hashForms: number;
}

export const boxesCheck = defineCheck<Boxes>({
  name: 'boxes',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('boxes are looked at from the inside');
    const tenant = await world.tenant(0);
    return withVault(world, tenant, {}, (first, one) =>
      withVault(world, tenant, {}, async (second, two) => {
        const text = canaryWord(world);
        const expiresAt = canaryEnd(world);
        for (const vault of [first, first, second]) await vault.add({ text, expiresAt });
        const opened = await openAll(insides, tenant, [one, two], text);
        const vaultSlots = await slotsOf(insides, tenant, [one, two]);
        return { opened, vaultSlots, ...(await presentHash(world, insides, tenant)) };
      }),
    );
  },
  judges: {
    'CRY-01': ({ opened }) => {
      const faults = opened.flatMap(({ isAes256, opensAtPlace, opensElsewhere }) => [
        ...(isAes256 ? [] : ['a box is not AES-256 under the key of its record']),
        ...(opensAtPlace ? [] : ['a box does not open at its own place']),
        ...opensElsewhere.map((where) => `a box opens ${where}`),
      ]);
      return judged(opened.length, [...new Set(faults)], { boxesOpened: opened.length });
    },
    'KEY-01': ({ hashSignsIn, hashForms }) =>
      judged(
        hashForms,
        hashSignsIn.map((form) => `the stored hash signs in (${form})`),
        { hashForms },
      ),
    'TEN-02': ({ opened, vaultSlots }) => {
      const keys = new Set(opened.map(({ key }) => key));
      const faults = [
        ...(keys.size === opened.length ? [] : ['two records share a key']),
        ...(new Set(vaultSlots).size === vaultSlots.length ? [] : ['two vaults share a slot']),
      ];
      return judged(vaultSlots.length, faults, { recordKeys: keys.size });
    },
  },
  sabotages: [
    {
      name: 'other-cipher',
      breaks: 'Boxes are turned around after they are sealed, as another cipher would.',
      turns: ['CRY-01'],
      change: {
        sealer: (real) => ({
          at: (record) => {
            const boxes = real.at(record);
            return {
              seal: (column, content) => new Uint8Array(boxes.seal(column, content)).reverse(),
              open: (column, box) => boxes.open(column, new Uint8Array(box).reverse()),
              openInPlace: (column, box) => boxes.openInPlace(column, box.reverse()),
            };
          },
        }),
      },
    },
    {
      name: 'hash-is-key',
      breaks: 'What is stored of a key signs in.',
      turns: ['KEY-01'],
      change: {
        parts: (real, { store }) => {
          let last: Principal | null = null;
          const authenticate: HttpParts['access']['authenticate'] = async (apiKey, address) => {
            const rows = await store.read(SYSTEM, (db) =>
              db.selectFrom('api_keys').select('hash_box').execute(),
            );
            const isHash = rows.some(({ hash_box }) => apiKey.reveal() === encodeHex(hash_box));
            if (isHash && last !== null) return last;
            last = await real.access.authenticate(apiKey, address);
            return last;
          };
          return { ...real, access: replaced(real.access, { authenticate }) };
        },
      },
    },
    {
      name: 'one-slot',
      breaks: 'All vaults have the slot of the first.',
      turns: ['TEN-02'],
      change: {
        parts: (real, { store }) => ({
          ...real,
          memories: replaced(real.memories, {
            addMemory: async (context, vault, input) => {
              const added = await real.memories.addMemory(context, vault, input);
              await store.write(context.organization, async (tx) => {
                const [first] = await tx.sql.selectFrom('vaults').select('slot').orderBy('id').execute();
                const slot = first?.slot ?? 0;
                await tx.sql.updateTable('vaults').set({ slot, change: tx.change }).execute();
              });
              return added;
            },
          }),
        }),
      },
    },
  ],
});

async function openAll(
  { store, keyring }: Insides,
  { organization }: Tenant,
  vaults: readonly string[],
  text: string,
): Promise<readonly Opened[]> {
  const keys = new RecordKeys(keyring);
  const rows = await store.read(organization, (db) =>
    db.selectFrom('memory_versions').selectAll().where('vault', 'in', vaults).execute(),
  );
  return rows.map((row): Opened => {
    const { memory: id, version, vault } = row;
    const key = keys.key({ id, version, own: row.slot as Slot, scope: JSON.parse(row.scope) as Scope });
    const place = {
      purpose: 'record',
      table: 'memory_versions',
      column: 'body_box',
      organization,
      vault,
      id,
      version,
    };
    const box = new Uint8Array(row.body_box);
    const other = vaults.find((each) => each !== vault) ?? '';
    const elsewhere = {
      'in another vault': () => openBox(key, { ...place, vault: other }, box),
      'as another version': () => openBox(key, { ...place, version: version + 1 }, box),
      'in another column': () => openBox(key, { ...place, column: 'vector_box' }, box),
      'with a bit turned': () => openBox(key, place, turnedBit(box)),
      'under another key': () => openBox(turnedBit(key), place, box),
    };
    return {
      vault,
      slot: row.slot,
      key: Buffer.from(key).toString('hex'),
      isAes256: key.length === KEY_BYTES && counterMode(key, box).includes(text),
      opensAtPlace: opens(() => openBox(key, place, box)),
      opensElsewhere: Object.entries(elsewhere).flatMap(([where, open]) => (opens(open) ? [where] : [])),
    };
  });
}

/** AES-256-GCM enciphers in counter mode from the block after the first: what comes out owes nothing to our own code. */
function counterMode(key: Uint8Array, box: Uint8Array): Buffer {
  const counter = Buffer.concat([box.subarray(1, 1 + NONCE_BYTES), Buffer.of(0, 0, 0, 2)]);
  return createDecipheriv('aes-256-ctr', key, counter).update(
    box.subarray(1 + NONCE_BYTES, box.length - TAG_BYTES),
  );
}

function opens(open: () => unknown): boolean {
  try {
    open();
    return true;
  } catch (error) {
    if (error instanceof StrongroomError && error.code === 'box.damaged') return false;
    throw error;
  }
}

const slotsOf = async ({ store }: Insides, { organization }: Tenant, vaults: readonly string[]) => {
  const rows = await store.read(organization, (db) =>
    db.selectFrom('vaults').select(['id', 'slot']).where('id', 'in', vaults).execute(),
  );
  return rows.map(({ slot }) => slot);
};

async function presentHash(
  world: World,
  { store }: Insides,
  tenant: Tenant,
): Promise<Pick<Boxes, 'hashSignsIn' | 'hashForms'>> {
  const row = await store.read(SYSTEM, (db) =>
    db.selectFrom('api_keys').select(['hash_box']).where('id', '=', tenant.keyId).executeTakeFirst(),
  );
  if (row === undefined) return { hashSignsIn: [], hashForms: 0 };
  const hash = Buffer.from(row.hash_box);
  const head = tenant.apiKey.slice(0, -SECRET_CHARACTERS);
  const forms = {
    hex: hash.toString('hex'),
    base64: hash.toString('base64'),
    base64url: hash.toString('base64url'),
    'in place of the secret': head + hash.toString('hex').slice(0, SECRET_CHARACTERS),
  };
  const signedIn: string[] = [];
  for (const [form, apiKey] of Object.entries(forms)) {
    const { status } = await ask(world, { method: 'GET', path: '/v1/vaults', apiKey });
    if (status !== 401) signedIn.push(form);
  }
  return { hashSignsIn: signedIn, hashForms: Object.keys(forms).length };
}
