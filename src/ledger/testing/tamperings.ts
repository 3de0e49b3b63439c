/**
 * What somebody with the files can do to a ledger of 600 entries with checkpoints at 100, 300 and 550 (remembered by the
 * deployment's log), and what verification must say of it. Each changes one thing.
 */
import assert from 'node:assert/strict';
import type { DatabaseSync } from 'node:sqlite';
import { concat, decodeUtf8, encodeUtf8, type Bytes } from '../../bytes/encoding.ts';
import { SigningKey } from '../../crypto/signature.ts';
import { signCheckpoint } from '../checkpoint.ts';
import { Frontier, leafHash } from '../merkle.ts';
import { encodeTile } from '../tiles.ts';
import type { FaultKind } from '../verify.ts';
import type { LedgerWorld } from './ledger-world.ts';

export interface Tampering {
  readonly name: string;
  readonly kind: FaultKind;
  /** The entry that must be named. */
  readonly n: number;
  readonly detail?: RegExp;
  work(database: DatabaseSync, world: LedgerWorld): void;
}

/** The one organization's log. */
export const OURS = "log like 'org_%'";

/** Puts other bytes in the place of a column's. */
function rewrite(
  database: DatabaseSync,
  column: string,
  where: string,
  change: (bytes: Bytes) => Uint8Array,
): void {
  const [table, name] = column.split('.');
  const rows = database.prepare(`select ${name} as bytes from ${table} where ${where}`);
  const [row, ...more] = rows.all() as { bytes: Uint8Array }[];
  assert.ok(row !== undefined && more.length === 0, `one row: ${where}`);
  database.prepare(`update ${table} set ${name} = ? where ${where}`).run(change(new Uint8Array(row.bytes)));
}

export const flipAt =
  (at: number) =>
  (bytes: Bytes): Bytes => {
    const changed = bytes.slice();
    changed[at < 0 ? changed.length + at : at]! ^= 1;
    return changed;
  };

/** Another well-formed leaf, with the hash that belongs to it. */
const replaced = (stored: Bytes): Bytes => {
  const text = decodeUtf8(stored.slice(32)).replace(
    '"outcome":"done"',
    '"code":"internal","outcome":"failed"',
  );
  const leaf = encodeUtf8(JSON.stringify(sorted(JSON.parse(text) as object)));
  return concat(leafHash(leaf), leaf);
};

const sorted = (value: object): object =>
  Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));

