/**
 * Signed notes and verifier keys (c2sp.org/signed-note v1), with Ed25519 as the one signature type.
 *
 *     note      = text ending in a newline ‖ newline ‖ one signature line or more
 *     line      = "— " ‖ key name ‖ " " ‖ base64(key id 4 ‖ signature 64) ‖ newline
 *     key id    = SHA-256(key name ‖ newline ‖ 01 ‖ public key 32), its first four bytes
 *     vkey      = key name ‖ "+" ‖ hex(key id) ‖ "+" ‖ base64(01 ‖ public key 32)
 *
 * The text means nothing before a signature by a known key has been verified, so `openNote` is the only way to it.
 */
import { concat, decodeBase64, encodeBase64, encodeHex, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { sha256 } from '../crypto/hash.ts';
import { PUBLIC_KEY_BYTES, SIGNATURE_BYTES, verifySignature, type SigningKey } from '../crypto/signature.ts';

const ED25519 = 1;
const KEY_ID_BYTES = 4;
const SIGNATURES_MAX = 64;
const NOTE_CHARACTERS_MAX = 1024 * 1024;
const SIGNATURE_LINE = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u;
// eslint-disable-next-line no-control-regex -- control characters are what must not occur
const FORBIDDEN = /[\u0000-\u0009\u000b-\u001f]/;

export interface VerifierKey {
  readonly name: string;
  readonly id: Bytes;
  readonly publicKey: Bytes;
}

export function verifierKey(name: string, publicKey: Bytes): VerifierKey {
  if (!/^[^\s+]+$/u.test(name) || !name.isWellFormed()) throw new RangeError('not a key name');
  const id = sha256(concat(encodeUtf8(`${name}\n`), Uint8Array.of(ED25519), publicKey)).slice(
    0,
    KEY_ID_BYTES,
  );
  return { name, id, publicKey };
}

export const encodeVkey = ({ name, id, publicKey }: VerifierKey): string =>
  `${name}+${encodeHex(id)}+${encodeBase64(concat(Uint8Array.of(ED25519), publicKey))}`;

/** Throws a RangeError on what is no Ed25519 verifier key, also where the id is not the key's. */
export function parseVkey(text: string): VerifierKey {
  const [, name, id, material] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(text) ?? [];
  if (name === undefined || material === undefined) throw new RangeError('not a verifier key');
  const bytes = decodeBase64(material);
  if (bytes.length !== 1 + PUBLIC_KEY_BYTES || bytes[0] !== ED25519)
    throw new RangeError('not an Ed25519 verifier key');
  const key = verifierKey(name, bytes.slice(1));
  if (encodeHex(key.id) !== id) throw new RangeError('the id of the verifier key is not its own');
  return key;
}

/** The note of `text` signed under the name `name`. */
export function signNote(text: string, name: string, signer: SigningKey): string {
  if (!isNoteText(text)) throw new RangeError('not the text of a note');
  return `${text}\n${signatureLine(text, name, signer)}`;
}

/** The note with one more signature. */
export const cosign = (note: string, name: string, signer: SigningKey): string =>
  note + signatureLine(splitNote(note).text, name, signer);

function signatureLine(text: string, name: string, signer: SigningKey): string {
  const { id } = verifierKey(name, signer.publicKey);
  return `— ${name} ${encodeBase64(concat(id, signer.sign(encodeUtf8(text))))}\n`;
}

/**
 * The text of a note, if a known key signed it; null if none of them did. Signatures by unknown keys are passed over; a
 * RangeError if a known key's signature is wrong, or what is given is no note.
 */
export function openNote(note: string, known: readonly VerifierKey[]): string | null {
  const { text, signatures } = splitNote(note);
  const message = encodeUtf8(text);
  let isSigned = false;
  for (const { name, bytes } of signatures) {
    const key = known.find((key) => key.name === name && isEqual(key.id, bytes.subarray(0, KEY_ID_BYTES)));
    if (key === undefined) continue;
    const signature = bytes.subarray(KEY_ID_BYTES);
    if (signature.length !== SIGNATURE_BYTES || !verifySignature(key.publicKey, message, signature)) {
      throw new RangeError(`the signature of ${name} is wrong`);
    }
    isSigned = true;
  }
  return isSigned ? text : null;
}

function splitNote(note: string): { text: string; signatures: readonly { name: string; bytes: Bytes }[] } {
  if (note.length > NOTE_CHARACTERS_MAX) throw new RangeError('the note is too long');
  const end = note.lastIndexOf('\n\n');
  const text = note.slice(0, end + 1);
  const lines = note.slice(end + 2).split('\n');
  if (end < 0 || lines.pop() !== '' || lines.length === 0 || !isNoteText(text))
    throw new RangeError('not a signed note');
  if (lines.length > SIGNATURES_MAX) throw new RangeError('the note has too many signatures');
  const signatures = lines.map((line) => {
    const [, name, base64] = SIGNATURE_LINE.exec(line) ?? [];
    const bytes = base64 === undefined ? null : decodeBase64(base64);
    if (name === undefined || bytes === null || bytes.length <= KEY_ID_BYTES)
      throw new RangeError('not a signature line');
    return { name, bytes };
  });
  return { text, signatures };
}

const isNoteText = (text: string): boolean =>
  text.length > 1 && text.endsWith('\n') && text.isWellFormed() && !FORBIDDEN.test(text);
