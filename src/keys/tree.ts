/**
 * The keyring in memory: every page, decoded. An epoch makes a new tree that shares what did not change with the old
 * one (copy on write), so that readers keep a whole tree until the new one is durable.
 *
 * A tree answers for a leaf in three ways: its seeds; `dead`, because an authenticated page has no entry for it below
 * `leafCount`; `unallotted`, at or above `leafCount`.
 */
import { type Bytes } from '../bytes/encoding.ts';
import { StrongroomError } from '../errors.ts';
import { fileNameOf, matchFileHead, topKeyOf } from './epoch-file.ts';
import { checkLeaf, wholeLeaf, type LeafPage } from './leaf.ts';
import {
  decodeInner,
  decodeTop,
  FAN_OUT,
  HEIGHT_MAX,
  openPage,
  TOP_HEIGHT,
  type InnerEntry,
  type PagePlace,
  type PageRef,
} from './page.ts';

/** `ref` is null for an untouched leaf: its seed stands in the page above. */
export interface LeafChild {
  readonly kind: 'leaf';
  readonly ref: PageRef | null;
  readonly page: LeafPage;
}

export interface InnerChild {
  readonly kind: 'inner';
  readonly ref: PageRef;
  readonly children: Children;
}

export type Child = LeafChild | InnerChild;
/** By index, 256 at most; no child: dead or not yet allotted. */
export type Children = readonly (Child | undefined)[];

export interface Tree {
  readonly deployment: Bytes;
  readonly height: number;
  readonly leafCount: number;
  readonly children: Children;
  /** Where the top page lies. */
  readonly top: { readonly file: string; readonly lengthBytes: number };
  /** Bytes of the boxes that the tree is made of, by file; the top page's box counts too. */
  readonly liveBytes: ReadonlyMap<string, number>;
}

/** Where pages are read from: bytes of a file from any place that has it, until one satisfies `open`. */
export interface PageSource {
  /** Runs `open` on the last box of each copy of an epoch's own file; throws `keyring.damaged` if none opens. */
  top(
    file: string,
    epoch: number,
    open: (box: Bytes) => Bytes,
  ): Promise<{ page: Bytes; lengthBytes: number }>;
  /** Runs `open` on a box of each copy; throws `keyring.damaged` if none opens. */
  box(file: string, offset: number, length: number, open: (box: Bytes) => Bytes): Promise<Bytes>;
}

/** Leaves under one child of an inner page of this height. */
export const leavesBelow = (height: number): number => FAN_OUT ** (height - 1);

/** The height that serves this many leaves. */
export function heightFor(leafCount: number): number {
  let height = 1;
  while (leavesBelow(height + 1) < leafCount) height++;
  if (height > HEIGHT_MAX) throw new StrongroomError('internal', 'more leaves than the keyring can hold');
  return height;
}

export function findLeaf(tree: Tree, leaf: number): LeafPage | 'dead' | 'unallotted' {
  if (leaf >= tree.leafCount) return 'unallotted';
  let children = tree.children;
  for (let height = tree.height; ; height--) {
    const child = children[Math.floor(leaf / leavesBelow(height)) % FAN_OUT];
    if (child === undefined) return 'dead';
    if (child.kind === 'leaf') return child.page;
    children = child.children;
  }
}

/** Every leaf that is not dead, in order. */
export function* livingLeaves(tree: Tree): Generator<{ leaf: number; child: LeafChild }> {
  function* under(
    children: Children,
    height: number,
    base: number,
  ): Generator<{ leaf: number; child: LeafChild }> {
    for (const [index, child] of children.entries()) {
      if (child === undefined) continue;
      const at = base * FAN_OUT + index;
      if (child.kind === 'leaf') yield { leaf: at, child };
      else yield* under(child.children, height - 1, at);
    }
  }
  yield* under(tree.children, tree.height, 0);
}

