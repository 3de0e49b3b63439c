/**
 * Verification of a log from its entries alone: pure, offline, without any key that opens something.
 *
 * Every leaf is hashed again and laid into a new tree. What is stored beside the entries (their hashes and columns, boxes,
 * tiles, the head) must agree with that tree, and so must every signed checkpoint; checkpoints that agree with one tree
 * are consistent with each other. A fault names the first entry it touches and what is wrong.
 *
 * What it cannot see: a log cut back whole to an earlier moment, head and checkpoints included, unless a checkpoint from
 * outside, the deployment's log or the witness remembers a later one; and whoever holds the signing key.
 */
import { encodeBase64, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { openCheckpointBy, type Checkpoint } from './checkpoint.ts';
import { isBoxOf } from './details.ts';
import { HASH_BYTES } from '../crypto/hash.ts';
import { decodeStoredLeaf, entryTargets, parseLeaf, type LedgerEntry, type LogId } from './entry.ts';
import { leafHash, Frontier } from './merkle.ts';
import type { VerifierKey } from './note.ts';
import { TILE_WIDTH, tileRoot, type TilePlace } from './tiles.ts';

export type FaultKind =
  | 'missing'
  | 'altered'
  | 'reordered'
  | 'box-altered'
  | 'index-altered'
  | 'tile-altered'
  | 'checkpoint-forged'
  | 'checkpoint-missing'
  | 'head-altered'
  | 'head-rolled-back';

export interface LogFault {
  readonly log: LogId;
  /** The first entry that the fault touches. */
  readonly n: number;
  readonly kind: FaultKind;
  readonly detail: string;
}

export interface LogReport {
  readonly log: LogId;
  /** Entries looked at, and those of them of which only the hash is kept. */
  readonly entries: number;
  readonly pruned: number;
  readonly checkpoints: number;
  /** Boxes of details that fit their entries, and boxes that are gone (erased and purged, or taken away). */
  readonly boxes: number;
  readonly boxesAbsent: number;
  readonly size: number;
  readonly root: string;
  /** By entry; empty for a log that verifies. */
  readonly faults: readonly LogFault[];
}

/** One entry as it was kept. Columns and targets only where they are kept beside the leaf. */
export interface KeptEntry {
  readonly n: number;
  /** Leaf hash and leaf, as `encodeStoredLeaf` gives them. */
  readonly stored: Uint8Array;
  readonly box: Uint8Array | null;
  readonly columns?: { readonly at: number; readonly principal: string; readonly action: string };
  readonly targets?: readonly string[];
}

export interface KeptHead {
  readonly size: number;
  readonly frontier: Uint8Array;
}

/** After so many faults the rest tells nothing new. */
const FAULTS_MAX = 100;

/**
 * Is fed one log in order: each entry; before every 256th the stored tile of the next ones; each checkpoint as soon as
 * the tree has its size. Then the tiles of the levels above, and last the head.
 */
export class LogVerifier {
  readonly log: LogId;
  readonly #keys: readonly VerifierKey[];
  /** The oldest of the keys that may still sign: those before it were replaced by an entry. */
  #oldestKey = 0;
  readonly #frontier: Frontier;
  readonly #faults: LogFault[] = [];
  readonly #counts = { entries: 0, pruned: 0, checkpoints: 0, boxes: 0, boxesAbsent: 0 };
  #targets = 0;
  /** The stored tile that covers the next entry, if there is one; undefined where no tiles are kept (an export). */
  #tile: { readonly number: number; readonly hashes: readonly Bytes[] } | undefined;
  /** Hashes of the unfinished tile of level 0, and all hashes of the levels above. */
  #row: Bytes[] = [];
  readonly #upper: Bytes[][] = [];
  #upperTiles = 0;
  /** The first entry below a tile above level 0 that is not as it must be. */
  #upperFault: { readonly n: number; readonly detail: string } | null = null;
  /** The tree up to here is confirmed by a checkpoint. */
  #confirmed: number;
  /** The first entry that agrees with itself but not with its tile: one of the two was altered. */
  #suspect: number | null = null;
  /** A signed checkpoint that does not agree: either it or an entry before it is wrong. */
  #doubted: { readonly from: number; readonly size: number } | null = null;
  #isCut = false;
  #lastMissing = -1;

  /** Keys oldest first, where there has been more than one. */
  constructor(
    log: LogId,
    keys: VerifierKey | readonly VerifierKey[],
    base: KeptHead = { size: 0, frontier: new Uint8Array(0) },
  ) {
    this.log = log;
    this.#keys = 'publicKey' in keys ? [keys] : keys;
    this.#frontier = Frontier.decode(base.size, base.frontier);
    this.#confirmed = base.size;
  }

  /** The number of the entry that comes next. */
  get size(): number {
    return this.#frontier.size;
  }

  /** Up to which size a signed checkpoint agrees with the tree. */
  get confirmed(): number {
    return this.#confirmed;
  }

  /** Under how many targets the entries so far must be found. */
  get targets(): number {
    return this.#targets;
  }

  /** Whether nothing more can be said: the tree cannot be continued, or too much is wrong. */
  get isDone(): boolean {
    return this.#isCut || this.#faults.length >= FAULTS_MAX;
  }

  /** The stored tile of level 0 with that number; empty if none is stored. To be called before the first of its entries. */
  expectTile(number: number, hashes: readonly Bytes[]): void {
    this.#tile = { number, hashes };
  }

  /** Entry `size` is not there. */
  missing(): void {
    if (this.isDone) return;
    const hash = this.#tileHash(this.size);
    const last = this.#faults.at(-1);
    if (last?.kind !== 'missing' || this.#lastMissing !== this.size - 1) {
      this.#fault('missing', this.size, 'the entry is missing');
    }
    this.#lastMissing = this.size;
    // Without its hash the tree cannot be continued.
    if (hash === null) this.#isCut = true;
    else this.#grow(hash);
  }

  entry(kept: KeptEntry): void {
    if (this.isDone) return;
    const { n } = kept;
    if (n !== this.size) {
      this.#fault('reordered', n, `the entry comes after entry ${this.size - 1}`);
      this.#isCut = true;
      return;
    }
    this.#counts.entries++;
    const tileHash = this.#tileHash(n);
    const { hash, leaf } = splitStored(kept.stored);
    const computed = leaf === null ? hash : leafHash(leaf);
    if (leaf === null) this.#counts.pruned++;
    if (isEqual(computed, hash)) {
      if (tileHash !== null && !isEqual(tileHash, hash)) this.#suspect ??= n;
      this.#grow(hash);
    } else {
      this.#fault('altered', n, 'the entry does not have the hash that was kept of it');
      this.#grow(tileHash ?? hash);
    }
    if (leaf !== null && this.#faults.at(-1)?.n !== n) this.#content(kept, leaf);
  }

  #tileHash(n: number): Bytes | null {
    const { number, hashes } = this.#tile ?? { number: -1, hashes: [] };
    return number === Math.floor(n / TILE_WIDTH) ? (hashes[n % TILE_WIDTH] ?? null) : null;
  }

  #grow(hash: Bytes): void {
    this.#frontier.append(hash);
    if (this.#tile === undefined) return;
    this.#row.push(hash);
    if (this.#row.length < TILE_WIDTH) return;
    if (this.#tile.hashes.length !== TILE_WIDTH) {
      this.#fault('tile-altered', this.size - TILE_WIDTH, 'the tile of these entries is missing or cut');
    }
    let root = tileRoot(this.#row);
    this.#row = [];
    for (let level = 0; ; level++) {
      const hashes = (this.#upper[level] ??= []);
      hashes.push(root);
      if (hashes.length % TILE_WIDTH !== 0) break;
      root = tileRoot(hashes.slice(-TILE_WIDTH));
    }
  }

  #content(kept: KeptEntry, leaf: Bytes): void {
    const { n, columns, targets, box } = kept;
    let entry: LedgerEntry;
    try {
      entry = parseLeaf(leaf);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return this.#fault('altered', n, error.message);
    }
    const { log, at, principal, action } = entry;
    if (log !== this.log || entry.n !== n)
      return this.#fault('reordered', n, `here stands entry ${entry.n} of ${log}`);
    if (columns && !(columns.at === at && columns.principal === principal && columns.action === action)) {
      this.#fault(
        'index-altered',
        n,
        'the entry is listed under another time, principal or action than its own',
      );
    }
    this.#rekey(entry);
    const own = entryTargets(entry);
    this.#targets += own.length;
    if (targets && own.toSorted().join() !== targets.toSorted().join()) {
      this.#fault('index-altered', n, 'the entry is listed under other targets than its own');
    }
    this.#details(entry, box);
  }

  /** From an entry of this kind on, no key before the one that it names signs anything. */
  #rekey({ action, facts }: LedgerEntry): void {
    if (action !== 'ledger.rekey') return;
    const at = this.#keys.findIndex(({ publicKey }) => encodeBase64(publicKey) === facts?.['publicKey']);
    this.#oldestKey = Math.max(this.#oldestKey, at);
  }

  #details(entry: LedgerEntry, box: Uint8Array | null): void {
    if (entry.box !== undefined && box === null) {
      this.#counts.boxesAbsent++;
    } else if (box !== null && (entry.box === undefined || !isBoxOf(entry.box, box))) {
      this.#fault('box-altered', entry.n, 'the details are not those that were sealed for the entry');
    } else if (box !== null) {
      this.#counts.boxes++;
    }
  }

  /** A stored checkpoint; call when the tree has reached `size`, or for larger ones after the last entry. */
  checkpoint(size: number, note: string): void {
    if (this.isDone) return;
    this.#counts.checkpoints++;
    const covered = Math.max(size - 1, 0);
    let checkpoint: Checkpoint;
    let signer: number;
    try {
      ({ checkpoint, signer } = openCheckpointBy(note, this.#keys));
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return this.#fault('checkpoint-forged', covered, `checkpoint ${size}: ${error.message}`);
    }
    if (checkpoint.size !== size) {
      return this.#fault(
        'checkpoint-forged',
        covered,
        `checkpoint ${size} speaks of ${checkpoint.size} entries`,
      );
    }
    if (signer < this.#oldestKey) {
      const detail = `checkpoint ${size} is signed by a key that had been replaced`;
      return this.#fault('checkpoint-forged', covered, detail);
    }
    if (size > this.size) {
      return this.#fault('head-rolled-back', this.size, `a checkpoint of ${size} entries was signed`);
    }
    if (!isEqual(checkpoint.root, this.#frontier.root())) {
      this.#doubted ??= { from: this.#confirmed, size };
      return;
    }
    // What agrees with this tree is right, so an earlier checkpoint that did not was signed for another one.
    if (this.#doubted !== null) {
      const { size: forked } = this.#doubted;
      this.#fault(
        'checkpoint-forged',
        forked - 1,
        `checkpoint ${forked} is inconsistent with checkpoint ${size}`,
      );
      this.#doubted = null;
    }
    this.#confirmed = size;
  }

  /** A stored tile above level 0. */
  upperTile({ level, tile }: TilePlace, hashes: readonly Bytes[]): void {
    if (this.isDone) return;
    this.#upperTiles++;
    const own = this.#upper[level - 1]?.slice(tile * TILE_WIDTH, (tile + 1) * TILE_WIDTH) ?? [];
    if (own.length > 0 && own.length === hashes.length && own.every((hash, at) => isEqual(hash, hashes[at]!)))
      return;
    const detail = `tile ${level}/${tile} is not that of the entries`;
    this.#upperFault ??= { n: tile * TILE_WIDTH ** (level + 1), detail };
  }

  /** The first entry kept after the head, where none may be. */
  beyond(n: number): void {
    if (!this.isDone) this.#fault('head-rolled-back', n, 'there are entries after the head');
  }

  /** The kept head; null where none is kept (an export). */
  finish(head: KeptHead | null): LogReport {
    if (!this.isDone) {
      if (head !== null) this.#head(head);
      this.#resolve();
      if (this.#tile !== undefined) this.#judgeUpperTiles();
    }
    const faults = this.#faults.toSorted((one, other) => one.n - other.n);
    const { log, size } = this;
    return { log, ...this.#counts, size, root: encodeBase64(this.#frontier.root()), faults };
  }

  #head({ size, frontier }: KeptHead): void {
    if (size > this.size)
      return this.#fault('missing', this.size, `the entries up to ${size - 1} are missing`);
    if (size < this.size) return this.#fault('head-rolled-back', size, 'there are entries after the head');
    const own = this.#frontier.encode();
    if (isEqual(own, frontier)) {
      if (this.#doubted === null) this.#confirmed = size;
    } else if (this.#confirmed === size) {
      this.#fault('head-altered', Math.max(size - 1, 0), 'the head is not that of the entries');
    } else {
      this.#doubted ??= { from: this.#confirmed, size };
    }
  }

  /** Doubts that nothing later has cleared: the entries are wrong, or what was kept of them elsewhere. */
  #resolve(): void {
    const suspect = this.#suspect;
    if (this.#doubted !== null) {
      const { from, size } = this.#doubted;
      if (suspect !== null && suspect < size) {
        return this.#fault('altered', suspect, 'the entry was replaced together with its hash');
      }
      if (this.#faults.some(({ kind, n }) => TREE_FAULTS.has(kind) && n < size)) return;
      const where = from === size - 1 ? `entry ${from}` : `one of the entries ${from} to ${size - 1}`;
      return this.#fault(
        'altered',
        from,
        `${where} was replaced: the tree is not the one that was kept or signed`,
      );
    }
    if (suspect !== null) this.#fault('tile-altered', suspect, 'the tile has another hash than the entry');
  }

  /** Where entries are wrong, the tiles above them differ as well and say nothing new. */
  #judgeUpperTiles(): void {
    if (this.#faults.some(({ kind }) => TREE_FAULTS.has(kind))) return;
    const due = this.#upper.reduce((sum, hashes) => sum + Math.ceil(hashes.length / TILE_WIDTH), 0);
    if (this.#upperTiles < due) this.#fault('tile-altered', 0, 'a tile above level 0 is missing');
    else if (this.#upperFault !== null)
      this.#fault('tile-altered', this.#upperFault.n, this.#upperFault.detail);
  }

  #fault(kind: FaultKind, n: number, detail: string): void {
    this.#faults.push({ log: this.log, n, kind, detail });
  }
}

/** Faults after which the tree is another one than was kept or signed. */
const TREE_FAULTS: ReadonlySet<FaultKind> = new Set(['missing', 'altered', 'reordered', 'head-rolled-back']);

/** A stored entry too short to hold a hash has none: it then fits nothing. */
function splitStored(stored: Uint8Array): { readonly hash: Bytes; readonly leaf: Bytes | null } {
  try {
    return decodeStoredLeaf(stored);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { hash: new Uint8Array(HASH_BYTES), leaf: new Uint8Array(0) };
  }
}
