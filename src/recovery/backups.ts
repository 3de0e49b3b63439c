/**
 * Backups: when they are made, what each adds, when they end.
 *
 *     full         every row, weekly
 *     incremental  what changed since the last incremental (or the first full), daily
 *     log          what changed since the last of these two, every few minutes
 *
 * Increments go on from increments and not from full backups, so that a full one that is lost costs time and no data:
 * the one before it, with all increments since, leads to the same moments.
 *
 * Each has a slot of its own. It is registered before the first byte is written, and it dies after 30 days, or where the
 * backup was never finished; copies of the pieces are worth nothing then. The manifest is written last and told to the
 * witness beside the keystore.
 *
 * Fault points: `backup.slot`, `backup.snapshot`, `backup.piece`, `backup.manifest`, `backup.witness`, `backup.record`.
 */
import { encodeHex } from '../bytes/encoding.ts';
import type { SigningKey } from '../crypto/signature.ts';
import { Crash, type Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { BackupId, NewId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import { parseSlot, type Slot } from '../keys/slot.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { BlobStore } from '../store/blobs.ts';
import type { Destruction } from '../store/destruction.ts';
import { MIGRATIONS } from '../store/migrations.ts';
import type { StoreTarget } from '../store/open-store.ts';
import type { BackupRow } from '../store/schema.ts';
import { DEPLOYMENT, type SlotAllocator } from '../store/slots.ts';
import { SYSTEM, type Store, type Tx } from '../store/store.ts';
import { BackupCopies, type PlaceStatus } from './backup-copies.ts';
import { BackupRows, insertBackup, type BackupsPage } from './backup-rows.ts';
import { baseOf, dueKinds, endedBefore, restAfter } from './backup-schedule.ts';
import { collect, type Collected } from './collect.ts';
import {
  backupKey,
  digestOf,
  openManifest,
  sealManifest,
  type BackupKind,
  type Envelope,
  type ManifestContent,
} from './manifest.ts';
import { manifestName, type BackupPlace } from './place.ts';
import { ReachedPlaces } from './reached-places.ts';
import { openReader } from './row-reader.ts';

export interface BackupsParts {
  readonly store: Store;
  readonly target: StoreTarget;
  readonly keyring: Keyring;
  readonly slots: SlotAllocator;
  readonly destruction: Destruction;
  readonly ledger: Ledger;
  /** The key that signs manifests, as it is now. */
  readonly signer: () => SigningKey;
  readonly blobs: BlobStore;
  /** The first is written, and what it holds is copied to the others. */
  readonly places: readonly BackupPlace[];
  /** Where they may lie; none: anywhere. */
  readonly locations: readonly string[];
  /** How often what changed is carried off. */
  readonly everyMs: number;
  readonly newId: NewId;
  readonly environment: Environment;
  /** Told of a place that cannot be written; it gets its copies later. */
  readonly onError: (error: unknown, what: string) => void;
}

export interface Status {
  readonly backups: number;
  readonly oldestAt: number | null;
  readonly fullAt: number | null;
  readonly incrementalAt: number | null;
  readonly recoverableAt: number | null;
  readonly lossSeconds: number | null;
  readonly places: readonly PlaceStatus[];
}

export interface BackupOptions {
  /** Begins it in a transaction that says who asked; without it the system did. */
  readonly begin?: (work: (tx: Tx) => Promise<BackupId>) => Promise<unknown>;
  readonly isCounted?: boolean;
  readonly onProgress?: (progress: { readonly rows: number; readonly bytes: number }) => void;
}

interface Begun extends Envelope {
  readonly kind: BackupKind;
  readonly from: number;
  readonly generation: number;
  readonly previous: string | null;
  readonly startedAt: number;
}

export class Backups {
  readonly #parts: BackupsParts;
  readonly #rows: BackupRows;
  readonly #copies: BackupCopies;
  /** One at a time. */
  #tail: Promise<unknown> = Promise.resolve();
  /** Where the store stood when the last backup had been recorded: until it moves there is nothing to carry off. */
  #quiet = -1;
  /** How often in a row one that was due has failed, and until when none is tried. */
  #failures = 0;
  #restUntil = 0;

  constructor(parts: BackupsParts) {
    this.#parts = parts;
    this.#rows = new BackupRows({ ...parts, clock: parts.environment.clock });
    this.#copies = new BackupCopies(parts);
  }

  get isOn(): boolean {
    return this.#parts.places.length > 0;
  }

  get places(): readonly BackupPlace[] {
    return this.#parts.places;
  }

  /** All of them, newest first. */
  list(): Promise<readonly BackupRow[]> {
    return this.#rows.list();
  }

  /** Newest first, from the one before that id on. */
  page(of: BackupsPage): Promise<readonly BackupRow[]> {
    return this.#rows.page(of);
  }

  /** How long ago the newest moment is that could be restored; 0 where nothing has changed since. Null: there is none. */
  async lossMs(): Promise<number | null> {
    const { store, environment } = this.#parts;
    const generation = await this.#generation();
    const newest = (await this.page({ limit: 1, before: null }))[0];
    if (newest?.generation !== generation) return null;
    const change = await store.read(SYSTEM, (_, head) => Promise.resolve(head.change));
    return change === this.#quiet ? 0 : environment.clock.now() - newest.taken_at;
  }

  async status(): Promise<Status> {
    const rows = await this.list();
    const now = this.#parts.environment.clock.now();
    const lossMs = await this.lossMs();
    const newest = (...kinds: readonly BackupKind[]): number | null =>
      rows.find(({ kind }) => kinds.includes(kind))?.taken_at ?? null;
    return {
      backups: rows.length,
      oldestAt: rows.at(-1)?.started_at ?? null,
      fullAt: newest('full'),
      incrementalAt: newest('full', 'incremental'),
      recoverableAt: lossMs === null ? null : now - lossMs,
      lossSeconds: lossMs === null ? null : lossMs / 1000,
      places: await this.#copies.status(rows),
    };
  }

  /** Makes one now. What goes on from nothing is a full one, whatever was asked. */
  create(kind: BackupKind, options: BackupOptions = {}): Promise<BackupRow> {
    return this.#inTurn(() => this.#create(kind, options));
  }

  /** Once a minute: whatever is due by now. */
  tick(): Promise<void> {
    if (!this.isOn) return Promise.resolve();
    return this.#inTurn(async () => {
      const { environment, store } = this.#parts;
      const chain = await this.#rows.chain(await this.#generation());
      const now = environment.clock.now();
      const due = now < this.#restUntil ? [] : dueKinds(chain, now, this.#parts.everyMs);
      for (const kind of due) {
        const change = await store.read(SYSTEM, (_, head) => Promise.resolve(head.change));
        if (kind !== 'log' || change !== this.#quiet) await this.#tryTo(kind);
      }
      await this.#copies.copyMissing();
    });
  }

  /** One that fails is tried again after a while, and after a longer one each time: a full disk is not filled in a minute. */
  async #tryTo(kind: BackupKind): Promise<void> {
    const { environment, everyMs } = this.#parts;
    try {
      await this.#create(kind, {});
      this.#failures = 0;
    } catch (error) {
      const rest = restAfter(this.#failures++, everyMs);
      this.#restUntil = environment.clock.now() + rest;
      throw error;
    }
  }

  /** Once an hour: backups that are too old end, and with a full one every increment that needs it. */
  expire(): Promise<void> {
    return this.#inTurn(async () => {
      const now = this.#parts.environment.clock.now();
      const rows = await this.list();
      const over = rows.filter(({ started_at }) => started_at <= endedBefore(now));
      if (over.length > 0) await this.#end(over, 'backup.expire');
      await this.#copies.removeDead();
      await this.#copies.mend(() => this.list());
    });
  }

  /** What a crash left unfinished: taken up where its manifest is there, else ended. */
  clean(): Promise<void> {
    return this.#inTurn(async () => {
      const rows = await this.#rows.unfinished();
      const over: BackupRow[] = [];
      for (const row of rows) if (!(await this.#takeUp(row))) over.push(row);
      if (over.length > 0) await this.#end(over, 'backup.unfinished');
    });
  }

  /** A backup whose manifest is there is whole: only its row does not say so yet. */
  async #takeUp(row: BackupRow): Promise<boolean> {
    const [first] = this.#parts.places;
    if (first === undefined) return false;
    try {
      const file = await first.blobs.get(manifestName(row.id as BackupId));
      const body = openManifest(file, this.#parts.keyring);
      if (body.id !== row.id) return false;
      const bytes = body.pieces.reduce((sum, { size }) => sum + size, file.length);
      const made = { body, digest: body.digest, bytes, places: [first.name] };
      await this.#rows.record(body.id, made);
      return true;
    } catch (error) {
      if (error instanceof StrongroomError) return false;
      throw error;
    }
  }

  /** Waits for the one that is being made. */
  async close(): Promise<void> {
    await this.#tail;
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  async #create(kind: BackupKind, options: BackupOptions): Promise<BackupRow> {
    if (!this.isOn) throw new StrongroomError('conflict', 'no place for backups is set');
    const begun = await this.#begin(kind, options);
    try {
      return await this.#carryOut(begun, options);
    } catch (error) {
      // What was written of it would fill a full disk further with each attempt. Where not even this can be done, the
      // next opening does it.
      if (!(error instanceof Crash))
        await this.#giveUp(begun).catch((cause) => this.#parts.onError(cause, begun.id));
      throw error;
    }
  }

  /** Ends a backup that failed, unless it is whole but for its row. */
  async #giveUp({ id }: Begun): Promise<void> {
    const [row] = await this.#rows.unfinished(id);
    if (row !== undefined && !(await this.#takeUp(row))) await this.#end([row], 'backup.unfinished');
  }

  async #carryOut(begun: Begun, options: BackupOptions): Promise<BackupRow> {
    const { environment, keyring, store } = this.#parts;
    const key = backupKey(keyring.derive(begun.slot), begun.id, 'pieces');
    environment.fault('backup.snapshot');
    const isCounted = options.isCounted ?? begun.kind !== 'log';
    const reader = await openReader(this.#parts.target, { from: begun.from, isCounted });
    const takenAt = environment.clock.now();
    const reached = new ReachedPlaces(this.#parts);
    let collected: Collected;
    try {
      collected = await collect({
        reader,
        envelope: begun,
        key,
        blobs: this.#parts.blobs,
        put: (name, bytes) => reached.put(name, bytes),
        environment,
        onProgress: options.onProgress ?? (() => undefined),
      });
    } finally {
      key.fill(0);
      await reader.close();
    }
    const signer = this.#parts.signer();
    const publicKey = encodeHex(signer.publicKey);
    const body = { ...this.#manifestOf(begun, reader.change, takenAt, collected), publicKey };
    const manifest = sealManifest(begun, body, { keys: keyring, signer, random: environment.random });
    environment.fault('backup.manifest');
    await reached.put(manifestName(begun.id), manifest);
    environment.fault('backup.witness');
    const digest = digestOf(manifest);
    await keyring.witnessBackup(`${begun.id}/${digest}`);
    environment.fault('backup.record');
    const row = await this.#rows.record(begun.id, {
      body,
      digest,
      bytes: reached.bytes,
      places: reached.names,
    });
    this.#quiet = await store.read(SYSTEM, (_, head) => Promise.resolve(head.change));
    return row;
  }

  /** Registers the backup's slot, before anything of it is written anywhere. */
  async #begin(wanted: BackupKind, { begin }: BackupOptions): Promise<Begun> {
    const { store, slots, keyring, newId, environment } = this.#parts;
    const generation = await this.#generation();
    const chain = await this.#rows.chain(generation);
    const kind = chain.some((row) => row.kind === 'full') ? wanted : 'full';
    const from = kind === 'full' ? 0 : baseOf(chain, kind);
    const id: BackupId = newId('backup');
    const startedAt = environment.clock.now();
    environment.fault('backup.slot');
    let taken: Slot | null = null;
    const register = async (tx: Tx): Promise<BackupId> => {
      const slot = await slots.takeOne(tx, DEPLOYMENT);
      await insertBackup(tx, { id, kind, slot, generation, from_change: from, started_at: startedAt });
      taken = slot;
      return id;
    };
    await (begin === undefined ? store.write(SYSTEM, register) : begin(register));
    const slot = taken as Slot | null;
    if (slot === null) throw new StrongroomError('internal', 'a backup was begun without its slot');
    const [last] = await this.page({ limit: 1, before: null });
    const previous = last?.manifest ?? null;
    return { id, kind, from, generation, previous, startedAt, deployment: keyring.deployment, slot };
  }

  #manifestOf(
    begun: Begun,
    to: number,
    takenAt: number,
    collected: Collected,
  ): Omit<ManifestContent, 'publicKey'> {
    const { environment } = this.#parts;
    const { kind, from, generation, previous } = begun;
    return {
      kind,
      schema: MIGRATIONS.length,
      from,
      to,
      previous,
      takenAt,
      finishedAt: environment.clock.now(),
      generation,
      ...collected,
    };
  }

  /** The ledger's generation: what was made before a restore is no part of today's chain. */
  async #generation(): Promise<number> {
    const { generation } = await this.#parts.ledger.head('deployment');
    return generation;
  }

  /** Destroys the slots, then removes rows and files. Doing it again does no harm. */
  async #end(rows: readonly BackupRow[], reason: string): Promise<void> {
    const { store, destruction, ledger } = this.#parts;
    const slots = rows.map(({ slot }) => parseSlot(slot));
    const request = await store.write(SYSTEM, async (tx) => {
      for (const { id } of rows) await tx.sql.deleteFrom('backups').where('id', '=', id).execute();
      const entry = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
      const targets = rows.map(({ id }) => id);
      ledger.append(tx, { ...entry, action: 'backup.expire', target: '', targets });
      return destruction.order(tx, slots, reason);
    });
    await destruction.carryOut(request);
    for (const { id } of rows) await this.#copies.remove(id);
  }
}
