/**
 * A dictionary attack: whoever has every row that ever was and today's keystore tries right guesses against every column
 * that is not a sealed box, with every key that can still be derived and every way of hashing that comes to mind.
 *
 * A guess is confirmed where what is made of it begins like something that stands in a column: eight bytes are enough,
 * so that cut digests count as well.
 */
import { createHash, createHmac } from 'node:crypto';
import { encodeUtf8 } from '../src/bytes/encoding.ts';
import { hkdfExpand } from '../src/crypto/hkdf.ts';
import { StrongroomError } from '../src/errors.ts';
import { RecordKeys, type Scope } from '../src/keys/record-key.ts';
import { serviceKey } from '../src/keys/service-key.ts';
import type { Slot } from '../src/keys/slot.ts';
import { TABLES } from '../src/store/migrations.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { openOne, rowBoxes, type Rows } from './boxes.ts';

const PREFIX_BYTES = 8;
const DIGESTS = ['sha256', 'sha512', 'sha1', 'md5'] as const;

export interface Guess {
  readonly what: string;
  readonly text: string;
}

/** Where something stands, by its first bytes. */
export type Columns = ReadonlyMap<string, string>;

/** Everything that stands in a column which is no sealed box: as bytes, and what its text may spell. */
export function deterministicColumns(moments: readonly Rows[]): Map<string, string> {
  const columns = new Map<string, string>();
  for (const rows of moments)
    for (const [table, { columns: annotations }] of Object.entries(TABLES)) {
      const names = Object.entries(annotations).flatMap(([name, { category, type }]) =>
        category === 'sealed' || type === 'integer' ? [] : [name],
      );
      for (const row of rows[table as keyof Rows] as unknown as Record<string, unknown>[])
        for (const name of names) addValue(columns, `${table}.${name}`, row[name]);
    }
  return columns;
}

/** What lies sealed and is a digest inside: whoever can open the box has it like any other column. */
export function addOpenedDigests(
  columns: Map<string, string>,
  { keyring }: Pick<Strongroom, 'keyring'>,
  moments: readonly Rows[],
): Map<string, string> {
  const keys = new RecordKeys(keyring);
  for (const placed of moments.flatMap(rowBoxes))
    if (placed.place.column === 'hash_box')
      addValue(columns, 'api_keys.hash_box', openOne(keys, placed).content);
  return columns;
}

/** A value with all the words in it: a leaf of the ledger and a note hold many. */
export function addValue(columns: Map<string, string>, where: string, value: unknown): void {
  const bytes =
    value instanceof Uint8Array ? Buffer.from(value) : typeof value === 'string' ? Buffer.from(value) : null;
  if (bytes === null) return;
  const add = (part: Buffer): void => {
    if (part.length >= PREFIX_BYTES) columns.set(prefixOf(part), where);
  };
  add(bytes);
  for (const [word] of bytes.toString('latin1').matchAll(/[A-Za-z0-9+/_=-]{8,}/g)) {
    add(Buffer.from(word));
    if (/^[0-9a-f]+$/i.test(word) && word.length % 2 === 0) add(Buffer.from(word, 'hex'));
    add(Buffer.from(word, 'base64'));
  }
}

/** Every key that whoever holds today's keystore can make, with what it is the key of. */
export function livingKeys(
  open: Pick<Strongroom, 'keyring'>,
  moments: readonly Rows[],
): ReadonlyMap<string, Uint8Array> {
  const { keyring } = open;
  const records = new RecordKeys(keyring);
  const keys = new Map<string, Uint8Array>();
  const add = (name: string, make: () => Uint8Array): void => {
    try {
      if (!keys.has(name)) keys.set(name, make());
    } catch (error) {
      if (!(error instanceof StrongroomError) || error.code !== 'erased') throw error;
    }
  };
  for (const rows of moments) {
    const organization = new Map(rows.organizations.map(({ id, slot }) => [id, slot as Slot]));
    for (const { name, slot } of rows.service_slots)
      add(`service ${name}`, () => serviceKey(keyring, slot as Slot, name));
    for (const { own, scope, id, place } of rowBoxes(rows)) {
      add(`record ${place.table} ${id} ${place.version}`, () =>
        records.key({ id, version: place.version, own, scope }),
      );
      for (const slot of [own, ...scope.map(([, slot]) => slot)])
        add(`slot ${slot}`, () => keyring.derive(slot));
    }
    for (const row of rows.api_keys) {
      const home: Scope = [['organization', organization.get(row.organization) as Slot]];
      const hashKey = (): Uint8Array =>
        records.key({ id: row.id, version: 1, own: row.slot as Slot, scope: home });
      add(`credential ${row.id} ${row.slot}`, () =>
        hkdfExpand(hashKey(), encodeUtf8('strongroom/api-key/hash/1')),
      );
      for (const { name, slot } of rows.service_slots.filter(({ name }) => name.startsWith('idempotency/')))
        add(`look-up ${row.id} ${name}`, () =>
          records.key({
            id: 'look-up',
            version: 1,
            own: slot as Slot,
            scope: [...home, ['principal', row.principal_slot as Slot]],
          }),
        );
    }
  }
  return keys;
}

/** Which guesses some column confirms, and how. */
export function confirmed(
  guesses: readonly Guess[],
  columns: Columns,
  keys: ReadonlyMap<string, Uint8Array>,
): string[] {
  return guesses.flatMap(({ what, text }) => {
    const found = new Set<string>();
    const look = (how: string, made: Uint8Array): void => {
      const where = made.length < PREFIX_BYTES ? undefined : columns.get(prefixOf(made));
      if (where !== undefined) found.add(`${what} by ${how} in ${where}`);
    };
    for (const form of new Set([text, text.toLowerCase()])) {
      look('as it is', Buffer.from(form));
      for (const digest of DIGESTS) look(digest, createHash(digest).update(form).digest());
      for (const [name, key] of keys) {
        // A look-up is bound to who asks: its name says to whom.
        const [, principal] = /^look-up (key_\w+)/.exec(name) ?? [];
        const bound = principal === undefined ? form : `${principal}\n${form}`;
        look(`HMAC ${name}`, createHmac('sha256', key).update(bound).digest());
      }
    }
    return [...found];
  });
}

const prefixOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.subarray(0, PREFIX_BYTES)).toString('latin1');
