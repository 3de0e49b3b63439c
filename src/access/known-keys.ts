/**
 * API keys that have proved themselves a moment ago, so that a request need not read and open a key's row again.
 *
 * Invariants: what is remembered stands only while no commit has written to the table of keys, no slot of the key is dead or
 * dying, and its organization is the same object; and for a second at most, whatever else may have happened to the database.
 * So a revocation that was acknowledged holds for the next request. Of the key's text a digest is kept, in memory alone;
 * what was refused is never remembered.
 */
import { hash } from 'node:crypto';
import { makeRoom } from '../bytes/make-room.ts';
import type { Secret } from '../bytes/secret.ts';
import type { Slot } from '../keys/slot.ts';
import type { Principal } from './context.ts';
import type { Organization } from './organizations.ts';

export interface KnownKey {
  readonly principal: Principal;
  readonly organization: Organization;
  /** Those of the credential, the principal and the pepper. */
  readonly slots: readonly Slot[];
  /** `lastWrite` of the table of keys from before its row was read. */
  readonly lastWrite: number;
  readonly provedAtMs: number;
}

export interface KnownKeysParts {
  readonly lastWrite: () => number;
  readonly isErased: (slot: Slot) => boolean;
  readonly now: () => number;
}

const KNOWN_MS = 1_000;
const KNOWN_MAX = 10_000;

export class KnownKeys {
  readonly #parts: KnownKeysParts;
  /** By the digest of their text, in the order in which they were proved. */
  readonly #known = new Map<string, KnownKey>();

  constructor(parts: KnownKeysParts) {
    this.#parts = parts;
  }

  /** Null where it has to be proved anew. */
  find(token: Secret): KnownKey | null {
    const digest = digestOf(token);
    const known = this.#known.get(digest);
    if (known === undefined) return null;
    if (this.#stands(known)) return known;
    this.#known.delete(digest);
    return null;
  }

  add(token: Secret, known: KnownKey): void {
    const digest = digestOf(token);
    this.#known.delete(digest);
    makeRoom(this.#known, KNOWN_MAX);
    this.#known.set(digest, known);
  }

  #stands({ provedAtMs, lastWrite, slots, organization }: KnownKey): boolean {
    const { now, isErased } = this.#parts;
    const age = now() - provedAtMs;
    if (age < 0 || age >= KNOWN_MS || this.#parts.lastWrite() !== lastWrite) return false;
    return !isErased(organization.slot) && !slots.some(isErased);
  }
}

const digestOf = (token: Secret): string => hash('sha256', token.reveal(), 'base64');