export const TAMPERINGS: readonly Tampering[] = [
  {
    name: 'a byte of an entry',
    kind: 'altered',
    n: 42,
    work: (database) => rewrite(database, 'ledger_entries.leaf', `${OURS} and n = 42`, flipAt(100)),
  },
  {
    name: 'a byte of an entry that no tile and no checkpoint covers',
    kind: 'altered',
    n: 590,
    work: (database) => rewrite(database, 'ledger_entries.leaf', `${OURS} and n = 590`, flipAt(100)),
  },
  {
    name: 'a byte of the hash kept of an entry',
    kind: 'altered',
    n: 42,
    work: (database) => rewrite(database, 'ledger_entries.leaf', `${OURS} and n = 42`, flipAt(3)),
  },
  {
    name: 'an entry cut to less than a hash',
    kind: 'altered',
    n: 7,
    work: (database) =>
      rewrite(database, 'ledger_entries.leaf', `${OURS} and n = 7`, (bytes) => bytes.slice(0, 20)),
  },
  {
    name: 'an entry replaced together with its hash',
    kind: 'altered',
    n: 123,
    detail: /replaced together with its hash/,
    work: (database) => rewrite(database, 'ledger_entries.leaf', `${OURS} and n = 123`, replaced),
  },
  {
    name: 'an entry replaced together with its hash, where only a checkpoint covers it',
    kind: 'altered',
    n: 300,
    detail: /one of the entries 300 to 549/,
    work: (database) => {
      rewrite(database, 'ledger_entries.leaf', `${OURS} and n = 540`, replaced);
    },
  },
  {
    name: 'an entry replaced together with its hash, where only the head covers it',
    kind: 'altered',
    n: 550,
    detail: /one of the entries 550 to 599/,
    work: (database) => rewrite(database, 'ledger_entries.leaf', `${OURS} and n = 580`, replaced),
  },
  {
    name: 'an entry replaced with its hash, its tile, the tiles above and the head',
    kind: 'altered',
    n: 100,
    detail: /one of the entries 100 to 299/,
    work: (database, world) => {
      rewrite(database, 'ledger_entries.leaf', `${OURS} and n = 200`, replaced);
      rebuildTree(database, world);
    },
  },
  {
    name: 'an entry replaced together with its hash, before another that was altered',
    kind: 'altered',
    n: 5,
    work: (database) => {
      rewrite(database, 'ledger_entries.leaf', `${OURS} and n = 5`, replaced);
      rewrite(database, 'ledger_entries.leaf', `${OURS} and n = 42`, flipAt(100));
    },
  },
  {
    name: 'an entry that is not there',
    kind: 'missing',
    n: 77,
    work: (database) => database.exec(`delete from ledger_entries where ${OURS} and n = 77`),
  },
  {
    name: 'an entry of the unfinished tile that is not there',
    kind: 'missing',
    n: 555,
    work: (database) => database.exec(`delete from ledger_entries where ${OURS} and n = 555`),
  },
  {
    name: 'the last entries',
    kind: 'missing',
    n: 597,
    work: (database) => database.exec(`delete from ledger_entries where ${OURS} and n >= 597`),
  },
  {
    name: 'all entries',
    kind: 'missing',
    n: 0,
    work: (database) => database.exec(`delete from ledger_entries where ${OURS}`),
  },
  {
    name: 'two entries that changed places',
    kind: 'reordered',
    n: 200,
    detail: /here stands entry 201/,
    work: (database) => {
      database.exec(`update ledger_entries set n = 9999 where ${OURS} and n = 200`);
      database.exec(`update ledger_entries set n = 200 where ${OURS} and n = 201`);
      database.exec(`update ledger_entries set n = 201 where ${OURS} and n = 9999`);
    },
  },
  {
    name: 'a byte of the details',
    kind: 'box-altered',
    n: 9,
    work: (database) => rewrite(database, 'ledger_entries.box', `${OURS} and n = 9`, flipAt(-1)),
  },
  {
    name: 'the details of another entry',
    kind: 'box-altered',
    n: 9,
    work: (database) =>
      database.exec(
        `update ledger_entries set box = (select box from ledger_entries where ${OURS} and n = 150) where ${OURS} and n = 9`,
      ),
  },
  {
    name: 'the principal an entry is listed under',
    kind: 'index-altered',
    n: 50,
    work: (database) =>
      database.exec(
        `update ledger_entries set principal = 'key_00000000000000000000000000' where ${OURS} and n = 50`,
      ),
  },
  {
    name: 'the action an entry is listed under',
    kind: 'index-altered',
    n: 50,
    work: (database) =>
      database.exec(`update ledger_entries set action = 'memory.list' where ${OURS} and n = 50`),
  },
  {
    name: 'the time an entry is listed under',
    kind: 'index-altered',
    n: 50,
    work: (database) => database.exec(`update ledger_entries set at = at + 1 where ${OURS} and n = 50`),
  },
  {
    name: 'an entry that is no longer listed under its target',
    kind: 'index-altered',
    n: 333,
    work: (database) => database.exec(`delete from ledger_targets where ${OURS} and n = 333`),
  },
  {
    name: 'an entry listed under a target that is not its own',
    kind: 'index-altered',
    n: 333,
    work: (database) =>
      database.exec(
        'insert into ledger_targets (log, target, n, organization, change) ' +
          `select log, 'mem_00000000000000000000000000', n, organization, change from ledger_targets where ${OURS} and n = 333`,
      ),
  },
  {
    name: 'a listing of an entry that never was',
    kind: 'index-altered',
    n: 4000,
    work: (database) =>
      database.exec(
        'insert into ledger_targets (log, target, n, organization, change) ' +
          `select log, target, 4000, organization, change from ledger_targets where ${OURS} and n = 333`,
      ),
  },
  {
    name: 'a byte of a tile',
    kind: 'tile-altered',
    n: 256 + 2,
    work: (database) =>
      rewrite(database, 'ledger_tiles.hashes', `${OURS} and level = 0 and tile = 1`, flipAt(70)),
  },
  {
    name: 'a tile that is not there',
    kind: 'tile-altered',
    n: 256,
    work: (database) => database.exec(`delete from ledger_tiles where ${OURS} and level = 0 and tile = 1`),
  },
  {
    name: 'a tile with a hash too few',
    kind: 'tile-altered',
    n: 0,
    work: (database) =>
      rewrite(database, 'ledger_tiles.hashes', `${OURS} and level = 0 and tile = 0`, (bytes) =>
        bytes.slice(0, -32),
      ),
  },
  {
    name: 'a tile that is no row of hashes',
    kind: 'tile-altered',
    n: 0,
    work: (database) =>
      rewrite(database, 'ledger_tiles.hashes', `${OURS} and level = 0 and tile = 0`, (bytes) =>
        bytes.slice(0, -1),
      ),
  },
  {
    name: 'a tile above level 0',
    kind: 'tile-altered',
    n: 0,
    work: (database) =>
      rewrite(database, 'ledger_tiles.hashes', `${OURS} and level = 1 and tile = 0`, flipAt(40)),
  },
  {
    name: 'a tile above level 0 that is not there',
    kind: 'tile-altered',
    n: 0,
    work: (database) => database.exec(`delete from ledger_tiles where ${OURS} and level = 1`),
  },
  {
    name: 'a checkpoint with another root',
    kind: 'checkpoint-forged',
    n: 299,
    work: (database) =>
      database.exec(
        `update ledger_checkpoints set note = replace(note, char(10) || '300' || char(10), char(10) || '301' || char(10)) ` +
          `where ${OURS} and size = 300`,
      ),
  },
  {
    name: 'a checkpoint kept under another size, and not under its own',
    kind: 'checkpoint-missing',
    n: 299,
    work: (database) =>
      database.exec(`update ledger_checkpoints set size = 311 where ${OURS} and size = 300`),
  },
  {
    name: 'a checkpoint signed by another key',
    kind: 'checkpoint-forged',
    n: 299,
    work: (database, world) =>
      setCheckpoint(database, world, 300, new SigningKey(new Uint8Array(32).fill(9))),
  },
  {
    name: 'a checkpoint signed for another tree by the right key',
    kind: 'checkpoint-forged',
    n: 299,
    detail: /inconsistent with checkpoint 550/,
    work: (database, world) =>
      setCheckpoint(database, world, 300, new SigningKey(new Uint8Array(32).fill(3))),
  },
  {
    name: 'a checkpoint that the deployment remembers and that is not there',
    kind: 'checkpoint-missing',
    n: 299,
    work: (database) => database.exec(`delete from ledger_checkpoints where ${OURS} and size = 300`),
  },
  {
    name: 'a byte of the head',
    kind: 'altered',
    n: 550,
    detail: /the tree is not the one that was kept/,
    work: (database) => rewrite(database, 'ledger_heads.frontier', OURS, flipAt(0)),
  },
  {
    name: 'a head set back',
    kind: 'head-rolled-back',
    n: 580,
    work: (database) => setHead(database, 580),
  },
  {
    name: 'a head and entries set back before a checkpoint',
    kind: 'head-rolled-back',
    n: 520,
    work: (database) => {
      database.exec(`delete from ledger_entries where ${OURS} and n >= 520`);
      database.exec(`delete from ledger_targets where ${OURS} and n >= 520`);
      setHead(database, 520);
    },
  },
  {
    name: 'a log cut back whole, while the deployment remembers it longer',
    kind: 'checkpoint-missing',
    n: 549,
    work: (database) => {
      database.exec(`delete from ledger_checkpoints where ${OURS} and size > 300`);
      database.exec(`delete from ledger_entries where ${OURS} and n >= 520`);
      database.exec(`delete from ledger_targets where ${OURS} and n >= 520`);
      setHead(database, 520);
    },
  },
  {
    name: 'a head that is not there',
    kind: 'head-rolled-back',
    n: 0,
    work: (database) => database.exec(`delete from ledger_heads where ${OURS}`),
  },
  {
    name: 'a whole log that is not there',
    kind: 'checkpoint-missing',
    n: 99,
    work: (database) => {
      for (const table of ['heads', 'entries', 'targets', 'tiles', 'checkpoints']) {
        database.exec(`delete from ledger_${table} where ${OURS}`);
      }
    },
  },
];

