/**
 * Record keys: what a record's boxes are sealed under (docs/format.md).
 *
 *     scope = HKDF-Extract(salt "strongroom/scope/1", k of each slot of the scope, in order)
 *     K     = HKDF-SHA-256(salt scope, ikm k of the record's own slot, info ["record/1", id, version, [[role, slot] …]])
 *
 * The order of a scope is that of the roles below, then by slot. Destroying any one of the slots ends the record,
 * wherever copies of its boxes lie.
 */
import { concat, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { hkdf, hkdfExtract } from '../crypto/hkdf.ts';
import type { Slot, SlotKey } from './slot.ts';

const ROLES = [
  'organization',
  'project',
  'vault',
  'conversation',
  'subject',
  'principal',
  'hold',
  'period',
  'service',
] as const;

export type ScopeRole = (typeof ROLES)[number];
export type Scope = readonly (readonly [ScopeRole, Slot])[];

export interface RecordKeySource {
  readonly id: string;
  readonly version: number;
  readonly own: Slot;
  readonly scope: Scope;
}

/** What record keys need of a keyring. */
export interface ScopeKeyring {
  derive(slot: Slot): SlotKey;
  /** Calls `clear` whenever cached keys must be forgotten. */
  holdCache(clear: () => void): () => void;
}

const SCOPE_SALT = encodeUtf8('strongroom/scope/1');
const SCOPES_CACHED_MAX = 10_000;
const RANK: ReadonlyMap<string, number> = new Map(ROLES.map((role, rank) => [role, rank]));

export class RecordKeys {
  readonly #keyring: ScopeKeyring;
  readonly #scopes = new Map<string, Bytes>();

  constructor(keyring: ScopeKeyring) {
    this.#keyring = keyring;
    keyring.holdCache(() => this.#forget());
  }

  /** Thirty-two bytes. Throws `erased` where one of the slots is dead. */
  key({ id, version, own, scope }: RecordKeySource): Bytes {
    const ordered = orderScope(scope);
    // The canonical form (RFC 8785) of ASCII strings and safe integers is what JSON.stringify writes.
    const slots = JSON.stringify(ordered);
    const info = encodeUtf8(`["record/1",${JSON.stringify(id)},${JSON.stringify(version)},${slots}]`);
    const salt = this.#scopes.get(slots) ?? this.#extract(slots, ordered);
    const ownKey = this.#keyring.derive(own);
    const key = hkdf(ownKey, salt, info);
    ownKey.fill(0);
    return key;
  }

  #extract(name: string, scope: Scope): Bytes {
    const keys = scope.map(([, slot]) => this.#keyring.derive(slot));
    const joined = concat(...keys);
    const extracted = hkdfExtract(SCOPE_SALT, joined);
    for (const key of [...keys, joined]) key.fill(0);
    if (this.#scopes.size >= SCOPES_CACHED_MAX) this.#forget();
    this.#scopes.set(name, extracted);
    return extracted;
  }

  #forget(): void {
    for (const scope of this.#scopes.values()) scope.fill(0);
    this.#scopes.clear();
  }
}

function orderScope(scope: Scope): Scope {
  for (let at = 1; at < scope.length; at++) {
    if (compareScope(scope[at - 1] as Scope[number], scope[at] as Scope[number]) > 0)
      return [...scope].sort(compareScope);
  }
  return scope;
}

const compareScope = (left: Scope[number], right: Scope[number]): number =>
  (RANK.get(left[0]) as number) - (RANK.get(right[0]) as number) || left[1] - right[1];
