/** The places that a backup reaches while it is written: the first must take it, the others do while they can. */
import type { Bytes } from '../bytes/encoding.ts';
import { StrongroomError } from '../errors.ts';
import type { BackupPlace } from './place.ts';

export interface ReachedPlacesParts {
  readonly places: readonly BackupPlace[];
  /** Told of a place that cannot be written. */
  readonly onError: (error: unknown, what: string) => void;
}

export class ReachedPlaces {
  readonly #first: BackupPlace;
  #others: readonly BackupPlace[];
  readonly #onError: ReachedPlacesParts['onError'];
  bytes = 0;

  constructor({ places, onError }: ReachedPlacesParts) {
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
