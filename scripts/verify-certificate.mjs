#!/usr/bin/env node
/**
 * Checks a certificate of erasure without the server, and without any of its code: one file, Node's own modules only.
 *
 *     node verify-certificate.mjs CERTIFICATE --key VERIFIER-KEY [--nonce BASE64URL --requester TEXT]
 *
 * The key is the deployment's verifier key for certificates, known from somewhere else than the certificate. What is
 * checked stands in docs/format.md. Exit codes: 0 it holds, 3 it does not, 2 wrong usage.
 */
import { createHash, createPublicKey, verify } from 'node:crypto';
import { existsSync, readFileSync, realpathSync } from 'node:fs';

const STATEMENT = 'https://in-toto.io/Statement/v1';
const PREDICATE = 'urn:strongroom:erasure-certificate:1';
const PAYLOAD = 'application/vnd.in-toto+json';

class Fault extends Error {}
const need = (holds, what) => {
  if (!holds) throw new Fault(what);
};

const sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const base64 = (text, what) => {
  need(typeof text === 'string', `${what} is not text`);
  const bytes = Buffer.from(text, 'base64');
  need(bytes.toString('base64') === text, `${what} is not base64 in its one form`);
  return bytes;
};

/** RFC 8785 for what occurs here: texts, whole numbers, lists, objects. */
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  const members = Object.keys(value).sort();
  return `{${members.map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(',')}}`;
}

function parse(text, what) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Fault(`${what} is not JSON`);
  }
  need(
    typeof value === 'object' && value !== null && canonical(value) === text,
    `${what} is not in its one form`,
  );
  return value;
}

/** @param {unknown} value @param {string[]} names @param {string} what */
const members = (value, names, what) => {
  need(typeof value === 'object' && value !== null, `${what} is not an object`);
  need(Object.keys(value).sort().join() === [...names].sort().join(), `${what} has other members`);
};

/** Points of small order fit many messages; Node's own check refuses other irregular signatures. */
const SMALL_ORDER = new Set([
  '01'.padEnd(64, '0'),
  ''.padEnd(64, '0'),
  'ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05',
  '26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a',
  'c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa',
]);

function isSigned(publicKey, message, signature) {
  if (signature.length !== 64 || SMALL_ORDER.has(publicKey.toString('hex'))) return false;
  const der = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), publicKey]);
  return verify(null, message, createPublicKey({ key: der, format: 'der', type: 'spki' }), signature);
}

/** c2sp.org/signed-note: name+id+base64(01 ‖ key). */
function verifierKey(text) {
  const [, name, id, material] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/u.exec(text) ?? [];
  need(material !== undefined, 'the verifier key is none');
  const bytes = base64(material, 'the verifier key');
  need(bytes.length === 33 && bytes[0] === 1, 'the verifier key is not an Ed25519 key');
  const own = sha256(`${name}\n`, bytes).subarray(0, 4);
  need(own.toString('hex') === id, 'the id of the verifier key is not its own');
  return { name, id: own, publicKey: bytes.subarray(1) };
}

function openEnvelope(text, key) {
  need(text.endsWith('\n'), 'the envelope is not in its one form');
  const envelope = parse(text.slice(0, -1), 'the envelope');
  members(envelope, ['payload', 'payloadType', 'signatures'], 'the envelope');
  need(envelope.payloadType === PAYLOAD, 'the envelope holds something else');
  need(
    Array.isArray(envelope.signatures) && envelope.signatures.length === 1,
    'the envelope has not one signature',
  );
  const [signature] = envelope.signatures;
  members(signature, ['keyid', 'sig'], 'the signature');
  need(signature.keyid === sha256(key.publicKey).toString('hex'), 'the envelope is signed with another key');
  const payload = base64(envelope.payload, 'the payload');
  // DSSE: the type is signed along, each part after its length.
  const signed = Buffer.concat([
    Buffer.from(`DSSEv1 ${PAYLOAD.length} ${PAYLOAD} ${payload.length} `),
    payload,
  ]);
  need(
    isSigned(key.publicKey, signed, base64(signature.sig, 'the signature')),
    'the signature does not fit the payload',
  );
  return payload.toString('utf8');
}