/** Reads a whole tree from its root: throws `keyring.damaged` if any page of it opens nowhere. */
export async function readTree(
  root: { readonly epoch: number; readonly root: Bytes; readonly deployment: Bytes },
  source: PageSource,
): Promise<Tree> {
  const { deployment } = root;
  const file = fileNameOf(root.root);
  const liveBytes = new Map<string, number>();
  const read = async (ref: PageRef, place: PagePlace): Promise<Bytes> => {
    liveBytes.set(ref.file, (liveBytes.get(ref.file) ?? 0) + ref.length);
    return source.box(ref.file, ref.offset, ref.length, (box) => openPage(ref.key, place, box));
  };
  const childrenOf = async (
    entries: readonly InnerEntry[],
    height: number,
    base: number,
  ): Promise<Children> => {
    const children: (Child | undefined)[] = [];
    for (const entry of entries) {
      children[entry.index] = await childOf(entry, height, base * FAN_OUT + entry.index);
    }
    return children;
  };
  const childOf = async (entry: InnerEntry, height: number, index: number): Promise<Child> => {
    if (entry.kind === 'seed') {
      const page = wholeLeaf(entry.seed);
      entry.seed.fill(0);
      return { kind: 'leaf', ref: null, page };
    }
    const plaintext = await read(entry.ref, { deployment, height: height - 1, index });
    if (height === 1) return { kind: 'leaf', ref: entry.ref, page: checkLeaf(plaintext) };
    const entries = decodeInner(plaintext, height - 1);
    plaintext.fill(0);
    return { kind: 'inner', ref: entry.ref, children: await childrenOf(entries, height - 1, index) };
  };
  const topKey = topKeyOf(root.root, deployment);
  const place = { deployment, height: TOP_HEIGHT, index: 0 };
  const { page, lengthBytes } = await source.top(file, root.epoch, (box) => openPage(topKey, place, box));
  liveBytes.set(file, lengthBytes);
  topKey.fill(0);
  const { height, leafCount, entries } = decodeTop(page, deployment);
  page.fill(0);
  const children = await childrenOf(entries, height, 0);
  const tree = { deployment, height, leafCount, children, top: { file, lengthBytes }, liveBytes };
  checkBounds(tree);
  return tree;
}

/** Reads single leaves by the pages on their paths, each page once. */
export class LeafReader {
  readonly #root: { readonly epoch: number; readonly root: Bytes; readonly deployment: Bytes };
  readonly #source: PageSource;
  readonly #inner = new Map<string, ReadonlyMap<number, InnerEntry>>();
  #top: {
    readonly height: number;
    readonly leafCount: number;
    readonly entries: ReadonlyMap<number, InnerEntry>;
  } | null = null;

  constructor(
    root: { readonly epoch: number; readonly root: Bytes; readonly deployment: Bytes },
    source: PageSource,
  ) {
    this.#root = root;
    this.#source = source;
  }

  async leaf(leaf: number): Promise<LeafPage | 'dead' | 'unallotted'> {
    this.#top ??= await this.#readTop();
    if (leaf >= this.#top.leafCount) return 'unallotted';
    let { entries } = this.#top;
    for (let height = this.#top.height; ; height--) {
      const index = Math.floor(leaf / leavesBelow(height));
      const entry = entries.get(index % FAN_OUT);
      if (entry === undefined) return 'dead';
      if (entry.kind === 'seed') return wholeLeaf(entry.seed);
      if (height === 1) return checkLeaf(await this.#read(entry.ref, 0, index));
      entries = await this.#readInner(entry.ref, height - 1, index);
    }
  }

  async #readTop(): Promise<{ height: number; leafCount: number; entries: ReadonlyMap<number, InnerEntry> }> {
    const { root, deployment, epoch } = this.#root;
    const key = topKeyOf(root, deployment);
    const place = { deployment, height: TOP_HEIGHT, index: 0 };
    const { page } = await this.#source.top(fileNameOf(root), epoch, (box) => openPage(key, place, box));
    key.fill(0);
    const { height, leafCount, entries } = decodeTop(page, deployment);
    page.fill(0);
    return { height, leafCount, entries: byIndex(entries) };
  }

  async #readInner(ref: PageRef, height: number, index: number): Promise<ReadonlyMap<number, InnerEntry>> {
    const name = `${ref.file}/${ref.offset}`;
    const known = this.#inner.get(name);
    if (known !== undefined) return known;
    const page = await this.#read(ref, height, index);
    const entries = byIndex(decodeInner(page, height));
    page.fill(0);
    this.#inner.set(name, entries);
    return entries;
  }

  #read(ref: PageRef, height: number, index: number): Promise<Bytes> {
    const place = { deployment: this.#root.deployment, height, index };
    return this.#source.box(ref.file, ref.offset, ref.length, (box) => openPage(ref.key, place, box));
  }
}

