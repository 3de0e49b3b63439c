/**
 * The ledger: one log per organization and one for the deployment, which also records the others' checkpoints.
 *
 * `append` joins the entry to a job of the store: the action and its entry become durable in one commit or not at all.
 * If entries cannot be written the whole group fails (`ledger.unavailable`), and `health` says so until one could be.
 * Everything read back is checked against its hash; what does not fit is `ledger.damaged`, never passed on.
 */
import { encodeBase64, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { ScopeKeyring } from '../keys/record-key.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Slot } from '../keys/slot.ts';
import { SYSTEM, type ReadSql, type Store, type Tx } from '../store/store.ts';
import { openCheckpointBy, signCheckpoint } from './checkpoint.ts';
import { encodeConsistencyProof } from './consistency-proof.ts';
import { logContents, type ContentsSource } from './contents.ts';
import { DetailsSealer, openDetails, type SealedDetails } from './details.ts';
import {
  DEPLOYMENT_LOG,
  draftBodies,
  readStoredLeaf,
  type Details,
  type EntryDraft,
  type LedgerEntry,
  type LogId,
} from './entry.ts';
import { findEntries, findEntry, type EntryQuery, type EntryRow } from './entry-rows.ts';
import type { LogContents } from './export.ts';
import { LedgerWriter } from './ledger-writer.ts';
import {
  announcedIn,
  intact,
  logsAfter,
  readConsistency,
  readFrontier,
  readHead,
  readInclusion,
  readRoot,
  type LogHead,
} from './log-rows.ts';
import { verifierKeysOf, type PublishedKey } from './ledger-keys.ts';
import type { Inclusion } from './merkle.ts';
import { encodeVkey, verifierKey, type VerifierKey } from './note.ts';
import { encodeProof } from './proof.ts';
import { rekeyFacts, type HistoricKey, type Signers } from './signers.ts';

export interface LedgerParts {
  readonly store: Store;
  readonly environment: Environment;
  readonly sealer: RecordSealer;
  /** Whose deployment's name all origins begin with; a log's name follows after a slash. */
  readonly signers: Signers;
  /** The slot that belongs to the ledger's period at that time. */
  readonly periods: { slotAt(atMs: number): Slot };
  readonly keyring: Pick<ScopeKeyring, 'holdCache'>;
}

export interface EntryPage {
  readonly entries: readonly LedgerEntry[];
  /** For `before` of the next page; null at the end. */
  readonly next: number | null;
}

export interface SignedHead {
  readonly log: LogId;
  readonly size: number;
  readonly root: Bytes;
  /** The checkpoint as a signed note. */
  readonly note: string;
  /** The verifier key that it is signed with, in its text form. */
  readonly vkey: string;
}

export interface EntryProof extends Inclusion {
  readonly root: Bytes;
  /** Verifies the checkpoint in it. */
  readonly vkey: string;
  /** c2sp.org/tlog-proof v1, with the checkpoint that covers the entry. */
  readonly text: string;
}

export interface GrowthProof {
  readonly from: number;
  readonly size: number;
  readonly fromRoot: Bytes;
  readonly root: Bytes;
  readonly path: readonly Bytes[];
  /** c2sp.org/tlog-witness `add-checkpoint`, with the checkpoint of the larger tree. */
  readonly text: string;
}

/** What the system does of itself. */
const OF_ITSELF = { principal: 'system', target: '', outcome: 'done', request: '', scope: [] } as const;

export class Ledger {
  readonly #parts: LedgerParts;
  readonly #writer: LedgerWriter;
  readonly #details: DetailsSealer;

  constructor(parts: LedgerParts) {
    this.#parts = parts;
    this.#writer = new LedgerWriter(parts.environment.fault);
    const { sealer, environment, keyring } = parts;
    this.#details = new DetailsSealer({ sealer, clock: environment.clock, keyring });
  }

  /** Whether entries can be kept, as far as the last attempt tells. */
  get health(): { readonly ok: boolean; readonly detail?: string } {
    return this.#writer.lastFailure === null ? { ok: true } : { ok: false, detail: 'entries cannot be kept' };
  }

  /** Tries, with an entry of its own, whether entries can be kept again. */
  async recover(): Promise<void> {
    if (this.health.ok && this.#parts.store.health.ok) return;
    await this.#parts.store.write(SYSTEM, (tx) => {
      this.append(tx, { ...OF_ITSELF, action: 'ledger.recover' });
      return Promise.resolve();
    });
  }

  /**
   * Adds an entry to the transaction, in the log of its organization, or of the deployment under SYSTEM. Throws a
   * RangeError for a draft that is not content-free and `erased` if a slot of the scope is dead: the job then fails.
   */
  append(tx: Tx, draft: EntryDraft, sealed?: SealedDetails | null): void {
    this.#appendTo(tx.organization === SYSTEM ? DEPLOYMENT_LOG : tx.organization, tx, draft, sealed);
  }

  /**
   * The sealed details of an entry to come, for `append`: the longest part of writing one, and nothing in it depends on how what it
   * records turns out. A slot that dies in between takes them along as it does later.
   */
  seal(log: LogId, draft: EntryDraft): SealedDetails | null {
    const { environment, periods } = this.#parts;
    return this.#details.seal(draft, log, periods.slotAt(environment.clock.now()));
  }

  #appendTo(log: LogId, tx: Tx, draft: EntryDraft, given?: SealedDetails | null): void {
    const sealed = given === undefined ? this.seal(log, draft) : given;
    const at = this.#parts.environment.clock.now();
    for (const [part, body] of draftBodies(draft, at, sealed?.reference ?? null).entries()) {
      tx.defer(this.#writer, { log, body, box: part === 0 ? (sealed?.box ?? null) : null });
    }
  }

  /** Entries that fit the query, newest first. */
  async entries(log: LogId, query: EntryQuery): Promise<EntryPage> {
    const rows = await this.#read(log, (db) => findEntries(db, log, query));
    const entries = rows.map((row) => entryOf(log, row)).filter((entry) => entry !== null);
    return { entries, next: rows.length < query.limit ? null : (rows.at(-1)?.n ?? null) };
  }

  /** Null if there is none, or it was pruned. */
  async entry(log: LogId, n: number): Promise<LedgerEntry | null> {
    const row = await this.#read(log, (db) => findEntry(db, log, n));
    return row === null ? null : entryOf(log, row);
  }

  /** What the box of the entry holds; null if it has none or its keys were erased. */
  async details(entry: LedgerEntry): Promise<Details | null> {
    if (entry.box === undefined) return null;
    const row = await this.#read(entry.log, (db) => findEntry(db, entry.log, entry.n));
    return row === null || row.box === null ? null : this.#open(row.box, entry);
  }

  #open(box: Uint8Array, entry: LedgerEntry): Details | null {
    try {
      return openDetails(box, entry, this.#parts.sealer);
    } catch (error) {
      if (error instanceof StrongroomError && error.code === 'erased') return null;
      throw error;
    }
  }

  head(log: LogId): Promise<LogHead> {
    return this.#read(log, (db) => readHead(db, log));
  }

  /** The head as it was at `size`, or is today, signed; kept, and recorded in the deployment's log if it is of another. */
  checkpoint(log: LogId, size?: number): Promise<SignedHead> {
    return this.#parts.store.write(SYSTEM, (tx) => this.#sign(tx, log, size));
  }

  /** Today's heads of several logs in one commit. */
  checkpoints(logs: readonly LogId[]): Promise<readonly SignedHead[]> {
    return this.#parts.store.write(SYSTEM, async (tx) => {
      const signed: SignedHead[] = [];
      for (const log of logs) signed.push(await this.#sign(tx, log));
      return signed;
    });
  }

  async #sign(tx: Tx, log: LogId, wanted?: number): Promise<SignedHead> {
    const size = wanted ?? (await readHead(tx.sql, log)).size;
    const root = await readRoot(tx.sql, log, size);
    const origin = this.originOf(log);
    const signer = await this.#parts.signers.signing(tx.sql);
    const note = signCheckpoint({ origin, size, root }, signer);
    const at = this.#parts.environment.clock.now();
    const { numInsertedOrUpdatedRows } = await tx.sql
      .insertInto('ledger_checkpoints')
      .values({ log, organization: log, size, note, at, change: tx.change })
      // Signed before: Ed25519 is deterministic, so it is the same note, or one by a key before this one.
      .onConflict((conflict) => conflict.columns(['log', 'size']).doNothing())
      .executeTakeFirst();
    const isNew = numInsertedOrUpdatedRows !== 0n;
    if (isNew && log !== DEPLOYMENT_LOG) this.#recordCheckpoint(tx, log, size, root);
    const own = { log, size, root, note, vkey: encodeVkey(verifierKey(origin, signer.publicKey)) };
    return isNew ? own : ((await this.#kept(tx, own)) ?? own);
  }

  /** The checkpoint that is kept of that size: the very one, or one that an older key signed; null if it is neither. */
  async #kept(tx: Tx, own: SignedHead): Promise<SignedHead | null> {
    const { log, size, root } = own;
    const kept = await tx.sql
      .selectFrom('ledger_checkpoints')
      .select('note')
      .where('log', '=', log)
      .where('size', '=', size)
      .executeTakeFirst();
    if (kept === undefined || kept.note === own.note) return null;
    try {
      const keys = this.verifierKeys(log);
      const { checkpoint, signer } = openCheckpointBy(kept.note, keys);
      const isIt = checkpoint.size === size && isEqual(checkpoint.root, root);
      return isIt ? { log, size, root, note: kept.note, vkey: encodeVkey(keys[signer]!) } : null;
    } catch (error) {
      // Somebody changed the row: verification names it.
      if (error instanceof RangeError) return null;
      throw error;
    }
  }

  /**
   * Says in every log that has not heard of it from where on the key of today signs, so many logs in a commit. Does
   * nothing where all have.
   */
  async announceKey(): Promise<void> {
    const { store, signers } = this.#parts;
    const { current } = signers;
    if (current.generation === 1) return;
    for (let after = ''; ;) {
      const logs = await store.read(SYSTEM, (db) => logsAfter(db, after));
      if (logs.length === 0) return;
      after = logs.at(-1) ?? after;
      await store.write(SYSTEM, async (tx) => {
        for (const log of logs)
          if ((await announcedIn(tx.sql, log)) < current.generation) this.appendRekey(tx, log, current);
      });
      this.#parts.environment.fault('rotation.announce');
    }
  }

  /** The same at an opening: where the deployment's own log knows the key, the others do, or a rotation goes on. */
  async announceKeyIfNew(): Promise<void> {
    const known = await this.#parts.store.read(SYSTEM, (db) => announcedIn(db, DEPLOYMENT_LOG));
    if (known < this.#parts.signers.current.generation) await this.announceKey();
  }

  /** The entry by which a log says who signs it from there on. */
  appendRekey(tx: Tx, log: LogId, key: PublishedKey): void {
    this.#appendTo(log, tx, { ...OF_ITSELF, action: 'ledger.rekey', facts: rekeyFacts(key) });
  }

  #recordCheckpoint(tx: Tx, log: LogId, size: number, root: Bytes): void {
    const facts = { size, root: encodeBase64(root) };
    this.#appendTo(DEPLOYMENT_LOG, tx, { ...OF_ITSELF, action: 'log.checkpoint', target: log, facts });
  }

  /** Logs that have grown since they were last signed. */
  async logsToSign(): Promise<readonly LogId[]> {
    const rows = await this.#parts.store.read(SYSTEM, (db) =>
      db
        .selectFrom('ledger_heads')
        .leftJoin('ledger_checkpoints', (join) =>
          join
            .onRef('ledger_checkpoints.log', '=', 'ledger_heads.log')
            .onRef('ledger_checkpoints.size', '=', 'ledger_heads.size'),
        )
        .select('ledger_heads.log')
        .where('ledger_checkpoints.log', 'is', null)
        .orderBy('ledger_heads.log')
        .execute(),
    );
    return rows.map(({ log }) => log);
  }

  /** Shows entry `n` to be in the tree of `size` entries, or of today's. Throws `not_found` outside of it. */
  inclusionProof(log: LogId, n: number, size?: number): Promise<Inclusion & { readonly root: Bytes }> {
    return this.#read(log, async (db) => readInclusion(db, log, n, size ?? (await readHead(db, log)).size));
  }

  /** Shows that the tree of `from` entries is the beginning of the tree of `to`. Throws `not_found` outside of it. */
  consistencyProof(log: LogId, from: number, to: number): Promise<readonly Bytes[]> {
    return this.#read(log, (db) => readConsistency(db, log, from, to));
  }

  /** A proof of entry `n` that anyone with the log's verifier key can check, with a checkpoint signed for it. */
  async proof(log: LogId, n: number, size?: number): Promise<EntryProof> {
    const checkpoint = await this.checkpoint(log, size);
    const inclusion = await this.inclusionProof(log, n, checkpoint.size);
    const text = encodeProof({ n, path: inclusion.path, checkpoint: checkpoint.note });
    return { ...inclusion, vkey: checkpoint.vkey, text };
  }

  /**
   * A proof that the log of `from` entries is the beginning of that of `size`, or of today's, with a checkpoint signed for the
   * larger. Throws `not_found` outside of it.
   */
  async growthProof(log: LogId, from: number, size?: number): Promise<GrowthProof> {
    const checkpoint = await this.checkpoint(log, size);
    const { path, fromRoot } = await this.#read(log, async (db) => ({
      path: await readConsistency(db, log, from, checkpoint.size),
      fromRoot: await readRoot(db, log, from),
    }));
    const text = encodeConsistencyProof({ from, path, checkpoint: checkpoint.note });
    return { from, size: checkpoint.size, fromRoot, root: checkpoint.root, path, text };
  }

  /**
   * The log from entry `from` on, up to a checkpoint signed for it, for `exportJsonLines` or `exportCsv`. Details are
   * opened only where asked for.
   */
  async contents(log: LogId, { from = 0, withDetails = false } = {}): Promise<LogContents> {
    const { size } = await this.checkpoint(log);
    const frontier = await this.#read(log, (db) => readFrontier(db, log, from));
    const exportedAt = this.#parts.environment.clock.now();
    const header = {
      log,
      origin: this.originOf(log),
      vkey: this.vkey(log),
      from,
      frontier,
      size,
      exportedAt,
      keys: this.#parts.signers.history,
    };
    const source: ContentsSource = {
      read: (work) => this.#read(log, work),
      open: (row) => (withDetails ? this.#openRow(log, row) : null),
    };
    return { header, records: logContents(source, log, from, size) };
  }

  /** A damaged row stays closed: an export is given as it lies, and verification names it. */
  #openRow(log: LogId, row: EntryRow): Details | null {
    try {
      const entry = entryOf(log, row);
      return entry === null || row.box === null ? null : this.#open(row.box, entry);
    } catch (error) {
      if (
        error instanceof StrongroomError &&
        (error.code === 'ledger.damaged' || error.code === 'box.damaged')
      )
        return null;
      throw error;
    }
  }

  originOf(log: LogId): string {
    return `${this.#parts.signers.name}/${log}`;
  }

  /** What a stranger needs to verify checkpoints and proofs that are signed today. */
  verifierKey(log: LogId): VerifierKey {
    return verifierKey(this.originOf(log), this.#parts.signers.current.publicKey);
  }

  /** The same of every key that today's vouches for, oldest first. */
  verifierKeys(log: LogId): readonly VerifierKey[] {
    const { name, followed } = this.#parts.signers;
    return verifierKeysOf(name, log, followed);
  }

  /** Every key that has signed, oldest first. */
  get keys(): readonly HistoricKey[] {
    return this.#parts.signers.history;
  }

  /** The verifier key in its text form. */
  vkey(log: LogId): string {
    return encodeVkey(this.verifierKey(log));
  }

  #read<Result>(log: LogId, work: (db: ReadSql) => Promise<Result>): Promise<Result> {
    return this.#parts.store.read(log === DEPLOYMENT_LOG ? SYSTEM : log, work);
  }
}

/** The entry of a row, if its leaf is still kept; `ledger.damaged` if it is not what was hashed, or not in its place. */
function entryOf(log: LogId, { n, leaf }: EntryRow): LedgerEntry | null {
  const entry = intact(() => readStoredLeaf(leaf));
  if (entry === null) return null;
  if (entry.log !== log || entry.n !== n)
    throw new StrongroomError('ledger.damaged', `entry ${n} is another's`);
  return entry;
}
