/**
 * From a place with backups to a database: which path, what is wrong with it, and what came of it. Used by a restore and
 * by a drill; it writes nothing but the new database and never the keystore.
 */
import { encodeBase64, type Bytes } from '../bytes/encoding.ts';
import type { FaultPoint } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { idTime, type BackupId } from '../ids.ts';
import type { Slot, SlotKey } from '../keys/slot.ts';
import { Frontier } from '../ledger/merkle.ts';
import type { BlobStore } from '../store/blobs.ts';
import { openBulkLoad } from '../store/bulk-load.ts';
import type { StoreTarget } from '../store/open-store.ts';
import { openSnapshot } from '../store/snapshot.ts';
import { carriedTables, columnsOf } from './carried.ts';
import { pathTo, readCatalogue, type Catalogue, type Damage } from './catalogue.ts';
import { loadPath, PieceFault, type LoadProgress, type Part } from './load.ts';
import type { Manifest } from './manifest.ts';

export interface LayOutOrder {
  readonly place: BlobStore;
  readonly keys: { derive(slot: Slot): SlotKey };
  readonly target: StoreTarget;
  /** The deployment of an interrupted restore whose database gives way to this one; null: there must be none. */
  readonly replaces: Bytes | null;
  readonly blobs: BlobStore | null;
  /** The newest backup that the keystore has seen, as `id/digest`; null where nobody is to ask for it. */
  readonly witnessed: string | null;
  /** The newest moment up to this; null: the newest there is. */
  readonly at: number | null;
  /** Whether rows of pieces that cannot be used may be missing. */
  readonly skipDamaged: boolean;
  readonly fault: FaultPoint;
  readonly onProgress: (progress: LoadProgress) => void;
  /** Without it everything. Of a part it is not compared what the manifests say of the whole. */
  readonly only?: Part | undefined;
}

export interface LaidOut {
  /** The backup whose moment it shows. */
  readonly goal: Manifest;
  readonly path: readonly Manifest[];
  readonly rows: number;
  /** Backups that could not be used, whether or not another way led to the same moment. */
  readonly damage: readonly Damage[];
  /** Pieces that are missing from what was laid in: not empty only where that was allowed. */
  readonly skipped: readonly Damage[];
  /** Where the result differs from what the manifests say; empty where it is as it was. */
  readonly differences: readonly string[];
}

export async function layOut(order: LayOutOrder): Promise<LaidOut> {
  const catalogue = await readCatalogue(order.place, order.keys);
  const goal = goalOf(catalogue, order);
  const damage: Damage[] = [...catalogue.damage];
  const spoilt = new Set<string>();
  for (;;) {
    const sound = catalogue.manifests.filter(({ id }) => !spoilt.has(id));
    const path = pathTo(sound, goal.takenAt);
    const isThere = path?.at(-1)?.id === goal.id;
    if (path === null || !isThere) return layOutWithHoles(order, catalogue, { goal, damage, reached: path });
    try {
      return await layOutPath(order, path, { damage, isLenient: false });
    } catch (error) {
      if (!(error instanceof PieceFault)) throw error;
      // Another way may lead to the same moment without it.
      spoilt.add(error.backup);
      damage.push(error.damage);
    }
  }
}

function goalOf(catalogue: Catalogue, { at, skipDamaged, witnessed }: LayOutOrder): Manifest {
  const goal = pathTo(catalogue.manifests, at)?.at(-1);
  if (goal === undefined)
    throw new StrongroomError(
      'not_found',
      `no backup leads to ${at === null ? 'any moment' : timeOf(at)}${listOf(catalogue.damage)}`,
    );
  const lost = [...catalogue.damage, ...unseen(catalogue, witnessed)].filter(({ file }) => {
    const id = file.slice(0, goal.id.length) as BackupId;
    return id > goal.id && (at === null || idTime(id) <= at);
  });
  if (lost.length > 0 && !skipDamaged)
    throw new StrongroomError(
      'box.damaged',
      `the newest backup cannot be used${listOf(lost)}; ${timeOf(goal.takenAt)} can be reached without`,
    );
  return goal;
}

const timeOf = (ms: number): string => new Date(ms).toISOString();

