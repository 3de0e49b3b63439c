/**
 * The epoch's protocol on the disk: steps 2 to 6 of docs/keyring.md.
 *
 *     barrier 1   database transaction ‖ file and new root on every replica, synced; each box opened; then all read back
 *     barrier 2   every other cell overwritten in place, synced, read back as zeros
 *     reopening   each replica read cold: one root, each punctured slot dead, all others of those leaves alive
 *     collection  files to which no page refers any more
 *
 * I4: no older cell is wiped before barrier 1 holds on all replicas that take part. From the first write on, an error
 * ends the process: what is on the disks is then for the next opening to decide.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Breath } from './breath.ts';
import { view } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import type { FaultPoint } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { topKeyOf } from './epoch-file.ts';
import type { KeyJournal, PunctureRequest } from './key-journal.ts';
import { allDone } from './disk.ts';
import { forget, type Target } from './keystore.ts';
import { livingSlots } from './leaf.ts';
import { openPage, TOP_HEIGHT } from './page.ts';
import { soundPlanSteps, type EpochPlan, type PlanSteps } from './plan.ts';
import type { Replica } from './replica.ts';
import type { Slot } from './slot.ts';
import { FileCopies, findLeaf, LeafReader, readTree, type Tree } from './tree.ts';

/** The steps of an epoch that a test may break to show that the attack finds it. */
export interface EpochSteps extends PlanSteps {
  readonly wipe: (replica: Replica, keep: number) => Promise<void>;
  readonly reopen: (replica: Replica, plan: EpochPlan) => Promise<void>;
}

export const soundSteps: EpochSteps = {
  ...soundPlanSteps,
  wipe: (replica, keep) => replica.wipeOtherCells(keep),
  reopen: reopenCold,
};

export interface EpochWrite {
  readonly plan: EpochPlan;
  readonly targets: readonly Target[];
  readonly requests: readonly PunctureRequest[];
  /** Slots of derived state that die along. */
  readonly along: readonly Slot[];
}

/** Barrier 1: returns once the new epoch is durable everywhere and has been read back. */
export async function writeEpoch(write: EpochWrite, journal: KeyJournal, fault: FaultPoint): Promise<void> {
  const { plan, targets } = write;
  const { epoch } = plan.order;
  const asked = Promise.withResolvers<void>();
  const row = { epoch, fileId: plan.fileId };
  await allDone([
    atFault(fault, 'epoch.journal', () =>
      journal.prepare(row, write.requests, write.along, asked.resolve),
    ).finally(asked.resolve),
    ...targets.flatMap(({ replica, cell }) => [
      atFault(fault, 'epoch.file', () => replica.writePages(plan.fileName, plan.file)),
      atFault(fault, 'epoch.root', () => replica.writeCell(cell, plan.tree.deployment, epoch, plan.root)),
    ]),
    asked.promise.then(() => openBoxes(plan)),
  ]);
  fault('epoch.read_back');
  await allDone(targets.map(({ replica, cell }) => readBack(replica, cell, plan)));
}

async function atFault(fault: FaultPoint, name: string, work: () => Promise<void>): Promise<void> {
  fault(name);
  await work();
}

/**
 * Opens each new box, while the disks are waited for: what they give back is compared with these very bytes, so that once
 * is enough for all replicas.
 */
async function openBoxes({ boxes, file, fileName, order, root, tree }: EpochPlan): Promise<void> {
  // The transaction is on its way to the disk by then: its commit is what is waited for longest.
  await nextTurn();
  const breath = new Breath();
  for (const { ref, place } of boxes) {
    openPage(ref.key, place, file.slice(ref.offset, ref.offset + ref.length)).fill(0);
    if (breath.isDue) await breath.take();
  }
  const { deployment } = tree;
  const topKey = topKeyOf(root, deployment);
  const place = { deployment, height: TOP_HEIGHT, index: 0 };
  const copies = new FileCopies(() => Promise.resolve(new Map([['the plan', file]])));
  const { page } = await copies.top(fileName, order.epoch, (box) => openPage(topKey, place, box));
  topKey.fill(0);
  page.fill(0);
}

/** The file as it was meant, and the new root in its cell. */
async function readBack(replica: Replica, cell: number, plan: EpochPlan): Promise<void> {
  const [file, root] = await Promise.all([replica.readPagesBack(plan.fileName), replica.readRootBack()]);
  // What lies on the disk is no secret, so this may be the fastest comparison.
  if (!view(file).equals(plan.file)) throw unlike(replica, `pages/${plan.fileName}`);
  const written = root.cells.find((found) => found.cell === cell);
  const isWritten =
    written !== undefined && isEqual(written.root, plan.root) && written.epoch === plan.order.epoch;
  forget(root);
  if (!isWritten) throw unlike(replica, `cell ${cell} of root`);
}

/** Barrier 2: no replica holds an older root any more. */
export async function wipeOlderRoots(write: EpochWrite, steps: EpochSteps, fault: FaultPoint): Promise<void> {
  await allDone(
    write.targets.map(({ replica, cell }) => atFault(fault, 'epoch.wipe', () => steps.wipe(replica, cell))),
  );
}

/** Step 4 for one replica: what it holds, read anew from its disk, is the new tree and nothing older. */
export async function reopenCold(replica: Replica, plan: EpochPlan): Promise<void> {
  const root = await replica.readRoot();
  const [cell, ...more] = root.cells;
  if (cell === undefined || more.length > 0 || root.damage.length > 0 || !isEqual(cell.root, plan.root)) {
    forget(root);
    throw unlike(replica, 'root');
  }
  const source = new FileCopies(async (file) => {
    const bytes = await replica.readPages(file);
    return new Map(bytes === null ? [] : [[replica.name, bytes]]);
  });
  const { order } = plan;
  const whole = order.full ? await readTree(cell, source) : null;
  const reader = new LeafReader(cell, source);
  const breath = new Breath();
  for (const [leaf, dead] of order.puncture) {
    if (breath.isDue) await breath.take();
    const found = whole === null ? await reader.leaf(leaf) : findLeaf(whole, leaf);
    const planned = findLeaf(plan.tree, leaf);
    const isPlanned =
      typeof found === 'string' ? found === planned : typeof planned !== 'string' && isEqual(found, planned);
    if (!isPlanned) throw unlike(replica, `leaf ${leaf}`);
    const living = typeof found === 'string' ? null : livingSlots(found);
    if (living !== null && dead.indexes.some((index) => living[index] === 1)) {
      throw unlike(replica, `a punctured slot of leaf ${leaf}`);
    }
  }
  forget(root);
}

/** Step 6: removes the files to which the tree does not refer. Only once every configured replica holds it. */
export async function collectFiles(tree: Tree, targets: readonly Target[]): Promise<void> {
  await allDone(
    targets.map(async ({ replica }) => {
      const { files } = await replica.listPages();
      await replica.removePages(files.filter((file) => !tree.liveBytes.has(file)));
    }),
  );
}

const unlike = (replica: Replica, what: string): StrongroomError =>
  new StrongroomError(
    'keyring.damaged',
    `replica ${replica.name}: ${what} does not read back as it was written`,
  );
