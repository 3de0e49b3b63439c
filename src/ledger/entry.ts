/**
 * One entry of a log: what its leaf says and how it is written down.
 *
 *     leaf    = canonical JSON (RFC 8785), at most 65,535 bytes, of these members
 *       v          1, the version of this table
 *       catalogue  the version of the catalogue of actions the name is from
 *       log, n     where it belongs: the log's name and the entry's number, from 0
 *       at         when, milliseconds since 1970
 *       principal  who: an id, 'system' or 'anonymous'
 *       action     what, `noun.verb`
 *       target     on what: an id, or '' where it is on nothing in particular
 *       targets    further ids; absent if none
 *       part       [i, of] where one action took several entries because it has many targets; absent if it did not
 *       outcome    done, refused or failed, and with the latter two `code`, the error's
 *       count      how many, where that differs from the number of targets; may be absent
 *       request    the id of the request, '' for what the system does of itself
 *       facts      content-free numbers and words (an epoch, a route, a root hash); absent if none
 *       box        { hash, own, scope, of }: base64 SHA-256 of the details' sealed box, the slots its key comes from, and the request it was
 *                  sealed for, where that is another one of a moment before with the same details (else absent)
 *     stored  = leaf hash 32 ‖ leaf           a pruned entry keeps the first 32 bytes
 *     box     = sealed JSON object of texts: purpose, address and what else a person may have typed
 *
 * A leaf is content-free: it is kept for years and nothing in it can be erased. `parseDraft` therefore admits only ids,
 * words of closed sets, numbers, and printable facts; what a customer may have typed goes into the box.
 */
import { canonicalBytes, canonicalJson, type Json } from '../bytes/canonical-json.ts';
import { concat, decodeUtf8, encodeBase64, type Bytes } from '../bytes/encoding.ts';
import { HASH_BYTES } from '../crypto/hash.ts';
import { isErrorCode, type ErrorCode } from '../errors.ts';
import type { Scope } from '../keys/record-key.ts';
import type { Slot } from '../keys/slot.ts';
import type { LogId } from '../store/schema.ts';
import { CATALOGUE_VERSION, isAction, type Action } from './actions.ts';
import { parseHash } from './checkpoint.ts';
import { leafHash } from './merkle.ts';

const VERSION = 1;
/** What fits the length field of an entry bundle (c2sp.org/tlog-tiles). */
const LEAF_BYTES_MAX = 65_535;
/** So many ids fit a leaf beside everything else. */
const PART_TARGETS_MAX = 1500;
const FACTS_MAX = 16;

export type { LogId };

export const DEPLOYMENT_LOG = 'deployment' as const;

export type Outcome = 'done' | 'refused' | 'failed';
export type Facts = { readonly [name: string]: string | number };

/** What people may have typed, and their addresses: sealed into the box, erased with any slot of the scope. */
export type Details = { readonly [name: string]: string };

export interface EntryDraft {
  /** An id, 'system' or 'anonymous'. */
  readonly principal: string;
  readonly action: Action;
  /** Id of what it was done on, or ''. Never what a caller typed: a name that was not found is no target. */
  readonly target: string;
  readonly targets?: readonly string[];
  readonly outcome: Outcome;
  readonly code?: ErrorCode;
  readonly count?: number;
  readonly request: string;
  /** Content-free numbers and printable words without spaces. */
  readonly facts?: Facts;
  readonly details?: { readonly [name: string]: string | null | undefined };
  readonly scope: Scope;
}

/** Where the details' box is hashed, and where its key comes from: its own slot, those of the scope, and a request. */
export interface BoxReference {
  readonly hash: string;
  readonly own: Slot;
  readonly scope: Scope;
  /** The request that it was sealed for, if another than the entry's. */
  readonly of?: string;
}

/** What a leaf says before it has its place: the members of the table above without `log` and `n`. */
export interface EntryBody {
  readonly v: number;
  readonly catalogue: number;
  readonly at: number;
  readonly principal: string;
  readonly action: string;
  readonly target: string;
  readonly targets?: readonly string[];
  readonly part?: readonly [number, number];
  readonly outcome: Outcome;
  readonly code?: string;
  readonly count?: number;
  readonly request: string;
  readonly facts?: Facts;
  readonly box?: BoxReference;
}

export interface LedgerEntry extends EntryBody {
  readonly log: LogId;
  readonly n: number;
}

