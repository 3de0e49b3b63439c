/**
 * The vaults of one worker: which of their indexes are ready to be asked, and which rest.
 *
 * An index of ten memories takes some forty kilobytes, most of them for tables that make large ones fast. So one that is small
 * and was not used for long is kept as the bytes of its segments, a quarter of that, and made anew from them when it is asked.
 * Bytes that are older than a change are overwritten.
 *
 * Invariant: an index that rested answers what it would have answered.
 */
import { StrongroomError } from '../errors.ts';
import { Engine, type EngineRoom, type Resting } from './engine.ts';
import type { VaultSettings, VaultStats } from './types.ts';

export interface ResidenceLimits {
  /** Records up to which an index rests: so many are awake again in a millisecond or two. */
  readonly smallRecords: number;
  /** Small indexes that are awake. */
  readonly awake: number;
}

const LIMITS: ResidenceLimits = { smallRecords: 64, awake: 256 };

/** A vault that is open. Awake, at rest, or both while nothing has changed since it rested. */
interface Place {
  readonly settings: VaultSettings;
  engine: Engine | null;
  resting: Resting | null;
}

export class Residence {
  readonly #room: EngineRoom;
  readonly #limits: ResidenceLimits;
  readonly #places = new Map<string, Place>();
  /** Small ones with an engine, first the one that rested longest. */
  readonly #awake = new Set<Place>();
  /** Those that may have work. */
  readonly #changed = new Set<Place>();

  constructor(room: EngineRoom, limits: ResidenceLimits = LIMITS) {
    this.#room = room;
    this.#limits = limits;
  }

  /** Vaults that are open and only bytes at the moment. */
  get resting(): number {
    return [...this.#places.values()].filter(({ engine }) => engine === null).length;
  }

  open(settings: VaultSettings): void {
    this.close(settings.id);
    this.#places.set(settings.id, { settings, engine: new Engine(settings, this.#room), resting: null });
  }

  close(vault: string): void {
    const place = this.#places.get(vault);
    if (place === undefined) return;
    place.engine?.close();
    forget(place);
    this.#awake.delete(place);
    this.#changed.delete(place);
    this.#places.delete(vault);
  }

  /** The vault's index, to be asked. */
  asked(vault: string): Engine {
    const [place, engine] = this.#wake(vault);
    // What came from rest has no work that is worth doing before it rests again.
    if (place.resting === null) this.#changed.add(place);
    return engine;
  }

  /** The same, to be changed. `isMoreComing`: what can be done with it waits until somebody wants something else of the vault. */
  changing(vault: string, isMoreComing = false): Engine {
    const [place, engine] = this.#wake(vault);
    forget(place);
    if (isMoreComing) this.#changed.delete(place);
    else this.#changed.add(place);
    return engine;
  }

  /** A small index is told by what it takes at rest, where it will be before long. */
  stats(vault: string): VaultStats {
    const place = this.#placeOf(vault);
    const engine = this.asked(vault);
    const stats = engine.stats();
    if (!this.#isSmall(engine)) return stats;
    place.resting ??= engine.rest();
    return { ...stats, bytes: place.resting.leaves.reduce((sum, { bytes }) => sum + bytes.length, 0) };
  }

  /** A little of the work that waits in some vault; false when there is none. */
  work(): boolean {
    if (this.#restOne()) return true;
    for (const place of this.#changed) {
      // To the end of the row, so that a large vault does not keep the others from their turn.
      this.#changed.delete(place);
      if (place.engine?.work() !== true) continue;
      this.#changed.add(place);
      return true;
    }
    return false;
  }

  /** Puts the small index to rest that was not used for the longest time, if too many are awake. */
  #restOne(): boolean {
    const [place] = this.#awake;
    if (place === undefined || this.#awake.size <= this.#limits.awake) return false;
    this.#awake.delete(place);
    const { engine } = place;
    // It may have grown since.
    if (engine === null || !this.#isSmall(engine) || engine.isWriting) return true;
    place.resting ??= engine.rest();
    engine.close();
    place.engine = null;
    this.#changed.delete(place);
    return true;
  }

  #wake(vault: string): [Place, Engine] {
    const place = this.#placeOf(vault);
    const { settings, resting } = place;
    if (place.engine === null && resting !== null) place.engine = Engine.wake(settings, this.#room, resting);
    const { engine } = place;
    if (engine === null) throw new RangeError('an index that is neither awake nor at rest');
    this.#awake.delete(place);
    if (this.#isSmall(engine)) this.#awake.add(place);
    return [place, engine];
  }

  #placeOf(vault: string): Place {
    const place = this.#places.get(vault);
    if (place === undefined) throw new StrongroomError('search.unavailable', 'the vault is not open here');
    return place;
  }

  #isSmall(engine: Engine): boolean {
    return engine.size <= this.#limits.smallRecords;
  }
}

/** The bytes say something that may not be so in a moment. */
function forget(place: Place): void {
  for (const { bytes } of place.resting?.leaves ?? []) bytes.fill(0);
  place.resting = null;
}