function openStatement(text) {
  const statement = parse(text, 'the statement');
  members(statement, ['_type', 'subject', 'predicateType', 'predicate'], 'the statement');
  need(
    statement._type === STATEMENT && statement.predicateType === PREDICATE,
    'the statement is of another type',
  );
  const { predicate } = statement;
  members(
    predicate,
    [
      'deployment',
      'erasure',
      'requester',
      'keys',
      'keystore',
      'verification',
      'finalAt',
      'lastCiphertextUntil',
      'notProven',
      'ledger',
    ],
    'the predicate',
  );
  members(
    predicate.erasure,
    ['id', 'organization', 'kind', 'target', 'vault', 'cause', 'requestedAt', 'hiddenAt', 'destroyedAt'],
    'the erasure',
  );
  members(predicate.keystore, ['replicas', 'dropped'], 'the keystore');
  members(
    predicate.verification,
    ['at', 'reopenedCold', 'rootsReadBackAsZeros', 'answeredErased'],
    'the verification',
  );
  members(predicate.ledger, ['log', 'verifierKey', 'n', 'leaf', 'proof'], 'the ledger’s part');
  members(predicate.keys, ['epoch', 'ranges', 'count', 'digest'], 'the keys');
  need(Array.isArray(statement.subject) && statement.subject.length === 1, 'there is not one subject');
  return statement;
}

function checkKeys({ keys, verification }) {
  let count = 0;
  let before = -2;
  for (const [first, last] of keys.ranges) {
    need(
      Number.isSafeInteger(first) && Number.isSafeInteger(last) && first <= last && first > before + 1,
      'the ranges of keys are not in their one form',
    );
    count += last - first + 1;
    before = last;
  }
  need(count === keys.count, 'the ranges hold another number of keys');
  need(sha256(canonical(keys.ranges)).toString('hex') === keys.digest, 'the digest of the ranges is another');
  need(verification.answeredErased === count, 'not every key answered `erased`');
}

function checkEntry({ subject: [subject], predicate: { erasure, keys, ledger } }) {
  const bytes = base64(ledger.leaf, 'the ledger’s entry');
  need(subject.name === erasure.id, 'the subject is another erasure');
  need(
    subject.digest.sha256 === sha256(bytes).toString('hex'),
    'the subject’s digest is not that of the ledger’s entry',
  );
  const entry = parse(bytes.toString('utf8'), 'the ledger’s entry');
  need(
    entry.action === 'erasure.complete' &&
      entry.outcome === 'done' &&
      entry.target === erasure.id &&
      entry.log === ledger.log &&
      ledger.log === erasure.organization &&
      entry.n === ledger.n,
    'the ledger’s entry is about something else',
  );
  need(
    entry.facts?.digest === keys.digest && entry.facts.slots === keys.count,
    'the ledger’s entry names other keys',
  );
  need(
    entry.facts.kind === erasure.kind && entry.facts.epoch === keys.epoch,
    'the ledger’s entry names another kind or epoch',
  );
  return bytes;
}

/** c2sp.org/tlog-proof over RFC 6962. */
function checkProof(leaf, { deployment, ledger }) {
  const key = verifierKey(ledger.verifierKey);
  const end = ledger.proof.indexOf('\n\n');
  const [header, index, ...path] = ledger.proof.slice(0, Math.max(end, 0)).split('\n');
  need(
    header === 'c2sp.org/tlog-proof@v1' && index === `index ${ledger.n}`,
    'the proof is not one of the entry',
  );
  const note = ledger.proof.slice(end + 2);
  const cut = note.lastIndexOf('\n\n');
  const text = note.slice(0, cut + 1);
  const [, name, signed] = /^— ([^\s+]+) ([A-Za-z0-9+/=]+)\n$/u.exec(note.slice(cut + 2)) ?? [];
  need(name === key.name && signed !== undefined, 'the checkpoint is not signed by the log');
  const bytes = base64(signed, 'the checkpoint’s signature');
  need(bytes.subarray(0, 4).equals(key.id), 'the checkpoint is not signed by the log');
  need(
    isSigned(key.publicKey, Buffer.from(text), bytes.subarray(4)),
    'the checkpoint’s signature does not fit',
  );
  const [origin, size, root, rest] = text.split('\n');
  need(
    origin === `${deployment}/${ledger.log}` && origin === key.name && rest === '',
    'the proof is of another log',
  );
  const hashes = path.map((line) => base64(line, 'the proof'));
  const found = rootOf(sha256(Buffer.of(0), leaf), ledger.n, Number(size), hashes);
  need(found?.equals(base64(root, 'the root')), 'the proof does not show the entry in the log');
}