const ID = /^[a-z]{3}_[0-7][0-9a-hjkmnp-tv-z]{25}$/;
const WORD = /^[a-z][A-Za-z0-9]{0,31}$/;
const FACT = /^[\x21-\x7e]{0,200}$/;
const CLAIM = /^[A-Z]{3}-[0-9]{2}$/;
const ACTION_NAME = /^[a-z]+\.[a-z]+$/;
const BOX_MEMBERS: ReadonlySet<string> = new Set(['hash', 'own', 'scope', 'of']);

const isId = (text: string): boolean => ID.test(text);
const isPrincipal = (text: string): boolean => text === 'system' || text === 'anonymous' || isId(text);
const isTarget = (text: string): boolean => isId(text) || text === DEPLOYMENT_LOG || CLAIM.test(text);

/**
 * The bodies of the entries for a draft: one, or several where it has more targets than a leaf holds. A RangeError for a
 * draft that is not content-free or not whole.
 */
export function draftBodies(draft: EntryDraft, at: number, box: BoxReference | null): readonly EntryBody[] {
  if (!isAction(draft.action)) throw new RangeError('the action is not in the catalogue');
  if (draft.code !== undefined && !isErrorCode(draft.code)) throw new RangeError('the code is no error code');
  const targets = draft.targets ?? [];
  const parts = Math.max(1, Math.ceil(targets.length / PART_TARGETS_MAX));
  return Array.from({ length: parts }, (_, part) => {
    const own = targets.slice(part * PART_TARGETS_MAX, (part + 1) * PART_TARGETS_MAX);
    const body: EntryBody = {
      v: VERSION,
      catalogue: CATALOGUE_VERSION,
      at,
      principal: draft.principal,
      action: draft.action,
      target: draft.target,
      outcome: draft.outcome,
      request: draft.request,
      ...(own.length === 0 ? {} : { targets: own }),
      ...(parts === 1 ? {} : { part: [part + 1, parts] as const }),
      ...(draft.code === undefined ? {} : { code: draft.code }),
      ...(draft.count === undefined ? {} : { count: draft.count }),
      ...(draft.facts === undefined ? {} : { facts: draft.facts }),
      // The box is kept once, with the first part.
      ...(box === null || part > 0 ? {} : { box }),
    };
    checkBody(body);
    return body;
  });
}

/** The leaf's bytes at its place in a log. */
export function encodeLeaf(body: EntryBody, log: LogId, n: number): Bytes {
  const leaf = canonicalBytes({ ...body, log, n } as unknown as Json);
  if (leaf.length > LEAF_BYTES_MAX) throw new RangeError(`the entry has ${leaf.length} bytes`);
  return leaf;
}

/** A RangeError on anything but the one form of a well-formed leaf. */
export function parseLeaf(leaf: Uint8Array): LedgerEntry {
  const text = decodeUtf8(leaf);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RangeError('the leaf is not JSON', { cause });
  }
  if (!isRecord(value)) throw new RangeError('the leaf is not an object');
  const entry = value as unknown as LedgerEntry;
  if (typeof entry.log !== 'string' || !isLogId(entry.log))
    throw new RangeError('`log` is not the name of a log');
  if (!isCount(entry.n)) throw new RangeError('`n` is not a number of an entry');
  checkBody(entry);
  const unknown = Object.keys(value).find((name) => !MEMBERS.has(name));
  if (unknown !== undefined) throw new RangeError(`unknown member ${JSON.stringify(unknown)}`);
  if (canonicalJson(value as Json) !== text) throw new RangeError('the leaf is not in its one form');
  return entry;
}

/** What the column holds: leaf hash and leaf. */
export const encodeStoredLeaf = (leaf: Bytes, hash: Bytes): Bytes => concat(hash, leaf);

/** The stored hash, and the leaf unless it was pruned. Whether they fit each other is for the verifier to say. */
export function decodeStoredLeaf(stored: Uint8Array): { readonly hash: Bytes; readonly leaf: Bytes | null } {
  if (stored.length < HASH_BYTES) throw new RangeError('the stored entry is cut');
  const bytes = new Uint8Array(stored);
  return {
    hash: bytes.slice(0, HASH_BYTES),
    leaf: bytes.length === HASH_BYTES ? null : bytes.slice(HASH_BYTES),
  };
}

