/**
 * Rotations: a key of the service is replaced by another, nothing is lost, and the old one is destroyed.
 *
 *     begun      the next key has its slot                            → switch
 *     switched   the next key is the one in use; what lies under the old one is brought under it, and verified
 *     kept       nothing needs the old key but backups from before: it waits until it is due
 *     ended      the old key's slot is dead
 *
 * Each step is one transaction and may be taken again, so a crash anywhere is answered by going on at the next opening.
 * Root, pages and the files beside the root are the keyring's own affair: there one epoch is the whole rotation, and
 * nothing of the old is kept (docs/keyring.md).
 */
import type { Rotation, RotationKey, RotationKeyAge } from '@strongroom/client';
import type { ServiceSlots } from '../access/service-slots.ts';
import { DAY_MS } from '../durations.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { NewId } from '../ids.ts';
import type { PunctureRequest } from '../keys/key-journal.ts';
import type { Keyring } from '../keys/keyring.ts';
import { parseSlot, type Slot } from '../keys/slot.ts';
import type { Facts } from '../ledger/entry.ts';
import type { Action } from '../ledger/actions.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Destruction } from '../store/destruction.ts';
import type { RotationRow } from '../store/schema.ts';
import { SYSTEM, type ReadSql, type Store, type Tx } from '../store/store.ts';
import { isServiceKey, SLOT_NAMES, type RotatedKey, type ServiceKeyName } from './rotated-keys.ts';

/** How old keys may become, in days. */
export interface RotationDays {
  /** The keys by whose signatures people trust something for years: of the ledger, of certificates. */
  readonly ledger: number;
  /** The pepper, cursors, manifests of backups and the files beside the root. */
  readonly service: number;
  /** How long a replaced key is kept for the backups from before. */
  readonly retired: number;
}

/** Broken one at a time by sabotages. */
export interface RotationSteps {
  readonly isDue: (age: RotationKeyAge, nowMs: number) => boolean;
  readonly adopt: (services: ServiceSlots, name: string, next: Slot) => void;
  readonly rewrap: (key: RotatedKey, old: Slot, next: Slot) => Promise<void>;
  readonly destroy: (destruction: Destruction, old: Slot, tx: Tx) => Promise<PunctureRequest | null>;
}

export const soundRotationSteps: RotationSteps = {
  isDue: (age, nowMs) => Date.parse(age.rotateBy) <= nowMs,
  adopt: (services, name, next) => void services.adopt(name, next),
  rewrap: (key, old, next) => key.rewrap(old, next),
  destroy: (destruction, old, tx) => destruction.order(tx, [old], 'key.rotation'),
};

export interface RotationsParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly ledger: Ledger;
  readonly destruction: Destruction;
  readonly services: ServiceSlots;
  readonly keys: Readonly<Record<ServiceKeyName, RotatedKey>>;
  readonly days: RotationDays;
  readonly newId: NewId;
  /** The time by which something may be destroyed: the clock's, as far as that is plausible. */
  readonly trusted: () => number;
  readonly environment: Environment;
  readonly steps?: Partial<RotationSteps>;
}

export interface RotationOrder {
  readonly cause: RotationRow['cause'];
  /** Destroys the old keys at once, whatever backups need them. */
  readonly atOnce: boolean;
}

export const ROTATION_KEYS: readonly RotationKey[] = [
  'root',
  'keystore',
  'ledger',
  'api-keys',
  'cursors',
  'backups',
  'certificates',
];

/** The keyring turns its root and pages by itself (`Keyring.tend`). */
const ROOT_DAYS = 1;
/** How long old keys are kept that no backup needs: no list goes on for longer, and a manifest brings its public key along. */
const KEPT_DAYS: Readonly<Partial<Record<ServiceKeyName, number>>> = { cursors: 1, backups: 0 };

export class Rotations {
  readonly #parts: RotationsParts;
  readonly #steps: RotationSteps;
  /** Rotations run one after the other. */
  #tail: Promise<unknown> = Promise.resolve();
  #retiredCursors: readonly Slot[] = [];