/** The backup that the keystore has seen last, where it is not among those that are here or known to be broken. */
function unseen({ manifests, damage, dead }: Catalogue, witnessed: string | null): readonly Damage[] {
  const [id = '', digest = ''] = witnessed?.split('/') ?? [];
  const isKnown =
    witnessed === null ||
    dead.some((one) => one === id) ||
    damage.some(({ file }) => file.startsWith(id)) ||
    manifests.some((one) => one.id === id && one.digest === digest);
  return isKnown ? [] : [{ file: `${id}/manifest`, what: 'the keystore has seen it and it is not here' }];
}

interface Short {
  readonly goal: Manifest;
  readonly damage: Damage[];
  /** What can be reached whole. */
  readonly reached: readonly Manifest[] | null;
}

/** Every way to the moment has a damaged piece: refused by name, or laid in without it. */
async function layOutWithHoles(
  order: LayOutOrder,
  catalogue: Catalogue,
  { goal, damage, reached }: Short,
): Promise<LaidOut> {
  const path = pathTo(catalogue.manifests, goal.takenAt);
  if (!order.skipDamaged || path === null) {
    const last = reached?.at(-1);
    const rest = last === undefined ? '' : `; ${timeOf(last.takenAt)} can be reached without`;
    throw new StrongroomError('box.damaged', `the backup is damaged${listOf(damage)}${rest}`);
  }
  return layOutPath(order, path, { damage, isLenient: true });
}

async function layOutPath(
  order: LayOutOrder,
  path: readonly Manifest[],
  { damage, isLenient }: { readonly damage: readonly Damage[]; readonly isLenient: boolean },
): Promise<LaidOut> {
  const goal = path.at(-1);
  if (goal === undefined) throw new StrongroomError('internal', 'a path without an end');
  const into = await openBulkLoad(order.target, order);
  try {
    const { place, keys, blobs, onProgress, only } = order;
    const loaded = await loadPath(path, { place, keys, into, blobs, isLenient, onProgress, only });
    await into.finish(goal.to);
    if (loaded.damage.length > 0) await requireOpenable(order.target, loaded.damage);
    const differences =
      isLenient || only !== undefined ? [] : await differencesFrom(order.target, path, goal);
    return { goal, path, rows: loaded.rows, damage, skipped: loaded.damage, differences };
  } catch (error) {
    await into.abandon();
    throw error;
  }
}

/** Without the row that says whose it is, what is left cannot be opened by anybody. */
async function requireOpenable(target: StoreTarget, damage: readonly Damage[]): Promise<void> {
  const snapshot = await openSnapshot(target);
  try {
    const where = [{ column: 'name', is: '=', value: 'deployment' }] as const;
    const rows = await snapshot.values({ table: 'meta', columns: columnsOf('meta', ['name']), where });
    if (rows.length === 0)
      throw new StrongroomError(
        'box.damaged',
        `the backup is damaged${listOf(damage)}; nothing that is left of it can be opened`,
      );
  } finally {
    await snapshot.close();
  }
}

const listOf = (damage: readonly Damage[]): string =>
  damage.length === 0 ? '' : `: ${damage.map(({ file, what }) => `${file} (${what})`).join(', ')}`;

/** Counts and heads of the logs as they were laid in, against those that were written down. */
async function differencesFrom(
  target: StoreTarget,
  path: readonly Manifest[],
  goal: Manifest,
): Promise<string[]> {
  const snapshot = await openSnapshot(target);
  try {
    const differences: string[] = [];
    for (const [name] of goal.counts === null ? [] : carriedTables()) {
      const said = goal.counts?.[name];
      const found = await snapshot.count(name);
      if (said !== undefined && said !== found) differences.push(`${name}: ${found} rows, not ${said}`);
    }
    const heads = await snapshot.values({
      table: 'ledger_heads',
      columns: columnsOf('ledger_heads', ['log', 'size', 'frontier']),
      where: [],
    });
    const found = new Map(
      (heads as readonly [string, number, Uint8Array][]).map(([log, size, frontier]) => [
        log,
        `${size} ${encodeBase64(Frontier.decode(size, frontier).root())}`,
      ]),
    );
    const said = new Map(path.flatMap(({ logs }) => logs.map((one) => [one.log, `${one.size} ${one.root}`])));
    for (const [log, head] of said)
      if (found.get(log) !== head)
        differences.push(`log ${log}: ${found.get(log) ?? 'is missing'}, not ${head}`);
    return differences;
  } finally {
    await snapshot.close();
  }
}
