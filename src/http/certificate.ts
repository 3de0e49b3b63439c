/**
 * The two kinds of certificate that a deployment makes for itself (X.509 v3, RFC 5280; ECDSA P-256 with SHA-256, RFC 5758):
 * a certification authority that may vouch for the deployment's own names only (name constraints, critical), and the
 * server's certificate under it.
 *
 *     Certificate  = SEQUENCE { tbs, ecdsa-with-SHA256, BIT STRING signature }
 *     tbs          = version 3 ‖ serial (16 random bytes) ‖ algorithm ‖ issuer ‖ validity ‖ subject ‖ key ‖ extensions
 */
import { createHash, createPublicKey, sign, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import { concat, encodeBase64, type Bytes } from '../bytes/encoding.ts';
import type { Random } from '../environment.ts';
import { expandIPv6 } from './address.ts';
import * as der from './der.ts';

export interface Validity {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface CertificateRequest {
  readonly subject: string;
  /** DNS names and IP addresses. */
  readonly names: readonly string[];
  readonly validity: Validity;
  readonly key: KeyObject;
}

/** Who signs: the authority's name and private key. */
export interface Issuer {
  readonly subject: string;
  readonly key: KeyObject;
}

const OID = {
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  commonName: '2.5.4.3',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  nameConstraints: '2.5.29.30',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
} as const;

/** Bits of KeyUsage (RFC 5280, 4.2.1.3), the first bit highest. */
const DIGITAL_SIGNATURE = Uint8Array.of(0x80);
const SIGN_CERTIFICATES_AND_LISTS = Uint8Array.of(0x06);

/** PEM of a certification authority for `names` and no others. */
export function makeAuthority(request: CertificateRequest, random: Random): string {
  const { subject, names, key } = request;
  return makeCertificate(request, { subject, key }, random, [
    extension(OID.basicConstraints, true, der.sequence(der.truth(), der.integer(Uint8Array.of(0)))),
    extension(OID.keyUsage, true, der.bits(SIGN_CERTIFICATES_AND_LISTS, 1)),
    extension(OID.subjectKeyIdentifier, false, der.octets(keyIdentifier(key))),
    extension(OID.nameConstraints, true, nameConstraints(names)),
    // Says by the same means as the server's certificate which names it is for.
    extension(OID.subjectAltName, false, der.sequence(...names.map(generalName))),
  ]);
}

/** PEM of a server's certificate for `names`. */
export function makeServerCertificate(request: CertificateRequest, issuer: Issuer, random: Random): string {
  const { names, key } = request;
  return makeCertificate(request, issuer, random, [
    extension(OID.basicConstraints, true, der.sequence()),
    extension(OID.keyUsage, true, der.bits(DIGITAL_SIGNATURE, 7)),
    extension(OID.extendedKeyUsage, false, der.sequence(der.objectId(OID.serverAuth))),
    extension(OID.subjectKeyIdentifier, false, der.octets(keyIdentifier(key))),
    extension(OID.authorityKeyIdentifier, false, der.sequence(der.implicit(0, keyIdentifier(issuer.key)))),
    extension(OID.subjectAltName, false, der.sequence(...names.map(generalName))),
  ]);
}

function makeCertificate(
  { subject, validity, key }: CertificateRequest,
  issuer: Issuer,
  random: Random,
  extensions: readonly Uint8Array[],
): string {
  const algorithm = der.sequence(der.objectId(OID.ecdsaWithSha256));
  const tbs = der.sequence(
    der.explicit(0, der.integer(Uint8Array.of(2))),
    der.integer(positive(random(16))),
    algorithm,
    distinguishedName(issuer.subject),
    der.sequence(der.moment(validity.fromMs), der.moment(validity.toMs)),
    distinguishedName(subject),
    publicKeyOf(key),
    der.explicit(3, der.sequence(...extensions)),
  );
  // Node signs with ECDSA in the form that certificates use.
  const signature = sign('sha256', tbs, issuer.key);
  return pem(der.sequence(tbs, algorithm, der.bits(signature)));
}

const distinguishedName = (commonName: string): Bytes =>
  der.sequence(der.setOf(der.sequence(der.objectId(OID.commonName), der.utf8(commonName))));

const extension = (id: string, isCritical: boolean, value: Uint8Array): Bytes =>
  der.sequence(der.objectId(id), ...(isCritical ? [der.truth()] : []), der.octets(value));

const publicKeyOf = (key: KeyObject): Uint8Array =>
  createPublicKey(key).export({ type: 'spki', format: 'der' });

/** RFC 7093, method 1: 160 bits of the SHA-256 of the public key's bits (the last 65 bytes of a P-256 SPKI). */
const keyIdentifier = (key: KeyObject): Uint8Array =>
  createHash('sha256').update(publicKeyOf(key).subarray(-65)).digest().subarray(0, 20);

/** GeneralName (RFC 5280, 4.2.1.6): dNSName [2], iPAddress [7]. */
const generalName = (name: string): Bytes =>
  isIP(name) === 0 ? der.implicit(2, new TextEncoder().encode(name)) : der.implicit(7, addressBytes(name));

/** Permitted subtrees (4.2.1.10): a DNS name stands for itself and what is below it; an address goes with a mask of ones. A kind that is absent would be unconstrained. */
function nameConstraints(names: readonly string[]): Bytes {
  const trees = names.map((name) => {
    if (isIP(name) === 0) return der.sequence(generalName(name));
    const address = addressBytes(name);
    return der.sequence(der.implicit(7, concat(address, new Uint8Array(address.length).fill(0xff))));
  });
  return der.sequence(der.implicit(0x20, concat(...trees)));
}

function addressBytes(address: string): Uint8Array {
  if (isIP(address) === 4) return Uint8Array.from(address.split('.').map(Number));
  return Uint8Array.from(
    expandIPv6(address).flatMap((group) => {
      const value = Number.parseInt(group, 16);
      return [value >> 8, value & 0xff];
    }),
  );
}

/** The top bit cleared and the next set: 16 bytes whatever was drawn, and never negative. */
function positive(serial: Bytes): Bytes {
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

function pem(bytes: Uint8Array): string {
  const lines = encodeBase64(bytes).match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}