  constructor(parts: RotationsParts) {
    this.#parts = parts;
    this.#steps = { ...soundRotationSteps, ...parts.steps };
  }

  /** Slots of the cursors' keys that were replaced and still open. */
  get retiredCursors(): readonly Slot[] {
    return this.#retiredCursors;
  }

  /** Goes on with what a process before this one left half done. */
  resume(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#loadCursors();
      await this.#finish();
      await this.#parts.ledger.announceKeyIfNew();
    });
  }

  /** Replaces these keys now. Throws `store.unavailable`, before anything is done, where a keystore replica is away. */
  run(keys: readonly RotationKey[], order: RotationOrder): Promise<readonly Rotation[]> {
    return this.#inTurn(() => this.#run(keys, order));
  }

  /** Once an hour: replaces what is too old, and destroys what was kept long enough. */
  tend(): Promise<void> {
    return this.#inTurn(async () => {
      await this.#finish();
      const now = this.#now();
      const due = (await this.#ages()).filter((age) => age.key !== 'root' && this.#steps.isDue(age, now));
      const kept = (await this.#rows()).filter(({ state }) => state === 'kept');
      const trusted = this.#parts.trusted();
      // One that cannot be done now (a replica of the keystore is away) keeps no other from being done.
      await allTried([
        ...due.map(
          ({ key }) =>
            () =>
              this.#run([key], { cause: 'schedule', atOnce: false }),
        ),
        ...kept.map((row) => () => this.#end(row, trusted)),
      ]);
    });
  }

  /** Every key with its age, and what it has replaced and is still there. */
  ages(): Promise<readonly RotationKeyAge[]> {
    return this.#ages();
  }

  async #finish(): Promise<void> {
    for (const row of await this.#rows()) {
      if (row.state !== 'kept') await this.#goOn(row);
      // A database from before the end of this one says that the old key is kept, and the keystore has none any more.
      else if (this.#parts.keyring.isErased(this.#partsOf(row).old)) await this.#set(row, ended(this.#now()));
    }
  }

  async #run(keys: readonly RotationKey[], order: RotationOrder): Promise<readonly Rotation[]> {
    const done: Rotation[] = [];
    // The keystore first: where it cannot turn, nothing else has been done.
    const own = keys.filter((key) => !isServiceKey(key));
    if (own.length > 0) done.push(...(await this.#turnKeystore(own, order)));
    for (const key of new Set(keys)) {
      if (!isServiceKey(key)) continue;
      const row = await this.#begin(key, order);
      done.push(rotationOf(await this.#goOn(row, order.atOnce)));
    }
    if (order.atOnce)
      for (const row of await this.#rows())
        if (row.state === 'kept' && keys.includes(row.what)) await this.#end(row, Infinity);
    return done;
  }

  /** One epoch for both, since a new root comes with either. */
  async #turnKeystore(keys: readonly RotationKey[], { cause }: RotationOrder): Promise<readonly Rotation[]> {
    const { keyring, store, newId, environment } = this.#parts;
    const started_at = this.#now();
    const sides = keys.includes('keystore');
    environment.fault('rotation.turn');
    await keyring.turn({ sides });
    const rows = [...new Set(keys)].map((what) => {
      const at = this.#now();
      const slots = { old_slot: null, new_slot: null };
      const times = { started_at, switched_at: at, due_at: at, ended_at: at };
      return { id: newId('rotation'), what, state: 'ended' as const, cause, ...slots, ...times };
    });
    await store.write(SYSTEM, async (tx) => {
      for (const row of rows) {
        await tx.sql
          .insertInto('rotations')
          .values({ ...row, change: tx.change })
          .execute();
        this.#record(tx, 'rotation.end', { key: row.what, cause, epoch: keyring.epoch });
      }
    });
    return rows.map((row) => rotationOf({ ...row, change: 0 }));
  }

  /** A rotation of that key that is under way is gone on with instead. */
  async #begin(what: ServiceKeyName, { cause, atOnce }: RotationOrder): Promise<RotationRow> {
    const { store, services, newId, environment } = this.#parts;
    const underWay = (await this.#rows()).find((row) => row.what === what && row.state !== 'kept');
    if (underWay !== undefined) return underWay;
    environment.fault('rotation.begin');
    return store.write(SYSTEM, async (tx) => {
      const row: RotationRow = {
        id: newId('rotation'),
        what,
        state: 'begun',
        cause,
        old_slot: services.current(SLOT_NAMES[what]),
        new_slot: await services.take(tx),
        started_at: this.#now(),
        switched_at: null,
        // Whoever goes on with it after a crash ends the old key at once too.
        due_at: atOnce ? this.#now() : null,
        ended_at: null,
        change: tx.change,
      };
      await tx.sql.insertInto('rotations').values(row).execute();
      this.#record(tx, 'rotation.begin', { key: what, cause });
      return row;
    });
  }

  async #goOn(row: RotationRow, atOnce = false): Promise<RotationRow> {
    const { keyring, environment } = this.#parts;
    const { what, old, next, key } = this.#partsOf(row);
    // A restore may have ended either: what lay under it is gone, and the next opening made another.
    if (keyring.isErased(old) || keyring.isErased(next)) return this.#set(row, ended(this.#now()));
    const switched = row.state === 'begun' ? await this.#switch(row) : row;
    await this.#loadCursors();
    environment.fault('rotation.rewrap');
    await this.#steps.rewrap(key, old, next);
    environment.fault('rotation.verify');
    await key.verify(next);
    environment.fault('rotation.keep');
    const keptDays = KEPT_DAYS[what] ?? this.#parts.days.retired;
    const due_at = this.#now() + (atOnce || row.due_at !== null ? 0 : keptDays * DAY_MS);
    return this.#end(await this.#set(switched, { state: 'kept', due_at }), this.#now());
  }

  async #switch(row: RotationRow): Promise<RotationRow> {
    const { services, environment } = this.#parts;
    const { what, next, key } = this.#partsOf(row);
    environment.fault('rotation.switch');
    const switched = { state: 'switched', switched_at: this.#now() } as const;
    const changed = await this.#set(row, switched, async (tx) => {
      await services.replace(tx, SLOT_NAMES[what], next);
      await key.switchTo(tx, next);
    });
    this.#steps.adopt(services, SLOT_NAMES[what], next);
    await key.switched();
    return changed;
  }

  /** Destroys a key that is due. What still lies under it, against all expectation, is brought over first. */
  async #end(row: RotationRow, nowMs: number): Promise<RotationRow> {
    if (row.due_at === null || row.due_at > nowMs) return row;
    const { store, services, destruction, environment } = this.#parts;
    const { what, old, key } = this.#partsOf(row);
    environment.fault('rotation.destroy');
    const changes = ended(this.#now());
    const done = await store.write(SYSTEM, async (tx) => {
      if (await key.isNeeded(tx, old)) return null;
      await this.#update(tx, row, changes);
      this.#record(tx, 'rotation.end', { key: what, cause: row.cause });
      return { order: await this.#steps.destroy(destruction, old, tx) };
    });
    if (done === null) {
      await this.#steps.rewrap(key, old, services.current(SLOT_NAMES[what]));
      return row;
    }
    await this.#loadCursors();
    if (done.order !== null) await destruction.carryOut(done.order);
    return { ...row, ...changes };
  }

  #partsOf(row: RotationRow): { what: ServiceKeyName; old: Slot; next: Slot; key: RotatedKey } {
    const { what, old_slot, new_slot } = row;
    if (!isServiceKey(what) || old_slot === null || new_slot === null)
      throw new StrongroomError('internal', `${what} is not rotated in steps`);
    return { what, old: parseSlot(old_slot), next: parseSlot(new_slot), key: this.#parts.keys[what] };
  }

  async #set(
    row: RotationRow,
    changes: Partial<RotationRow>,
    also: (tx: Tx) => Promise<void> = () => Promise.resolve(),
  ): Promise<RotationRow> {
    await this.#parts.store.write(SYSTEM, async (tx) => {
      await also(tx);
      await this.#update(tx, row, changes);
    });
    return { ...row, ...changes };
  }

  async #update(tx: Tx, { id }: RotationRow, changes: Partial<RotationRow>): Promise<void> {
    await tx.sql
      .updateTable('rotations')
      .set({ ...changes, change: tx.change })
      .where('id', '=', id)
      .execute();
  }

  #record(tx: Tx, action: Action, facts: Facts): void {
    const entry = { principal: 'system', target: '', outcome: 'done', request: '', scope: [] } as const;
    this.#parts.ledger.append(tx, { ...entry, action, facts });
  }

  /** Rotations that have not ended, oldest first. */
  #rows(): Promise<readonly RotationRow[]> {
    return this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('rotations').selectAll().where('state', '!=', 'ended').orderBy('id').execute(),
    );
  }

  async #loadCursors(): Promise<void> {
    const rows = (await this.#rows()).filter(({ what, state }) => what === 'cursors' && state !== 'begun');
    this.#retiredCursors = rows
      .map((row) => this.#partsOf(row).old)
      .filter((slot) => !this.#parts.keyring.isErased(slot));
  }

  async #ages(): Promise<readonly RotationKeyAge[]> {
    const { store, keyring, days } = this.#parts;
    const slots = await store.read(SYSTEM, serviceKeysSince);
    const rows = await this.#rows();
    const age = (key: RotationKey, since: number, daysMax: number): RotationKeyAge => ({
      key,
      since: timeOf(since),
      daysMax,
      rotateBy: timeOf(since + daysMax * DAY_MS),
      retired: rows.flatMap(({ what, switched_at, due_at }) =>
        what !== key || switched_at === null
          ? []
          : [{ since: timeOf(switched_at), destroyBy: due_at === null ? null : timeOf(due_at) }],
      ),
    });
    return [
      age('root', keyring.fullAtMs, ROOT_DAYS),
      age('keystore', await store.read(SYSTEM, keystoreSince), days.service),
      age('ledger', slots.ledger, days.ledger),
      age('api-keys', slots['api-keys'], days.service),
      age('cursors', slots.cursors, days.service),
      age('backups', slots.backups, days.service),
      age('certificates', slots.certificates, days.ledger),
    ];
  }

  #now(): number {
    return this.#parts.environment.clock.now();
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#tail.then(work);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }
}

