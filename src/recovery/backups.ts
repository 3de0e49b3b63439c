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
import { encodeHex, type Bytes } from '../bytes/encoding.ts';
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
import { collect, type Collected } from './collect.ts';
import {
  BACKUP_KINDS,
  backupKey,
  digestOf,
  openManifest,
  readEnvelope,
  sealManifest,
  type BackupKind,
  type Envelope,
  type ManifestContent,
} from './manifest.ts';
import { manifestName, type BackupPlace } from './place.ts';
import { openReader } from './row-reader.ts';

export const BACKUP_DAYS = 30;
/** More than there can be: one each five minutes for thirty days. */
const LIST_MAX = 50_000;
const COPIED_AT_ONCE = 50;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const WEEK_MS = 7 * DAY_MS;
/** They end a little before their time, because the chore that ends them comes once an hour. */
const END_MS = BACKUP_DAYS * DAY_MS - 2 * HOUR_MS;

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
  readonly places: readonly {
    readonly location: string | null;
    readonly allowed: boolean;
    readonly reachable: boolean;
    readonly newestAt: number | null;
    readonly missing: number;
  }[];
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
  /** One at a time. */
  #tail: Promise<unknown> = Promise.resolve();
  /** Where the store stood when the last backup had been recorded: until it moves there is nothing to carry off. */
  #quiet = -1;
  /** How often in a row one that was due has failed, and until when none is tried. */
  #failures = 0;
  #restUntil = 0;

  constructor(parts: BackupsParts) {
    this.#parts = parts;
  }

  get isOn(): boolean {
    return this.#parts.places.length > 0;
  }

  get places(): readonly BackupPlace[] {
    return this.#parts.places;
  }

  /** All of them, newest first. */
  list(): Promise<readonly BackupRow[]> {
    return this.page({ limit: LIST_MAX, before: null });
  }

  /** Newest first, from the one before that id on. */
  page({
    limit,
    before,
  }: {
    readonly limit: number;
    readonly before: string | null;
  }): Promise<readonly BackupRow[]> {
    return this.#parts.store.read(SYSTEM, (db) => {
      const rows = db.selectFrom('backups').selectAll().where('state', '=', 'complete');
      return (before === null ? rows : rows.where('id', '<', before))
        .orderBy('id', 'desc')
        .limit(limit)
        .execute();
    });
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
      places: await Promise.all(this.#parts.places.map((place) => this.#placeStatus(place, rows))),
    };
  }

  /** Looks at the place itself: what a row says was written there may be gone. */
  async #placeStatus(place: BackupPlace, rows: readonly BackupRow[]): Promise<Status['places'][number]> {
    const { locations } = this.#parts;
    const allowed = locations.length === 0 || (place.location !== null && locations.includes(place.location));
    const names = await this.#tried(place, () => place.blobs.list(''));
    const there = new Set(names ?? []);
    const held = rows.filter(({ id }) => there.has(manifestName(id as BackupId)));
    return {
      location: place.location,
      allowed,
      reachable: names !== null,
      newestAt: held[0]?.taken_at ?? null,
      missing: rows.length - held.length,
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
      const chain = await this.#chain(await this.#generation());
      const now = environment.clock.now();
      const due = now < this.#restUntil ? [] : dueKinds(chain, now, this.#parts.everyMs);
      for (const kind of due) {
        const change = await store.read(SYSTEM, (_, head) => Promise.resolve(head.change));
        if (kind !== 'log' || change !== this.#quiet) await this.#tryTo(kind);
      }
      await this.#copyMissing();
    });
  }

  /** One that fails is tried again after a while, and after a longer one each time: a full disk is not filled in a minute. */
  async #tryTo(kind: BackupKind): Promise<void> {
    const { environment, everyMs } = this.#parts;
    try {
      await this.#create(kind, {});
      this.#failures = 0;
    } catch (error) {
      const rest = Math.min(HOUR_MS, everyMs * 2 ** this.#failures++);
      this.#restUntil = environment.clock.now() + rest;
      throw error;
    }
  }

  /** Once an hour: backups that are too old end, and with a full one every increment that needs it. */
  expire(): Promise<void> {
    return this.#inTurn(async () => {
      const now = this.#parts.environment.clock.now();
      const rows = await this.list();
      const over = rows.filter(({ started_at }) => started_at <= now - END_MS);
      if (over.length > 0) await this.#end(over, 'backup.expire');
      await this.#removeDead();
      await this.#mendCopies();
    });
  }

  /** What a crash left unfinished: taken up where its manifest is there, else ended. */
  clean(): Promise<void> {
    return this.#inTurn(async () => {
      const rows = await this.#parts.store.read(SYSTEM, (db) =>
        db.selectFrom('backups').selectAll().where('state', '=', 'writing').execute(),
      );
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
      await this.#record(body.id, made);
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
    const row = await this.#parts.store.read(SYSTEM, (db) =>
      db
        .selectFrom('backups')
        .selectAll()
        .where('id', '=', id)
        .where('state', '=', 'writing')
        .executeTakeFirst(),
    );
    if (row !== undefined && !(await this.#takeUp(row))) await this.#end([row], 'backup.unfinished');
  }

  async #carryOut(begun: Begun, options: BackupOptions): Promise<BackupRow> {
    const { environment, keyring, store } = this.#parts;
    const key = backupKey(keyring.derive(begun.slot), begun.id, 'pieces');
    environment.fault('backup.snapshot');
    const isCounted = options.isCounted ?? begun.kind !== 'log';
    const reader = await openReader(this.#parts.target, { from: begun.from, isCounted });
    const takenAt = environment.clock.now();
    const reached = new Places(this.#parts);
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
    const row = await this.#record(begun.id, { body, digest, bytes: reached.bytes, places: reached.names });
    this.#quiet = await store.read(SYSTEM, (_, head) => Promise.resolve(head.change));
    return row;
  }

  /** Registers the backup's slot, before anything of it is written anywhere. */
  async #begin(wanted: BackupKind, { begin }: BackupOptions): Promise<Begun> {
    const { store, slots, keyring, newId, environment } = this.#parts;
    const generation = await this.#generation();
    const chain = await this.#chain(generation);
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

  #record(id: BackupId, made: Made): Promise<BackupRow> {
    const { store, ledger, environment } = this.#parts;
    const { body, digest, bytes, places } = made;
    return store.write(SYSTEM, async (tx) => {
      const { change } = tx;
      const row = {
        state: 'complete' as const,
        to_change: body.to,
        taken_at: body.takenAt,
        finished_at: environment.clock.now(),
        size: bytes,
        row_count: body.pieces.reduce((sum, { rows }) => sum + rows, 0),
        manifest: digest,
        places: JSON.stringify(places),
        change,
      };
      await tx.sql.updateTable('backups').set(row).where('id', '=', id).execute();
      if (body.kind === 'incremental')
        await tx.sql.deleteFrom('removed_rows').where('change', '<=', body.to).execute();
      if (body.kind !== 'log') {
        const entry = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
        const facts = { kind: body.kind, manifest: digest };
        ledger.append(tx, { ...entry, action: 'backup.create', target: id, facts });
      }
      return tx.sql.selectFrom('backups').selectAll().where('id', '=', id).executeTakeFirstOrThrow();
    });
  }

  /** Of this generation the first full one and the newest of each kind: what the next one is made from. */
  #chain(generation: number): Promise<readonly BackupRow[]> {
    return this.#parts.store.read(SYSTEM, async (db) => {
      const rows: BackupRow[] = [];
      for (const kind of BACKUP_KINDS) {
        for (const order of kind === 'full' ? (['asc', 'desc'] as const) : (['desc'] as const)) {
          const found = await db
            .selectFrom('backups')
            .selectAll()
            .where('state', '=', 'complete')
            .where('generation', '=', generation)
            .where('kind', '=', kind)
            .orderBy('id', order)
            .limit(1)
            .execute();
          rows.push(...found);
        }
      }
      return rows;
    });
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
    for (const { id } of rows) for (const place of this.#parts.places) await this.#removeFrom(place, id);
  }

  /** Files of backups that no row knows, from before a restore or an interrupted end, once their slots are dead. */
  async #removeDead(): Promise<void> {
    const rows = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('backups').select('id').execute(),
    );
    const known = new Set(rows.map(({ id }) => id));
    for (const place of this.#parts.places) {
      const found = await this.#tried(place, () => place.blobs.list(''));
      const ids = new Set((found ?? []).map((name) => name.slice(0, name.indexOf('/'))));
      for (const id of ids)
        if (!known.has(id) && (await this.#isDead(place, id))) await this.#removeFrom(place, id);
    }
  }

  async #isDead(place: BackupPlace, id: string): Promise<boolean> {
    try {
      const { slot } = readEnvelope(await place.blobs.get(`${id}/manifest`));
      return this.#parts.keyring.isErased(slot);
    } catch (error) {
      // Without its manifest nothing of it can ever be opened.
      return error instanceof StrongroomError && error.code === 'not_found';
    }
  }

  async #removeFrom(place: BackupPlace, id: string): Promise<void> {
    await this.#tried(place, async () => {
      // The manifest first: what is half removed is no backup any more.
      const names = [...(await place.blobs.list(`${id}/`))].sort().reverse();
      for (const name of names) await place.blobs.delete(name);
    });
  }

  /** Copies what a place has missed, from one that holds it. */
  async #copyMissing(): Promise<void> {
    const { places, store } = this.#parts;
    if (places.length < 2) return;
    const everywhere = JSON.stringify(places.map(({ name }) => name));
    const rows = await store.read(SYSTEM, (db) =>
      db
        .selectFrom('backups')
        .select(['id', 'places'])
        .where('state', '=', 'complete')
        .where('places', '!=', everywhere)
        .orderBy('id')
        .limit(COPIED_AT_ONCE)
        .execute(),
    );
    for (const row of rows) await this.#copyOne(row.id, new Set(JSON.parse(row.places) as string[]));
  }

  /** Looks at the places themselves: what was lost in one comes back from the other. */
  async #mendCopies(): Promise<void> {
    const { places } = this.#parts;
    if (places.length < 2) return;
    const held = new Map<string, ReadonlySet<string>>();
    for (const place of places) {
      const names = await this.#tried(place, () => place.blobs.list(''));
      if (names !== null) held.set(place.name, new Set(names));
    }
    for (const { id } of await this.list()) {
      const name = manifestName(id as BackupId);
      const holders = new Set([...held].flatMap(([place, names]) => (names.has(name) ? [place] : [])));
      if (holders.size > 0 && holders.size < held.size) await this.#copyOne(id, holders);
    }
  }

  async #copyOne(id: string, held: ReadonlySet<string>): Promise<void> {
    const { places, store } = this.#parts;
    const source = places.find(({ name }) => held.has(name));
    if (source === undefined) return;
    const holders: string[] = [];
    for (const place of places) {
      const isThere = held.has(place.name) || (await this.#tried(place, () => copyBackup(source, place, id)));
      if (isThere === true) holders.push(place.name);
    }
    if (holders.length === held.size) return;
    await store.write(SYSTEM, (tx) =>
      tx.sql
        .updateTable('backups')
        .set({ places: JSON.stringify(holders), change: tx.change })
        .where('id', '=', id)
        .execute(),
    );
  }

  async #tried<T>(place: BackupPlace, work: () => Promise<T>): Promise<T | null> {
    try {
      return await work();
    } catch (error) {
      this.#parts.onError(error, `backups at ${place.name}`);
      return null;
    }
  }
}

