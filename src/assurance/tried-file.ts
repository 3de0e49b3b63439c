/**
 * Encrypted files as they lie on disk, tried by somebody who has their key and by somebody who has not: what AES-256 under that
 * key gives, in an implementation of its own, and whether anything opens that should not.
 */
import { createDecipheriv, createHmac } from 'node:crypto';
import { decryptStream, type CobblestoneKey } from '../crypto/cobblestone.ts';
import { StrongroomError } from '../errors.ts';
import { RecordKeys } from '../keys/record-key.ts';
import type { Slot } from '../keys/slot.ts';
import { SYSTEM } from '../store/store.ts';
import { turnedBit } from './turned-bit.ts';
import type { Insides, World } from './world.ts';

export interface TriedFile {
  /** `an archive`. */
  readonly what: string;
  readonly hasCanary: boolean;
  /** What AES-256 in counter mode under its key gives begins as such a file does. */
  readonly isAes256: boolean;
  readonly opens: boolean;
  readonly opensElsewhere: readonly string[];
}

interface Trial {
  readonly what: string;
  /** What its plaintext begins with. */
  readonly magic: string;
  readonly bytes: Uint8Array;
  readonly from: CobblestoneKey;
  readonly word: string;
}

const SALT_BYTES = 24;
const HEAD_BYTES = SALT_BYTES + 32;

export async function tryFile({ what, magic, bytes, from, word }: Trial): Promise<TriedFile> {
  const { key, context } = from;
  const elsewhere = {
    'with a bit turned': await opens(from, turnedBit(bytes, bytes.length - 1)),
    'under another key': await opens({ key: turnedBit(key), context }, bytes),
    'without a key': await opens({ key: new Uint8Array(key.length), context }, bytes),
    'as another': await opens({ key, context: turnedBit(context) }, bytes),
    'cut short': await opens(from, bytes.subarray(0, -1)),
  };
  return {
    what,
    hasCanary: Buffer.from(bytes).includes(word),
    isAes256: counterMode(from, bytes).startsWith(magic),
    opens: await opens(from, bytes),
    opensElsewhere: Object.entries(elsewhere).flatMap(([how, isOpen]) => (isOpen ? [how] : [])),
  };
}

export const fileFaults = (files: readonly TriedFile[]): string[] =>
  files.flatMap(({ what, hasCanary, isAes256, opens, opensElsewhere }) => [
    ...(hasCanary ? [`${what} holds a canary in the clear`] : []),
    ...(isAes256 ? [] : [`${what} is not AES-256 under its own key`]),
    ...(opens ? [] : [`${what} does not open with its own key`]),
    ...opensElsewhere.map((how) => `${what} opens ${how}`),
  ]);

/** Files below the data directory that were written since and have the id in their names, by name. */
export async function filesNamed(
  world: Pick<World, 'written'>,
  id: string,
  sinceMs: number,
): Promise<ReadonlyMap<string, Uint8Array>> {
  const pieces = new Map<string, Buffer[]>();
  for await (const { name, bytes } of world.written(sinceMs, 0))
    if (name.includes(id)) pieces.getOrInsertComputed(name, () => []).push(Buffer.from(bytes));
  return new Map([...pieces].map(([name, parts]) => [name, new Uint8Array(Buffer.concat(parts))]));
}

/** Gives the keys of files that lie under a slot of their own and their vault's. */
export async function vaultKeys(
  { store, keyring }: Pick<Insides, 'store' | 'keyring'>,
  { organization, vault }: { readonly organization: string; readonly vault: string },
): Promise<(id: string, slot: number) => Uint8Array> {
  const scope = await store.read(SYSTEM, async (db) => {
    const slotIn = (table: 'organizations' | 'vaults', id: string) =>
      db.selectFrom(table).select('slot').where('id', '=', id).executeTakeFirstOrThrow();
    return [
      ['organization', (await slotIn('organizations', organization)).slot as Slot],
      ['vault', (await slotIn('vaults', vault)).slot as Slot],
    ] as const;
  });
  const keys = new RecordKeys(keyring);
  return (id, slot) => keys.key({ id, version: 1, own: slot as Slot, scope });
}

async function opens(from: CobblestoneKey, bytes: Uint8Array): Promise<boolean> {
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
function counterMode({ key, context }: CobblestoneKey, bytes: Uint8Array): string {
  const label = Buffer.from('c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0', 'latin1');
  const info = Buffer.concat([label, bytes.subarray(0, SALT_BYTES), context]);
  const first = createHmac('sha512', key).update(info).update(Buffer.of(1)).digest();
  const counter = Buffer.concat([first.subarray(32, 44), Buffer.of(0, 0, 0, 2)]);
  const decipher = createDecipheriv('aes-256-ctr', first.subarray(0, 32), counter);
  return decipher.update(bytes.subarray(HEAD_BYTES, HEAD_BYTES + 64)).toString('latin1');
}
