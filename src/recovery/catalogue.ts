/**
 * What backups there are in a place, as their manifests say, and which of them lead to a moment. Needs nothing but the place
 * and the keys: no database.
 */
import type { Bytes } from '../bytes/encoding.ts';
import { StrongroomError } from '../errors.ts';
import { isId, type BackupId } from '../ids.ts';
import type { Slot, SlotKey } from '../keys/slot.ts';
import type { BlobStore } from '../store/blobs.ts';
import { openManifest, readEnvelope, type Manifest } from './manifest.ts';
import { manifestName } from './place.ts';

/** Something wrong with a backup, and what it is about: `bkp_…/manifest`, `bkp_…/000001`. */
export interface Damage {
  readonly file: string;
  readonly what: string;
}

export interface Catalogue {
  /** Oldest first. */
  readonly manifests: readonly Manifest[];
  readonly damage: readonly Damage[];
  /** Those whose keys are destroyed: rolled off, or of a time that a restore has ended. */
  readonly dead: readonly BackupId[];
}

/** Ids of what lies there, oldest first; begun ones without a manifest are among them. */
async function backupIds(place: BlobStore): Promise<readonly BackupId[]> {
  const names = await place.list('');
  const ids = new Set(names.map((name) => name.split('/')[0] ?? ''));
  return [...ids].filter((id) => isId('backup', id)).sort();
}

/** Whose backups these are. Throws `not_found` where there is none. */
export async function deploymentAt(place: BlobStore): Promise<Bytes> {
  for (const id of (await backupIds(place)).toReversed()) {
    try {
      return readEnvelope(await place.get(manifestName(id))).deployment;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
  }
  throw new StrongroomError('not_found', 'there is no backup here');
}

export async function readCatalogue(
  place: BlobStore,
  keys: { derive(slot: Slot): SlotKey },
): Promise<Catalogue> {
  const manifests: Manifest[] = [];
  const damage: Damage[] = [];
  const dead: BackupId[] = [];
  for (const id of await backupIds(place)) {
    const file = manifestName(id);
    try {
      const manifest = openManifest(await place.get(file), keys);
      if (manifest.id === id) manifests.push(manifest);
      else damage.push({ file, what: `it is the manifest of ${manifest.id}` });
    } catch (error) {
      if (error instanceof StrongroomError && error.code === 'erased') dead.push(id);
      else if (isUnreadable(error)) damage.push({ file, what: whatOf(error) });
      else throw error;
    }
  }
  return { manifests, damage, dead };
}

export const isUnreadable = (error: unknown): error is StrongroomError =>
  error instanceof StrongroomError && ['box.damaged', 'not_found', 'keyring.damaged'].includes(error.code);

export const whatOf = (error: StrongroomError): string =>
  error.code === 'not_found' ? 'it is missing' : error.message;

/**
 * The backups that lead to the newest moment at or before `at` (null: the newest of all), in their order: a full one,
 * then increments of which each begins no later than the one before it ends. The fewest that do. Null: none leads there.
 */
export function pathTo(manifests: readonly Manifest[], at: number | null): readonly Manifest[] | null {
  const until = manifests.filter(({ takenAt }) => at === null || takenAt <= at);
  const goals = until.toSorted((left, right) => right.takenAt - left.takenAt || right.to - left.to);
  for (const goal of goals) {
    const path = pathToGoal(until, goal);
    if (path !== null) return path;
  }
  return null;
}

function pathToGoal(manifests: readonly Manifest[], goal: Manifest): readonly Manifest[] | null {
  const sameTime = manifests.filter(({ generation, to }) => generation === goal.generation && to <= goal.to);
  const starts = sameTime.filter(({ kind }) => kind === 'full').toSorted((left, right) => right.to - left.to);
  for (const start of starts) {
    const path = stepsFrom(sameTime, start, goal);
    if (path !== null) return path;
  }
  return null;
}

/** Each step goes as far as one can from where the last one ended. */
function stepsFrom(
  manifests: readonly Manifest[],
  start: Manifest,
  goal: Manifest,
): readonly Manifest[] | null {
  const path = [start];
  for (let at = start.to; at < goal.to;) {
    const here = at;
    const steps = manifests.filter(({ kind, from, to }) => kind !== 'full' && from <= here && to > here);
    const [next] = steps.toSorted((left, right) => right.to - left.to || right.takenAt - left.takenAt);
    if (next === undefined) return null;
    path.push(next);
    at = next.to;
  }
  return path;
}
