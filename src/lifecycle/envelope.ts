/**
 * Signed envelopes (DSSE, secure-systems-lab/dsse, protocol v1): a payload with its type under Ed25519.
 *
 *     envelope   { payload: base64, payloadType, signatures: [{ keyid, sig: base64 }] }
 *     signed     PAE = "DSSEv1" SP bytes(type) SP type SP bytes(payload) SP payload       lengths in decimal
 *     keyid      SHA-256 of the public key's 32 bytes, hexadecimal
 *
 * An envelope is written in one form, canonical JSON and a newline, so that every altered byte is noticed.
 */
import { canonicalJson, type Json } from '../bytes/canonical-json.ts';
import {
  concat,
  decodeBase64,
  decodeUtf8,
  encodeBase64,
  encodeHex,
  encodeUtf8,
  type Bytes,
} from '../bytes/encoding.ts';
import { sha256 } from '../crypto/hash.ts';
import { verifySignature, type SigningKey } from '../crypto/signature.ts';

export const STATEMENT_TYPE = 'application/vnd.in-toto+json';

export const pae = (type: string, payload: Uint8Array): Bytes => {
  const name = encodeUtf8(type);
  return concat(encodeUtf8(`DSSEv1 ${name.length} ${type} ${payload.length} `), payload);
};

export const keyIdOf = (publicKey: Uint8Array): string => encodeHex(sha256(publicKey));

/** The id of the key that an envelope of ours says it was signed with. */
export const keyIdIn = (envelope: string): string | undefined =>
  (JSON.parse(envelope) as { signatures?: readonly { keyid?: string }[] }).signatures?.[0]?.keyid;

export function signEnvelope(type: string, payload: Bytes, signer: SigningKey): string {
  const sig = encodeBase64(signer.sign(pae(type, payload)));
  const envelope = {
    payload: encodeBase64(payload),
    payloadType: type,
    signatures: [{ keyid: keyIdOf(signer.publicKey), sig }],
  };
  return `${canonicalJson(envelope)}\n`;
}

/** The payload; a RangeError says what is wrong. Nothing of it is looked at before the signature holds. */
export function openEnvelope(text: string, type: string, publicKey: Uint8Array): Bytes {
  const envelope = parseObject(text);
  const { payload, payloadType, signatures } = envelope as Record<string, unknown>;
  const [signature, ...more] = Array.isArray(signatures) ? (signatures as unknown[]) : [];
  const { keyid, sig } = (signature ?? {}) as Record<string, unknown>;
  if (typeof payload !== 'string' || typeof sig !== 'string' || typeof keyid !== 'string' || more.length > 0)
    throw new RangeError('not an envelope with one signature');
  if (
    canonicalJson({ payload, payloadType: payloadType as Json, signatures: [{ keyid, sig }] }) + '\n' !==
    text
  )
    throw new RangeError('the envelope is not in its one form');
  if (payloadType !== type) throw new RangeError('the envelope holds something else');
  if (keyid !== keyIdOf(publicKey)) throw new RangeError('the envelope is signed with another key');
  const bytes = decoded(payload, 'payload');
  if (!verifySignature(publicKey, pae(type, bytes), decoded(sig, 'signature')))
    throw new RangeError('the signature does not fit the payload');
  return bytes;
}

function parseObject(text: string): object {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RangeError('the envelope is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null) throw new RangeError('the envelope is not an object');
  return value;
}

function decoded(base64: string, what: string): Bytes {
  try {
    return decodeBase64(base64);
  } catch (cause) {
    throw new RangeError(`the ${what} is not base64`, { cause });
  }
}

export const textOf = (payload: Uint8Array): string => decodeUtf8(payload);
