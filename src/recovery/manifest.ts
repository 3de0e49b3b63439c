/**
 * The manifest of a backup: written last, it says what the backup holds, and nothing is a backup without one.
 *
 *     file = "SRBM" ‖ 1 ‖ deployment 16 ‖ slot u64 ‖ id 30 ‖ length u32 ‖ box ‖ public key 32 ‖ signature 64
 *
 *     box        AES-256-GCM under HKDF(slot key, salt "strongroom/backup/1", info id ‖ "/manifest"), associated data all that is
 *                before it in the file; content: JSON as `content` below
 *     signature  Ed25519 over everything before it, by the deployment's key for backups
 *
 * The box can only have been made, and can only be opened, with the keyring: that is what a restore trusts, and it dies
 * with the backup's slot. It repeats the public key, so that the signature, which anybody can check, is bound to it.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { concat, decodeUtf8, encodeHex, encodeUtf8, u32, u64, view, type Bytes } from '../bytes/encoding.ts';
import { hkdf } from '../crypto/hkdf.ts';
import { openWith, sealWith } from '../crypto/seal.ts';
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES, verifySignature, type SigningKey } from '../crypto/signature.ts';
import type { Random } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { isId, type BackupId } from '../ids.ts';
import { parseSlot, type Slot, type SlotKey } from '../keys/slot.ts';

const MAGIC = concat(encodeUtf8('SRBM'), Uint8Array.of(1));
const SALT = encodeUtf8('strongroom/backup/1');
const DEPLOYMENT_BYTES = 16;
const ID_BYTES = 30;
const HEAD_BYTES = MAGIC.length + DEPLOYMENT_BYTES + 8 + ID_BYTES + 4;

export const BACKUP_KINDS = ['full', 'incremental', 'log'] as const;
export type BackupKind = (typeof BACKUP_KINDS)[number];

const content = z.strictObject({
  kind: z.enum(BACKUP_KINDS),
  /** Number of the schema that its rows are of. */
  schema: z.number(),
  /** It holds what changed after `from` up to and with `to`; a full one begins at 0. */
  from: z.number(),
  to: z.number(),
  /** SHA-256 of the manifest before it, hex; null for the first. */
  previous: z.nullable(z.string()),
  /** The moment it shows, and when it was done (milliseconds). */
  takenAt: z.number(),
  finishedAt: z.number(),
  /** How many rows each table had at that moment; null where they were not counted. */
  counts: z.nullable(z.record(z.string(), z.number())),
  /** Heads of the logs that grew since `from`. */
  logs: z.array(z.strictObject({ log: z.string(), size: z.number(), root: z.string() })),
  generation: z.number(),
  /** In their order: number n is the file n, counted from 1. */
  pieces: z.array(z.strictObject({ size: z.number(), sha256: z.string(), rows: z.number() })),
  /** Names of blobs that a row names and that were gone when they were read. */
  missingBlobs: z.array(z.string()),
  publicKey: z.string(),
});

export type ManifestContent = z.infer<typeof content>;

/** What stands in the clear. */
export interface Envelope {
  readonly id: BackupId;
  /** Sixteen bytes. */
  readonly deployment: Bytes;
  readonly slot: Slot;
}

export interface Manifest extends Envelope, ManifestContent {
  /** SHA-256 of the file, hex. */
  readonly digest: string;
}

export const digestOf = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** The key of a backup's manifest, or of its pieces. Takes the slot's key over and zeroes it. */
export function backupKey(slotKey: SlotKey, id: BackupId, of: 'manifest' | 'pieces'): Bytes {
  const key = hkdf(slotKey, SALT, encodeUtf8(`${id}/${of}`));
  slotKey.fill(0);
  return key;
}

/** What a piece is bound to: its backup, and its place in it. */
export const pieceContext = ({ deployment, id }: Envelope, number: number): Bytes =>
  concat(encodeUtf8('strongroom/backup/piece/1'), deployment, encodeUtf8(id), u32(number));

interface Keys {
  derive(slot: Slot): SlotKey;
}

export function sealManifest(
  envelope: Envelope,
  body: ManifestContent,
  { keys, signer, random }: { readonly keys: Keys; readonly signer: SigningKey; readonly random: Random },
): Bytes {
  const text = encodeUtf8(JSON.stringify(content.parse(body)));
  const key = backupKey(keys.derive(envelope.slot), envelope.id, 'manifest');
  const head = headOf(envelope);
  const box = sealWith(key, head, text, random);
  key.fill(0);
  const signed = concat(head, u32(box.length), box, signer.publicKey);
  return concat(signed, signer.sign(signed));
}

const headOf = ({ id, deployment, slot }: Envelope): Bytes =>
  concat(MAGIC, deployment, u64(slot), encodeUtf8(id));

/** The part in the clear. Throws `box.damaged`. */
export function readEnvelope(file: Uint8Array): Envelope {
  const bytes = view(file);
  if (file.length < HEAD_BYTES + PUBLIC_KEY_BYTES + SIGNATURE_BYTES) throw damaged('the manifest is cut');
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) throw damaged('it is no manifest');
  const at = MAGIC.length + DEPLOYMENT_BYTES;
  const id = bytes.toString('latin1', at + 8, at + 8 + ID_BYTES);
  if (!isId('backup', id)) throw damaged('the manifest names no backup');
  const slot = Number(bytes.readBigUInt64BE(at));
  try {
    return { id, deployment: new Uint8Array(bytes.subarray(MAGIC.length, at)), slot: parseSlot(slot) };
  } catch (cause) {
    throw damaged('the manifest names no slot', cause);
  }
}

/** Throws `box.damaged` for what was not sealed and signed as it lies, and `erased` where the backup's slot is dead. */
export function openManifest(file: Uint8Array, keys: Keys): Manifest {
  const envelope = readEnvelope(file);
  const bytes = view(file);
  const boxEnd = HEAD_BYTES + bytes.readUInt32BE(HEAD_BYTES - 4);
  const keyEnd = boxEnd + PUBLIC_KEY_BYTES;
  if (file.length !== keyEnd + SIGNATURE_BYTES) throw damaged('the manifest is cut or lengthened');
  const publicKey = bytes.subarray(boxEnd, keyEnd);
  if (!verifySignature(publicKey, bytes.subarray(0, keyEnd), bytes.subarray(keyEnd)))
    throw damaged('the signature of the manifest does not verify');
  const key = backupKey(keys.derive(envelope.slot), envelope.id, 'manifest');
  try {
    const text = openWith(key, headOf(envelope), bytes.subarray(HEAD_BYTES, boxEnd));
    const parsed = content.parse(JSON.parse(decodeUtf8(text)));
    if (parsed.publicKey !== encodeHex(publicKey)) throw damaged('the manifest was signed by another');
    return { ...envelope, ...parsed, digest: digestOf(file) };
  } finally {
    key.fill(0);
  }
}

const damaged = (detail: string, cause?: unknown): StrongroomError =>
  new StrongroomError('box.damaged', cause === undefined ? { detail } : { detail, cause });