/** An entry read back from the store: a RangeError where the leaf is not what was hashed. */
export function readStoredLeaf(stored: Uint8Array): LedgerEntry | null {
  const { hash, leaf } = decodeStoredLeaf(stored);
  if (leaf === null) return null;
  if (encodeBase64(leafHash(leaf)) !== encodeBase64(hash))
    throw new RangeError('the leaf is not the one that was hashed');
  return parseLeaf(leaf);
}

/** The ids under which an entry is found: its target and its further targets, each once. */
export const entryTargets = (body: EntryBody): readonly string[] =>
  [...new Set([body.target, ...(body.targets ?? [])])].filter((target) => target !== '');

export const isLogId = (text: string): text is LogId =>
  text === DEPLOYMENT_LOG || (text.startsWith('org_') && isId(text));

const MEMBERS: ReadonlySet<string> = new Set([
  'v',
  'catalogue',
  'log',
  'n',
  'at',
  'principal',
  'action',
  'target',
  'targets',
  'part',
  'outcome',
  'code',
  'count',
  'request',
  'facts',
  'box',
]);

/** Names the member, so that a damaged leaf says what is wrong with it. */
function checkBody(body: EntryBody): void {
  const fault = faultOf(body);
  if (fault !== null) throw new RangeError(`\`${fault}\` of the ledger entry is not as it must be`);
}

/** The first member that is not as it must be. No list is made for it: every entry that is written is looked at. */
function faultOf(body: EntryBody): string | null {
  const { principal, target, targets, part, outcome, code, count, request, facts, box } = body;
  if (body.v !== VERSION) return 'v';
  if (!isCount(body.catalogue) || body.catalogue === 0) return 'catalogue';
  if (!isCount(body.at)) return 'at';
  if (typeof principal !== 'string' || !isPrincipal(principal)) return 'principal';
  if (!isKnownAction(body)) return 'action';
  if (target !== '' && !(typeof target === 'string' && isTarget(target))) return 'target';
  if (targets !== undefined && !isTargetList(targets)) return 'targets';
  if (part !== undefined && !isPart(part)) return 'part';
  if (outcome !== 'done' && outcome !== 'refused' && outcome !== 'failed') return 'outcome';
  if (outcome === 'done' ? code !== undefined : !isErrorName(code)) return 'code';
  if (count !== undefined && !isCount(count)) return 'count';
  if (request !== '' && !(typeof request === 'string' && isId(request))) return 'request';
  if (facts !== undefined && !isFacts(facts)) return 'facts';
  if (box !== undefined && !isBoxReference(box)) return 'box';
  return null;
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

const isErrorName = (code: unknown): boolean =>
  typeof code === 'string' && /^[a-z]+(?:[._][a-z]+)*$/.test(code);

/** A name of a later catalogue than ours is taken as it is. */
const isKnownAction = ({ action, catalogue }: EntryBody): boolean =>
  isAction(action) ||
  (catalogue > CATALOGUE_VERSION && typeof action === 'string' && ACTION_NAME.test(action));

const isTargetList = (targets: unknown): boolean =>
  Array.isArray(targets) &&
  targets.length > 0 &&
  targets.every((id) => typeof id === 'string' && isTarget(id));

function isPart(part: readonly unknown[]): boolean {
  const [number, of] = Array.isArray(part) && part.length === 2 ? part : [];
  return isCount(number) && isCount(of) && 0 < number && number <= of;
}

const isFacts = (facts: unknown): boolean =>
  isRecord(facts) &&
  Object.keys(facts).length <= FACTS_MAX &&
  Object.entries(facts).every(
    ([name, value]) =>
      WORD.test(name) && (typeof value === 'string' ? FACT.test(value) : Number.isSafeInteger(value)),
  );

function isBoxReference(box: unknown): boolean {
  if (!isRecord(box) || !Object.keys(box).every((name) => BOX_MEMBERS.has(name))) return false;
  const { hash, own, scope, of } = box;
  if (!isCount(own) || !(of === undefined || (typeof of === 'string' && isId(of)))) return false;
  return typeof hash === 'string' && isHash(hash) && Array.isArray(scope) && scope.every(isScopePair);
}

function isHash(base64: string): boolean {
  try {
    return parseHash(base64).length === HASH_BYTES;
  } catch {
    return false;
  }
}

const isScopePair = (pair: unknown): boolean =>
  Array.isArray(pair) &&
  pair.length === 2 &&
  typeof pair[0] === 'string' &&
  WORD.test(pair[0]) &&
  isCount(pair[1]);