function setHead(database: DatabaseSync, size: number): void {
  const frontier = Frontier.empty();
  for (const { leaf } of storedLeaves(database).slice(0, size)) frontier.append(leaf.slice(0, 32));
  database
    .prepare(`update ledger_heads set size = ?, frontier = ? where ${OURS}`)
    .run(size, frontier.encode());
}

/** Makes tiles and head those of the entries as they are now: what a thorough forger without the signing key can do. */
function rebuildTree(database: DatabaseSync, { organization }: LedgerWorld): void {
  const hashes = storedLeaves(database).map(({ leaf }) => leaf.slice(0, 32));
  const frontier = Frontier.empty();
  const roots: Bytes[] = [];
  for (let tile = 0; (tile + 1) * 256 <= hashes.length; tile++) {
    const own = hashes.slice(tile * 256, (tile + 1) * 256);
    database
      .prepare('update ledger_tiles set hashes = ? where log = ? and level = 0 and tile = ?')
      .run(encodeTile(own), organization, tile);
    const tree = Frontier.empty();
    for (const hash of own) tree.append(hash);
    roots.push(tree.root());
  }
  database
    .prepare('update ledger_tiles set hashes = ? where log = ? and level = 1')
    .run(encodeTile(roots), organization);
  for (const hash of hashes) frontier.append(hash);
  setHead(database, hashes.length);
}

function storedLeaves(database: DatabaseSync): readonly { leaf: Bytes }[] {
  const rows = database.prepare(`select leaf from ledger_entries where ${OURS} order by n`).all() as {
    leaf: Uint8Array;
  }[];
  return rows.map(({ leaf }) => ({ leaf: new Uint8Array(leaf) }));
}

function setCheckpoint(database: DatabaseSync, world: LedgerWorld, size: number, signer: SigningKey): void {
  const root = leafHash(encodeUtf8('another tree'));
  const note = signCheckpoint({ origin: world.ledger.originOf(world.organization), size, root }, signer);
  database.prepare(`update ledger_checkpoints set note = ? where ${OURS} and size = ?`).run(note, size);
}