/** Tries one after the other, and throws the first error when all have been tried. */
async function allTried(work: readonly (() => Promise<unknown>)[]): Promise<void> {
  const errors: unknown[] = [];
  for (const each of work) await each().catch((error: unknown) => void errors.push(error));
  if (errors.length > 0) throw errors[0];
}

const ended = (at: number): Partial<RotationRow> => ({ state: 'ended', ended_at: at });

async function serviceKeysSince(db: ReadSql): Promise<Readonly<Record<ServiceKeyName, number>>> {
  const rows = await db.selectFrom('service_slots').select(['name', 'created_at']).execute();
  const since = (name: ServiceKeyName): number =>
    rows.find((row) => row.name === SLOT_NAMES[name])?.created_at ?? 0;
  return {
    ledger: since('ledger'),
    'api-keys': since('api-keys'),
    cursors: since('cursors'),
    backups: since('backups'),
    certificates: since('certificates'),
  };
}

/** The last turn of the keystore's own keys; the keystore's beginning where there was none. */
async function keystoreSince(db: ReadSql): Promise<number> {
  const turn = await db
    .selectFrom('rotations')
    .select('ended_at')
    .where('what', '=', 'keystore')
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (turn?.ended_at !== undefined && turn.ended_at !== null) return turn.ended_at;
  const first = await db.selectFrom('epochs').select('at').orderBy('epoch').limit(1).executeTakeFirst();
  return first?.at ?? 0;
}

function rotationOf({ id, what, state, started_at, due_at, ended_at }: RotationRow): Rotation {
  return {
    id,
    key: what,
    state: state === 'ended' ? 'ended' : 'kept',
    startedAt: timeOf(started_at),
    destroyBy: due_at === null ? null : timeOf(due_at),
    endedAt: ended_at === null ? null : timeOf(ended_at),
  };
}

const timeOf = (ms: number): string => new Date(ms).toISOString();
