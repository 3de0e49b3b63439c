/**
 * The places where backups lie: each holds every backup, whole or not at all. What one has missed or lost comes from another, and
 * what has ended is removed. A place that cannot be reached is told of, and gets its turn later.
 */
import { StrongroomError } from '../errors.ts';
import type { BackupId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { BackupRow } from '../store/schema.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import { readEnvelope } from './manifest.ts';
import { manifestName, type BackupPlace } from './place.ts';

export interface BackupCopiesParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly places: readonly BackupPlace[];
  /** Where they may lie; none: anywhere. */
  readonly locations: readonly string[];
  readonly onError: (error: unknown, what: string) => void;
}

export interface PlaceStatus {
  readonly location: string | null;
  readonly allowed: boolean;
  readonly reachable: boolean;
  readonly newestAt: number | null;
  readonly missing: number;
}

const COPIED_AT_ONCE = 50;

export class BackupCopies {
  readonly #parts: BackupCopiesParts;

  constructor(parts: BackupCopiesParts) {
    this.#parts = parts;
  }

  /** Of each place, in their order. */
  status(rows: readonly BackupRow[]): Promise<readonly PlaceStatus[]> {
    return Promise.all(this.#parts.places.map((place) => this.#statusOf(place, rows)));
  }

  /** Looks at the place itself: what a row says was written there may be gone. */
  async #statusOf(place: BackupPlace, rows: readonly BackupRow[]): Promise<PlaceStatus> {
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

  /** Everywhere: its slot is dead, so what could not be removed opens nothing. */
  async remove(id: string): Promise<void> {
    for (const place of this.#parts.places) await this.#removeFrom(place, id);
  }

  /** Files of backups that no row knows, from before a restore or an interrupted end, once their slots are dead. */
  async removeDead(): Promise<void> {
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
  async copyMissing(): Promise<void> {
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
  async mend(list: () => Promise<readonly BackupRow[]>): Promise<void> {
    const { places } = this.#parts;
    if (places.length < 2) return;
    const held = new Map<string, ReadonlySet<string>>();
    for (const place of places) {
      const names = await this.#tried(place, () => place.blobs.list(''));
      if (names !== null) held.set(place.name, new Set(names));
    }
    for (const { id } of await list()) {
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

async function copyBackup(from: BackupPlace, to: BackupPlace, id: string): Promise<true> {
  // The manifest's name sorts last, and so it comes last.
  for (const name of await from.blobs.list(`${id}/`)) await to.blobs.put(name, await from.blobs.get(name));
  return true;
}
