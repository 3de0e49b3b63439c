/** A ledger over a real store in a folder of its own, with keys that can be punctured one by one. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import { encodeUtf8, type Bytes } from '../../bytes/encoding.ts';
import { SigningKey } from '../../crypto/signature.ts';
import type { Environment } from '../../environment.ts';
import { StrongroomError } from '../../errors.ts';
import { createIdSource, type NewId, type OrganizationId } from '../../ids.ts';
import { RecordKeys, type ScopeKeyring } from '../../keys/record-key.ts';
import { KeyedSealer } from '../../keys/record-sealer.ts';
import { slotOf, type Slot, type SlotKey } from '../../keys/slot.ts';
import { DATABASE_FILE } from '../../store/sqlite.ts';
import type { Store } from '../../store/store.ts';
import { sqliteEngineFor, type TestEngine } from '../../store/testing/engines.ts';
import type { EntryDraft } from '../entry.ts';
import { Ledger } from '../ledger.ts';
import { Signers } from '../signers.ts';

export const ORIGIN = 'strongroom/00112233445566778899aabbccddeeff';
export const PERIOD = slotOf(0, 1);
export const PRINCIPAL_SLOT = slotOf(1, 1);
const START = Date.UTC(2026, 4, 7);

/** Keys by slot number; the dead ones answer `erased`. */
export class TestKeyring implements ScopeKeyring {
  readonly #dead = new Set<Slot>();
  readonly #caches = new Set<() => void>();

  derive(slot: Slot): SlotKey {
    if (this.#dead.has(slot)) throw new StrongroomError('erased');
    return new Uint8Array(createHash('sha256').update(`slot ${slot}`).digest()) as SlotKey;
  }

  holdCache(clear: () => void): () => void {
    this.#caches.add(clear);
    return () => this.#caches.delete(clear);
  }

  puncture(slot: Slot): void {
    this.#dead.add(slot);
    for (const clear of this.#caches) clear();
  }
}

export interface LedgerWorld {
  readonly engine: TestEngine;
  readonly store: Store;
  readonly ledger: Ledger;
  readonly keyring: TestKeyring;
  readonly environment: Environment;
  readonly newId: NewId;
  readonly organization: OrganizationId;
  /** Moves the clock. */
  advance(ms: number): void;
  /** Throws from the next fault points of that name; null lets everything pass. */
  failAt(point: string | null): void;
  /** The draft of an entry as a request makes it. */
  draft(over?: Partial<EntryDraft>): EntryDraft;
  /** A second ledger over another store of the same database, as another process would have it. */
  ledgerOn(store: Store): Ledger;
  /** Goes past the store, as somebody with the files would: append-only rows can then be changed. SQLite only. */
  tamper(work: (database: DatabaseSync) => void): void;
  /** Appends entries in one job each, all in flight together. */
  append(count: number, over?: Partial<EntryDraft>): Promise<void>;
}

export async function createLedgerWorld(t: TestContext, given?: TestEngine): Promise<LedgerWorld> {
  const engine = given ?? (await sqliteEngineFor(t));
  let now = START;
  let failing: string | null = null;
  const environment: Environment = {
    clock: { now: () => now },
    random: createRandom(),
    fault: (name) => {
      if (name === failing) throw new Error(`fault at ${name}`);
    },
  };
  const store = await engine.open({ fault: environment.fault });
  const keyring = new TestKeyring();
  const newId = createIdSource(environment.clock, environment.random);
  const signer = new SigningKey(new Uint8Array(32).fill(3));
  const signers = await Signers.open(store, { role: 'ledger', name: ORIGIN }, signer, START);
  const ledgerOn = (store: Store): Ledger =>
    new Ledger({
      store,
      environment,
      sealer: new KeyedSealer(new RecordKeys(keyring), environment.random),
      signers,
      periods: { slotAt: () => PERIOD },
      keyring,
    });
  const ledger = ledgerOn(store);
  const organization = newId('organization');
  const principal = newId('key');
  const memory = newId('memory');
  const draft = (over: Partial<EntryDraft> = {}): EntryDraft => ({
    principal,
    action: 'memory.get',
    target: memory,
    outcome: 'done',
    request: newId('request'),
    details: { purpose: 'ticket 4711', address: '192.0.2.7' },
    scope: [['principal', PRINCIPAL_SLOT]],
    ...over,
  });
  const appendOne = (over: Partial<EntryDraft>): Promise<void> =>
    store.write(organization, (tx) => {
      ledger.append(tx, draft(over));
      return Promise.resolve();
    });
  return {
    engine,
    store,
    ledger,
    ledgerOn,
    keyring,
    environment,
    newId,
    organization,
    advance: (ms) => {
      now += ms;
    },
    failAt: (point) => {
      failing = point;
    },
    draft,
    tamper: (work) => {
      if (engine.target.engine !== 'sqlite') throw new Error('only a file can be changed like this');
      const database = new DatabaseSync(join(engine.target.directory, DATABASE_FILE));
      try {
        const triggers = database.prepare("select name from sqlite_schema where type = 'trigger'").all();
        for (const { name } of triggers) database.exec(`drop trigger ${String(name)}`);
        database.exec('pragma synchronous = off; begin');
        work(database);
        database.exec('commit');
      } finally {
        database.close();
      }
    },
    append: async (count, over = {}) => {
      await Promise.all(Array.from({ length: count }, () => appendOne(over)));
    },
  };
}

/** Bytes that never repeat and are the same in each run. */
function createRandom(): (length: number) => Bytes {
  let count = 0;
  return (length) => {
    const blocks = Math.ceil(length / 32);
    const hash = createHash('sha512');
    hash.update(encodeUtf8(`random ${count++}`));
    const first = hash.digest();
    const bytes = new Uint8Array(blocks * 32);
    for (let at = 0; at < bytes.length; at++) bytes[at] = first[at % 64]! ^ (at >> 6);
    return bytes.slice(0, length);
  };
}