interface Made {
  readonly body: ManifestContent;
  readonly digest: string;
  readonly bytes: number;
  readonly places: readonly string[];
}

/** Writes to the first place, which must take it, and to the others while they do. */
class Places {
  readonly #first: BackupPlace;
  #others: readonly BackupPlace[];
  readonly #onError: BackupsParts['onError'];
  bytes = 0;

  constructor({ places, onError }: Pick<BackupsParts, 'places' | 'onError'>) {
    const [first, ...others] = places;
    if (first === undefined) throw new StrongroomError('conflict', 'no place for backups is set');
    this.#first = first;
    this.#others = others;
    this.#onError = onError;
  }

  get names(): readonly string[] {
    return [this.#first, ...this.#others].map(({ name }) => name);
  }

  async put(name: string, bytes: Bytes): Promise<void> {
    this.bytes += bytes.length;
    const others = this.#others.map(async (place) => {
      try {
        await place.blobs.put(name, bytes);
      } catch (error) {
        this.#others = this.#others.filter((other) => other !== place);
        this.#onError(error, `backups at ${place.name}`);
      }
    });
    await Promise.all([this.#first.blobs.put(name, bytes), ...others]);
  }
}

async function copyBackup(from: BackupPlace, to: BackupPlace, id: string): Promise<true> {
  // The manifest's name sorts last, and so it comes last.
  for (const name of await from.blobs.list(`${id}/`)) await to.blobs.put(name, await from.blobs.get(name));
  return true;
}

const insertBackup = (
  tx: Tx,
  row: Pick<BackupRow, 'id' | 'kind' | 'generation' | 'from_change' | 'started_at'> & { readonly slot: Slot },
): Promise<unknown> =>
  tx.sql
    .insertInto('backups')
    .values({
      ...row,
      state: 'writing',
      to_change: row.from_change,
      taken_at: row.started_at,
      finished_at: null,
      size: 0,
      row_count: 0,
      manifest: null,
      places: '[]',
      change: tx.change,
    })
    .execute();

type Chained = Pick<BackupRow, 'kind' | 'to_change' | 'taken_at'>;

/** Where an increment begins: where the last one ended, or the first full one. `chain` is newest first. */
function baseOf(chain: readonly Chained[], kind: 'incremental' | 'log'): number {
  const increments = chain.filter(
    (row) => row.kind === 'incremental' || (kind === 'log' && row.kind === 'log'),
  );
  if (increments.length > 0) return Math.max(...increments.map(({ to_change }) => to_change));
  return Math.min(...chain.flatMap((row) => (row.kind === 'full' ? [row.to_change] : [])));
}

/** What has to be made now, in this order. */
export function dueKinds(chain: readonly Chained[], nowMs: number, everyMs: number): readonly BackupKind[] {
  const since = (...kinds: readonly BackupKind[]): number =>
    nowMs -
    Math.max(-Infinity, ...chain.filter(({ kind }) => kinds.includes(kind)).map((row) => row.taken_at));
  if (since('full') === Infinity) return ['full'];
  // With the increment beside it, whatever the full one holds can be reached without it too.
  if (since('full') >= WEEK_MS) return ['incremental', 'full'];
  if (since('incremental') >= DAY_MS && since('full', 'incremental') >= DAY_MS) return ['incremental'];
  return since(...(['full', 'incremental', 'log'] as const)) >= everyMs ? ['log'] : [];
}
