/**
 * Step 1 of an epoch, in memory only: the next tree and the bytes of its file.
 *
 * Copy on write: the old tree stays whole and usable. What the new tree no longer needs (seeds that derive the
 * punctured, keys of pages that were replaced) is listed in `retired`, to be zeroed once the old root is gone.
 *
 * I1: each changed page is sealed under a fresh key. I2: under the new root only the top page is sealed.
 */
import { decodeHex, view, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import type { Random } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { Breath } from './breath.ts';
import { EpochFileDraft, fileNameOf, ROOT_BYTES, topKeyOf } from './epoch-file.ts';
import {
  entryCount,
  labelAt,
  livingSlots,
  punctureLeaf,
  SEED_BYTES,
  seedAt,
  seedOf,
  isWhole,
  wholeLeaf,
  type DeadIndexes,
  type LeafPage,
} from './leaf.ts';
import {
  encodeInner,
  encodeTop,
  FAN_OUT,
  sealPage,
  TOP_HEIGHT,
  type InnerEntry,
  type PagePlace,
  type PageRef,
} from './page.ts';
import { findLeaf, heightFor, leavesBelow, type Child, type Children, type Tree } from './tree.ts';

export interface PlanOrder {
  /** The number of the epoch to come. */
  readonly epoch: number;
  /** Of allotted leaves only; slots that are dead already stay so. */
  readonly puncture: ReadonlyMap<number, DeadIndexes>;
  /** How many leaves to add. */
  readonly allot: number;
  /** Leaves added before those and dead from the start: the database has them, and this keystore never had. */
  readonly lost?: number;
  /** Every page anew, so that the file alone holds the tree. */
  readonly full: boolean;
  /** The root that was drawn for this epoch, and how long the file is that was prepared for it. */
  readonly prepared?: PreparedEpoch | null;
}

/** What an epoch that may come needs: its root is known in memory only, and its file holds zeros until then. */
export interface PreparedEpoch {
  readonly root: Bytes;
  readonly fileName: string;
  readonly bytes: number;
}

export interface PlannedBox {
  readonly ref: PageRef;
  readonly place: PagePlace;
}

export interface EpochPlan {
  readonly order: PlanOrder;
  readonly root: Bytes;
  readonly fileId: Bytes;
  readonly fileName: string;
  readonly file: Bytes;
  /** What the file needs, without the zeros that fill it up. */
  readonly neededBytes: number;
  readonly tree: Tree;
  readonly boxes: readonly PlannedBox[];
  readonly retired: readonly Bytes[];
}

/** What a plan is made with. Tests break one of these at a time to show that the attack finds it. */
export interface PlanSteps {
  readonly puncture: (page: LeafPage, dead: DeadIndexes) => LeafPage;
  /** `previous` is the key of the page's older version. */
  readonly pageKey: (random: Random, height: number, previous: Bytes | null) => Bytes;
  /** Anything more to be sealed in the file: nothing, by I2. */
  readonly alsoSeal: (root: Bytes, draft: EpochFileDraft, before: Tree) => void;
  /** Refuses a plan that does not do exactly what was ordered. */
  readonly check: (before: Tree, plan: EpochPlan) => void | Promise<void>;
}

export const soundPlanSteps: PlanSteps = {
  puncture: punctureLeaf,
  pageKey: (random) => random(32),
  alsoSeal: () => undefined,
  check: checkPlan,
};

/** Of the new seeds of a plan, shared among its leaves; of each leaf at least so many. */
const SEEDS_CHECKED = 64;
const SEEDS_CHECKED_MIN = 2;

export async function planEpoch(
  before: Tree,
  order: PlanOrder,
  random: Random,
  steps: PlanSteps,
): Promise<EpochPlan> {
  const pages = await puncturedPages(before, order, steps);
  const plan = await new Planner(before, order, random, steps).plan(pages);
  await steps.check(before, plan);
  return plan;
}

/** The new page of each leaf that loses slots, empty where nothing is left. Yields, so that bulk erasures stall nobody. */
async function puncturedPages(
  before: Tree,
  order: PlanOrder,
  steps: PlanSteps,
): Promise<Map<number, LeafPage>> {
  const pages = new Map<number, LeafPage>();
  const breath = new Breath();
  for (const [leaf, dead] of order.puncture) {
    const page = findLeaf(before, leaf);
    if (page === 'unallotted')
      throw new StrongroomError('keyring.damaged', `leaf ${leaf} was never allotted`);
    if (page === 'dead') continue;
    pages.set(leaf, steps.puncture(page, dead));
    if (breath.isDue) await breath.take();
  }
  return pages;
}

class Planner {
  readonly #before: Tree;
  readonly #order: PlanOrder;
  readonly #random: Random;
  readonly #steps: PlanSteps;
  readonly #root: Bytes;
  readonly #fileName: string;
  readonly #draft: EpochFileDraft;
  readonly #breath = new Breath();
  readonly #boxes: PlannedBox[] = [];
  readonly #retired: Bytes[] = [];
  readonly #liveBytes: Map<string, number>;
  readonly #leafCount: number;
  readonly #firstNew: number;
  readonly #height: number;

  constructor(before: Tree, order: PlanOrder, random: Random, steps: PlanSteps) {
    this.#before = before;
    this.#order = order;
    this.#random = random;
    this.#steps = steps;
    this.#root = order.prepared?.root.slice() ?? random(ROOT_BYTES);
    this.#draft = new EpochFileDraft(order.prepared?.bytes);
    this.#fileName = order.prepared?.fileName ?? fileNameOf(this.#root);
    this.#liveBytes = new Map(before.liveBytes);
    this.#firstNew = before.leafCount + (order.lost ?? 0);
    this.#leafCount = this.#firstNew + order.allot;
    this.#height = heightFor(this.#leafCount);
  }

  async plan(pages: ReadonlyMap<number, LeafPage>): Promise<EpochPlan> {
    const { deployment } = this.#before;
    const children = await this.#rewrite(this.#oldChildren(), this.#height, 0, pages);
    this.#steps.alsoSeal(this.#root, this.#draft, this.#before);
    const height = this.#height;
    const leafCount = this.#leafCount;
    const top = this.#sealTop(encodeTop(deployment, { height, leafCount, entries: entriesOf(children) }));
    return {
      order: this.#order,
      root: this.#root,
      fileId: decodeHex(this.#fileName),
      fileName: this.#fileName,
      file: this.#draft.encode(this.#order.epoch),
      neededBytes: this.#draft.length,
      tree: { deployment, height, leafCount, children, top, liveBytes: this.#liveBytes },
      boxes: this.#boxes,
      retired: this.#retired,
    };
  }

  /** The old top's children; where the tree grows, under as many new inner pages as it takes. */
  #oldChildren(): Children | Draft {
    let draft: Children | Draft = this.#before.children;
    for (let height = this.#before.height; height < this.#height; height++) draft = { first: draft };
    return draft;
  }

  /** The children of one inner page as they will be. `base` is the page's own index at its height. */
  async #rewrite(
    old: Children | Draft | undefined,
    height: number,
    base: number,
    pages: ReadonlyMap<number, LeafPage>,
  ): Promise<Children> {
    const children: (Child | undefined)[] = [];
    const changed = height === 1 ? null : this.#changedBelow(height, pages);
    for (let at = 0; at < FAN_OUT; at++) {
      const index = base * FAN_OUT + at;
      if (index * leavesBelow(height) >= this.#leafCount) break;
      // Pages that stay as they are cost less than looking at the clock.
      const isSealed = this.#order.full || pages.has(index);
      if (height === 1 && isSealed && this.#breath.isDue) await this.#breath.take();
      const child = height === 1 ? this.#leaf(childAt(old, at), index, pages) : childAt(old, at);
      if (changed === null || !(changed.has(index) || isDraft(child) || this.#order.full)) {
        if (child !== undefined && !isDraft(child)) children[at] = child;
        continue;
      }
      const below = await this.#rewrite(childrenOf(child), height - 1, index, pages);
      const previous = child !== undefined && !isDraft(child) ? child.ref : null;
      if (below.length === 0) this.#retire(previous);
      else children[at] = this.#inner(below, height - 1, index, previous);
    }
    return children;
  }

  #changedByHeight = new Map<number, ReadonlySet<number>>();

  /** Numbers of the children at this height under which a leaf changes or is new. */
  #changedBelow(height: number, pages: ReadonlyMap<number, LeafPage>): ReadonlySet<number> {
    const known = this.#changedByHeight.get(height);
    if (known !== undefined) return known;
    const changed = new Set<number>();
    const below = leavesBelow(height);
    for (const leaf of pages.keys()) changed.add(Math.floor(leaf / below));
    for (let leaf = this.#before.leafCount; leaf < this.#leafCount; leaf++)
      changed.add(Math.floor(leaf / below));
    this.#changedByHeight.set(height, changed);
    return changed;
  }

  #leaf(
    old: Child | Draft | undefined,
    leaf: number,
    pages: ReadonlyMap<number, LeafPage>,
  ): Child | undefined {
    if (leaf >= this.#firstNew) return this.#newLeaf();
    // An inner page without an entry for it says that it is dead.
    if (leaf >= this.#before.leafCount) return undefined;
    if (old === undefined || isDraft(old) || old.kind !== 'leaf') return undefined;
    const page = pages.get(leaf) ?? old.page;
    const changes = page !== old.page;
    if (!changes && !(this.#order.full && old.ref !== null)) return old;
    if (changes) this.#retired.push(old.page);
    if (page.length === 0) {
      this.#retire(old.ref);
      return undefined;
    }
    // A request whose slots were dead already, on a leaf that had lost none: its seed stays in the page above.
    if (isWhole(page)) return { kind: 'leaf', ref: null, page };
    return { kind: 'leaf', ref: this.#seal(page, { height: 0, index: leaf }, old.ref), page };
  }

  #newLeaf(): Child {
    const seed = this.#random(SEED_BYTES);
    const page = wholeLeaf(seed);
    seed.fill(0);
    return { kind: 'leaf', ref: null, page };
  }

  #inner(children: Children, height: number, index: number, previous: PageRef | null): Child {
    const plaintext = encodeInner(entriesOf(children));
    const ref = this.#seal(plaintext, { height, index }, previous);
    plaintext.fill(0);
    return { kind: 'inner', ref, children };
  }

  #seal(plaintext: Bytes, at: { height: number; index: number }, previous: PageRef | null): PageRef {
    const key = this.#steps.pageKey(this.#random, at.height, previous?.key ?? null);
    const place = { ...at, deployment: this.#before.deployment };
    const box = sealPage(key, place, plaintext, this.#random);
    const ref = { key, file: this.#fileName, offset: this.#draft.add(box), length: box.length };
    this.#retire(previous);
    this.#count(this.#fileName, box.length);
    this.#boxes.push({ ref, place });
    return ref;
  }

  #sealTop(plaintext: Bytes): Tree['top'] {
    const { deployment, top } = this.#before;
    const key = topKeyOf(this.#root, deployment);
    const box = sealPage(key, { deployment, height: TOP_HEIGHT, index: 0 }, plaintext, this.#random);
    plaintext.fill(0);
    key.fill(0);
    this.#draft.addTop(box);
    this.#count(top.file, -top.lengthBytes);
    this.#count(this.#fileName, box.length);
    return { file: this.#fileName, lengthBytes: box.length };
  }

  #retire(ref: PageRef | null): void {
    if (ref === null) return;
    this.#retired.push(ref.key);
    this.#count(ref.file, -ref.length);
  }

  #count(file: string, bytes: number): void {
    const total = (this.#liveBytes.get(file) ?? 0) + bytes;
    if (total === 0) this.#liveBytes.delete(file);
    else this.#liveBytes.set(file, total);
  }
}

/** An inner page that does not exist yet: the tree grew, and what was on top is its first child. */
interface Draft {
  readonly first: Children | Draft;
}

const isDraft = (child: Child | Children | Draft | undefined): child is Draft =>
  child !== undefined && 'first' in child;

const childAt = (page: Children | Draft | undefined, at: number): Child | Draft | undefined => {
  if (page === undefined) return undefined;
  if (!isDraft(page)) return page[at];
  return at === 0 ? page : undefined;
};

const childrenOf = (child: Child | Draft | undefined): Children | Draft | undefined => {
  if (child === undefined) return undefined;
  if (isDraft(child)) return child.first;
  return child.kind === 'inner' ? child.children : undefined;
};

function entriesOf(children: Children): InnerEntry[] {
  const entries: InnerEntry[] = [];
  for (const [index, child] of children.entries()) {
    if (child === undefined) continue;
    if (child.ref !== null) entries.push({ kind: 'page', index, ref: child.ref });
    else if (child.kind === 'leaf') entries.push({ kind: 'seed', index, seed: seedAt(child.page, 0) });
  }
  return entries;
}

/**
 * Refuses a plan (`internal`) unless each ordered slot is dead in it, each other slot of those leaves is alive as it
 * was, and the seeds (a sample of the new ones, each of those that stay) are those that the old pages derive.
 */
async function checkPlan(before: Tree, plan: EpochPlan): Promise<void> {
  const breath = new Breath();
  const seedsMax = Math.max(SEEDS_CHECKED_MIN, Math.ceil(SEEDS_CHECKED / plan.order.puncture.size));
  for (const [leaf, dead] of plan.order.puncture) {
    const old = findLeaf(before, leaf);
    const page = findLeaf(plan.tree, leaf);
    if (old === 'dead' && page === 'dead') continue;
    if (typeof old === 'string' || page === 'unallotted') throw misplanned(leaf);
    checkLiving(leaf, old, page, dead);
    if (page !== 'dead') checkSeeds(leaf, old, page, seedsMax);
    if (breath.isDue) await breath.take();
  }
}

function checkLiving(leaf: number, old: LeafPage, page: LeafPage | 'dead', dead: DeadIndexes): void {
  const expected = livingSlots(old);
  for (const index of dead.indexes) expected[index] = 0;
  if (dead.from !== undefined) expected.fill(0, dead.from);
  const found = page === 'dead' ? new Uint8Array(expected.length) : livingSlots(page);
  if (!view(expected).equals(found)) throw misplanned(leaf);
}

function checkSeeds(leaf: number, old: LeafPage, page: LeafPage, seedsMax: number): void {
  const stride = Math.ceil(entryCount(page) / seedsMax);
  for (let at = 0; at < entryCount(page); at += stride) {
    const seed = seedOf(old, labelAt(page, at));
    if (seed === null || !isEqual(seed, seedAt(page, at))) throw misplanned(leaf);
    seed.fill(0);
  }
}

const misplanned = (leaf: number): StrongroomError =>
  new StrongroomError('internal', `the plan of an epoch went wrong at leaf ${leaf}; nothing was written`);
