/**
 * The pages of the keyring as bytes, and their boxes (docs/keyring.md). Integers are big-endian, entries ascend,
 * nothing appears twice.
 *
 *     inner page   (index u8 ‖ 1 ‖ leaf seed 32)           untouched leaf, only at height 1
 *                  (index u8 ‖ 2 ‖ page key 32 ‖ file 8 ‖ offset u32 ‖ length u32)
 *                                                          no entry: dead if below leafCount, else not yet allotted
 *     top page     1 ‖ deployment 16 ‖ height u8 ‖ leafCount u32 ‖ inner page
 *     leaf page    see leaf.ts
 *
 *     box          AES-256-GCM under the page's own key, associated data
 *                  "strongroom/keyring/page/1" ‖ deployment ‖ height u8 ‖ index u32
 *
 * Heights: 0 is a leaf page, 1 and up are inner pages, 255 stands for the top page (its real height is inside). An
 * inner page of height h covers 256^h leaves. I1: a page key is random and seals one page version, once.
 */
import { concat, encodeUtf8, u32, view, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { openWith, sealWith } from '../crypto/seal.ts';
import type { Random } from '../environment.ts';
import { StrongroomError } from '../errors.ts';

/** Where a page's box lies, and the key that opens it. */
export interface PageRef {
  readonly key: Bytes;
  /** Hexadecimal id of the epoch file. */
  readonly file: string;
  readonly offset: number;
  readonly length: number;
}

export type InnerEntry =
  | { readonly kind: 'seed'; readonly index: number; readonly seed: Bytes }
  | { readonly kind: 'page'; readonly index: number; readonly ref: PageRef };

export interface TopPage {
  readonly height: number;
  readonly leafCount: number;
  readonly entries: readonly InnerEntry[];
}

/** What a box is bound to. */
export interface PagePlace {
  readonly deployment: Bytes;
  readonly height: number;
  readonly index: number;
}

export const FAN_OUT = 256;
export const TOP_HEIGHT = 255;
export const HEIGHT_MAX = 4;
export const DEPLOYMENT_BYTES = 16;
export const FILE_ID_BYTES = 8;
const TOP_VERSION = 1;
const TOP_HEAD_BYTES = 1 + DEPLOYMENT_BYTES + 1 + 4;
const SEED_ENTRY_BYTES = 2 + 32;
const PAGE_ENTRY_BYTES = 2 + 32 + FILE_ID_BYTES + 4 + 4;
const KIND_SEED = 1;
const KIND_PAGE = 2;
const PAGE_CONTEXT = encodeUtf8('strongroom/keyring/page/1');

export const sealPage = (key: Bytes, place: PagePlace, plaintext: Bytes, random: Random): Bytes =>
  sealWith(key, placeBytes(place), plaintext, random);

/** Throws `box.damaged`. */
export const openPage = (key: Bytes, place: PagePlace, box: Uint8Array): Bytes =>
  openWith(key, placeBytes(place), box);

const placeBytes = ({ deployment, height, index }: PagePlace): Bytes =>
  concat(PAGE_CONTEXT, deployment, Uint8Array.of(height), u32(index));

export function encodeInner(entries: readonly InnerEntry[]): Bytes {
  const lengthOf = ({ kind }: InnerEntry): number => (kind === 'seed' ? SEED_ENTRY_BYTES : PAGE_ENTRY_BYTES);
  const page = new Uint8Array(entries.reduce((sum, entry) => sum + lengthOf(entry), 0));
  let at = 0;
  for (const entry of entries) {
    page[at] = entry.index;
    page[at + 1] = entry.kind === 'seed' ? KIND_SEED : KIND_PAGE;
    if (entry.kind === 'seed') page.set(entry.seed, at + 2);
    else writeRef(entry.ref, page, at + 2);
    at += lengthOf(entry);
  }
  return page;
}

function writeRef(ref: PageRef, page: Bytes, at: number): void {
  page.set(ref.key, at);
  const output = view(page);
  output.write(ref.file, at + 32, FILE_ID_BYTES, 'hex');
  output.writeUInt32BE(ref.offset, at + 32 + FILE_ID_BYTES);
  output.writeUInt32BE(ref.length, at + 36 + FILE_ID_BYTES);
}

export function decodeInner(page: Uint8Array, height: number): InnerEntry[] {
  const input = view(page);
  const entries: InnerEntry[] = [];
  let last = -1;
  for (let at = 0; at < page.length;) {
    const index = page[at] as number;
    const kind = page[at + 1];
    const length = kind === KIND_SEED ? SEED_ENTRY_BYTES : PAGE_ENTRY_BYTES;
    if (kind !== KIND_SEED && kind !== KIND_PAGE)
      throw damaged('an inner page with an unknown kind of entry');
    if (kind === KIND_SEED && height !== 1) throw damaged('a leaf seed above height 1');
    if (index <= last || at + length > page.length)
      throw damaged('entries of an inner page out of order or cut');
    const key = page.slice(at + 2, at + 34);
    if (kind === KIND_SEED) entries.push({ kind: 'seed', index, seed: key });
    else entries.push({ kind: 'page', index, ref: decodeRef(key, input, at + 34) });
    last = index;
    at += length;
  }
  return entries;
}

const decodeRef = (key: Bytes, input: Buffer, at: number): PageRef => ({
  key,
  file: input.toString('hex', at, at + FILE_ID_BYTES),
  offset: input.readUInt32BE(at + FILE_ID_BYTES),
  length: input.readUInt32BE(at + FILE_ID_BYTES + 4),
});

export const encodeTop = (deployment: Bytes, { height, leafCount, entries }: TopPage): Bytes =>
  concat(Uint8Array.of(TOP_VERSION), deployment, Uint8Array.of(height), u32(leafCount), encodeInner(entries));

export function decodeTop(page: Bytes, deployment: Bytes): TopPage {
  if (page.length < TOP_HEAD_BYTES) throw damaged('a top page that is too short');
  if (page[0] !== TOP_VERSION) throw damaged(`unknown version ${page[0]} of the top page`);
  if (!isEqual(page.subarray(1, 1 + DEPLOYMENT_BYTES), deployment))
    throw damaged('a top page of another deployment');
  const height = page[1 + DEPLOYMENT_BYTES] as number;
  if (height < 1 || height > HEIGHT_MAX) throw damaged(`a top page of height ${height}`);
  const leafCount = view(page).readUInt32BE(2 + DEPLOYMENT_BYTES);
  return { height, leafCount, entries: decodeInner(page.subarray(TOP_HEAD_BYTES), height) };
}

const damaged = (detail: string): StrongroomError => new StrongroomError('keyring.damaged', detail);