const byIndex = (entries: readonly InnerEntry[]): ReadonlyMap<number, InnerEntry> =>
  new Map(entries.map((entry) => [entry.index, entry]));

/** An entry at or above `leafCount` is nothing an epoch could have written. */
function checkBounds(tree: Tree): void {
  for (const { leaf } of livingLeaves(tree)) {
    if (leaf >= tree.leafCount)
      throw new StrongroomError('keyring.damaged', `leaf ${leaf} lies above the leaf count`);
  }
}

/** Copies of epoch files held in memory, by the name of where each came from. */
export class FileCopies implements PageSource {
  readonly #read: (file: string) => Promise<ReadonlyMap<string, Bytes>>;
  readonly #onDamage: (place: string, file: string, what: string) => void;
  readonly #files = new Map<string, ReadonlyMap<string, Bytes>>();

  constructor(
    read: (file: string) => Promise<ReadonlyMap<string, Bytes>>,
    onDamage: (place: string, file: string, what: string) => void = () => undefined,
  ) {
    this.#read = read;
    this.#onDamage = onDamage;
  }

  async copies(file: string): Promise<ReadonlyMap<string, Bytes>> {
    const known = this.#files.get(file);
    if (known !== undefined) return known;
    const copies = await this.#read(file);
    this.#files.set(file, copies);
    return copies;
  }

  async top(
    file: string,
    epoch: number,
    open: (box: Bytes) => Bytes,
  ): Promise<{ page: Bytes; lengthBytes: number }> {
    const boxes = new Map<string, Bytes>();
    for (const [place, bytes] of await this.copies(file)) {
      const head = matchFileHead(bytes);
      if (head === null || head.epoch !== epoch) this.#onDamage(place, file, 'its head is damaged');
      else boxes.set(place, bytes.slice(head.topOffset));
    }
    const { place, page } = this.#openEach(file, 'the top page', boxes, open);
    return { page, lengthBytes: (boxes.get(place) as Bytes).length };
  }

  async box(file: string, offset: number, length: number, open: (box: Bytes) => Bytes): Promise<Bytes> {
    const boxes = new Map<string, Bytes>();
    for (const [place, bytes] of await this.copies(file))
      boxes.set(place, bytes.slice(offset, offset + length));
    return this.#openEach(file, `the box at ${offset}`, boxes, open).page;
  }

  /** Opens every copy, so that damage is named although another copy would do. */
  #openEach(
    file: string,
    what: string,
    boxes: ReadonlyMap<string, Bytes>,
    open: (box: Bytes) => Bytes,
  ): { place: string; page: Bytes } {
    let found: { place: string; page: Bytes } | null = null;
    for (const [place, box] of boxes) {
      try {
        const page = open(box);
        if (found === null) found = { place, page };
        else page.fill(0);
      } catch (error) {
        if (!(error instanceof StrongroomError)) throw error;
        this.#onDamage(place, file, `${what} does not open`);
      }
    }
    if (found === null)
      throw new StrongroomError('keyring.damaged', `pages/${file}: ${what} opens in no replica`);
    return found;
  }
}