/** RFC 9162, 2.1.3.2; null where the path is not as long as it must be. */
function rootOf(leafHash, n, size, path) {
  if (!(n >= 0 && n < size)) return null;
  let at = n;
  let last = size - 1;
  let hash = leafHash;
  for (const next of path) {
    if (last === 0) return null;
    if (at % 2 === 1 || at === last) {
      hash = sha256(Buffer.of(1), next, hash);
      while (at % 2 === 0 && at !== 0) {
        at = Math.floor(at / 2);
        last = Math.floor(last / 2);
      }
    } else hash = sha256(Buffer.of(1), hash, next);
    at = Math.floor(at / 2);
    last = Math.floor(last / 2);
  }
  return last === 0 ? hash : null;
}

function checkRest({ erasure, keystore, verification, finalAt, lastCiphertextUntil }) {
  const times = [erasure.requestedAt, erasure.hiddenAt, erasure.destroyedAt, finalAt, lastCiphertextUntil];
  const inOrder = times.every((at, index) => index === 0 || Date.parse(times[index - 1]) <= Date.parse(at));
  need(
    inOrder && Date.parse(erasure.destroyedAt) <= Date.parse(verification.at),
    'the times are not in order',
  );
  const names = keystore.replicas.map(({ name }) => name).join('\n');
  need(
    keystore.replicas.length > 0 &&
      verification.reopenedCold.join('\n') === names &&
      verification.rootsReadBackAsZeros.join('\n') === names,
    'not every replica was verified',
  );
}

/** The predicate; throws what is wrong. */
export function check(text, key) {
  const statement = openStatement(openEnvelope(text, verifierKey(key)));
  checkKeys(statement.predicate);
  checkProof(checkEntry(statement), statement.predicate);
  checkRest(statement.predicate);
  return statement.predicate;
}

function said({ erasure, keys, keystore, lastCiphertextUntil, notProven, verification }) {
  return [
    `erasure      ${erasure.id}: ${erasure.kind} ${erasure.target}`,
    `destroyed    ${erasure.destroyedAt}, ${keys.count} keys, epoch ${keys.epoch}`,
    `asked for    ${erasure.requestedAt}`,
    ...keystore.replicas.map(
      ({ name, provider, strength, fileSystem, keepsOverwritten }) =>
        `keystore     ${name}: ${provider}, ${strength}, on ${fileSystem}${keepsOverwritten ? ', which may keep what was overwritten' : ''}`,
    ),
    ...keystore.dropped.map(({ name, how, at }) => `keystore     ${name}: ${how} ${at}`),
    `verified     ${verification.at}: reopened cold, each key answered erased`,
    `last copies  of the ciphertext roll off by ${lastCiphertextUntil}`,
    ...notProven.map((what) => `not proven   ${what}`),
  ].join('\n');
}

function main(args) {
  const flags = {};
  const files = [];
  for (let at = 0; at < args.length; at++) {
    if (args[at].startsWith('--')) flags[args[at].slice(2)] = args[++at];
    else files.push(args[at]);
  }
  if (
    files.length !== 1 ||
    flags.key === undefined ||
    (flags.nonce === undefined) !== (flags.requester === undefined)
  ) {
    process.stderr.write(
      'usage: verify-certificate.mjs CERTIFICATE --key VERIFIER-KEY [--nonce N --requester R]\n',
    );
    return 2;
  }
  try {
    verifierKey(flags.key);
  } catch (error) {
    process.stderr.write(`--key: ${error.message}\n`);
    return 2;
  }
  try {
    const predicate = check(readFileSync(files[0], 'utf8'), flags.key);
    if (flags.nonce !== undefined) {
      const own = sha256(Buffer.from(flags.nonce, 'base64url'), flags.requester).toString('hex');
      need(predicate.requester === own, 'it is not the certificate of that nonce and requester');
    }
    process.stdout.write(`HOLDS\n${said(predicate)}\n`);
    return 0;
  } catch (error) {
    process.stdout.write(
      `DOES NOT HOLD: ${error instanceof Fault ? error.message : 'it has another form'}\n`,
    );
    return 3;
  }
}

// Run as a program, and not imported by one.
const [, entry = ''] = process.argv;
if (existsSync(entry) && realpathSync(entry) === import.meta.filename)
  process.exitCode = main(process.argv.slice(2));
