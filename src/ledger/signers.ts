/**
 * Who signs the ledger, or certificates: the private keys of this process by generation, and the history of all there
 * ever were, which stands in `signing_keys`.
 *
 * Which key signs is asked of the table in the transaction of the signature itself. So there is one moment, the commit
 * of the switch, before which everything is signed by the older key and after which nothing is.
 */
import type { LedgerKey } from '@strongroom/client';
import { encodeBase64 } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import type { SigningKey } from '../crypto/signature.ts';
import { StrongroomError } from '../errors.ts';
import type { SigningKeyRow } from '../store/schema.ts';
import { SYSTEM, type ReadSql, type Store, type Tx } from '../store/store.ts';
import { followKeys, introduce, type PublishedKey } from './ledger-keys.ts';

export interface HistoricKey extends PublishedKey {
  readonly since: number;
  /** Null while it signs. */
  readonly until: number | null;
}

/** What is signed, and the name under which keys are told to others. */
export interface SignedAs {
  readonly role: SigningKeyRow['role'];
  readonly name: string;
}

export class Signers {
  readonly #as: SignedAs;
  readonly #signers = new Map<number, SigningKey>();
  #history: readonly HistoricKey[] = [];

  private constructor(as: SignedAs) {
    this.#as = as;
  }

  /**
   * With the key of today, which follows the newest in the history: as the first of all, or as one that nobody
   * introduces, because the private key before it is gone (a restore from before a rotation).
   */
  static async open(store: Store, as: SignedAs, signer: SigningKey, nowMs: number): Promise<Signers> {
    const signers = await Signers.look(store, as, signer);
    const newest = signers.#history.at(-1);
    if (!signers.canSign) {
      const next = (newest?.generation ?? 0) + 1;
      signers.#signers.set(next, signer);
      await store.write(SYSTEM, (tx) => signers.#insert(tx, next, newest ?? null, nowMs));
      await signers.#load(store);
    }
    return signers;
  }

  /** The same where nothing may be written: who signs only if it is the newest in the history, and at hand. */
  static async look(store: Pick<Store, 'read'>, as: SignedAs, signer: SigningKey | null): Promise<Signers> {
    const signers = new Signers(as);
    await signers.#load(store);
    const newest = signers.#history.at(-1);
    if (signer !== null && newest !== undefined && isEqual(newest.publicKey, signer.publicKey))
      signers.#signers.set(newest.generation, signer);
    return signers;
  }

  /** Whether the newest key is at hand. */
  get canSign(): boolean {
    return this.#signers.has(this.#history.at(-1)?.generation ?? 0);
  }

  /** The name under which keys are told to others: for the ledger, the deployment's. */
  get name(): string {
    return this.#as.name;
  }

  /** Every key there was, oldest first; the last one signs. */
  get history(): readonly HistoricKey[] {
    return this.#history;
  }

  /** Those that the key of today vouches for: what a table was changed to say leads nowhere. */
  get followed(): readonly PublishedKey[] {
    const { publicKey } = this.current;
    return followKeys(this.name, this.#history, publicKey);
  }

  get current(): HistoricKey {
    const newest = this.#history.at(-1);
    if (newest === undefined)
      throw new StrongroomError('ledger.unavailable', `no key signs for ${this.name}`);
    return newest;
  }

  /** The key that signs in this very transaction. */
  async signing(sql: ReadSql): Promise<SigningKey> {
    const row = await sql
      .selectFrom('signing_keys')
      .select('generation')
      .where('role', '=', this.#as.role)
      .orderBy('generation', 'desc')
      .limit(1)
      .executeTakeFirst();
    const signer = this.#signers.get(row?.generation ?? 0);
    if (signer === undefined)
      throw new StrongroomError('ledger.unavailable', `the key that signs for ${this.name} is not at hand`);
    return signer;
  }

  /** In the caller's transaction: from its commit on `next` signs, introduced by the key of today. */
  async replace(tx: Tx, next: SigningKey, nowMs: number): Promise<HistoricKey> {
    const { current } = this;
    this.#signers.set(current.generation + 1, next);
    return this.#insert(tx, current.generation + 1, current, nowMs);
  }

  /** After that commit. */
  async replaced(store: Store): Promise<void> {
    await this.#load(store);
    for (const generation of this.#signers.keys())
      if (generation < this.current.generation) this.#signers.delete(generation);
  }

  async #insert(tx: Tx, generation: number, before: HistoricKey | null, nowMs: number): Promise<HistoricKey> {
    const next = this.#signers.get(generation);
    if (next === undefined) throw new StrongroomError('internal', 'a key that is not at hand cannot sign');
    const { change } = tx;
    const { role } = this.#as;
    const introduction =
      before === null
        ? null
        : introduce(
            { deployment: this.name, generation, previous: before.publicKey },
            next,
            this.#signers.get(before.generation) ?? null,
          );
    const { publicKey } = next;
    if (before !== null)
      await tx.sql
        .updateTable('signing_keys')
        .set({ until: nowMs, change })
        .where('role', '=', role)
        .where('generation', '=', before.generation)
        .execute();
    await tx.sql
      .insertInto('signing_keys')
      .values({ role, generation, public_key: publicKey, introduction, since: nowMs, until: null, change })
      .execute();
    return { generation, publicKey, introduction, since: nowMs, until: null };
  }

  async #load(store: Pick<Store, 'read'>): Promise<void> {
    const rows = await store.read(SYSTEM, (db) =>
      db
        .selectFrom('signing_keys')
        .selectAll()
        .where('role', '=', this.#as.role)
        .orderBy('generation')
        .execute(),
    );
    this.#history = rows.map(({ generation, public_key, introduction, since, until }) => ({
      generation,
      publicKey: new Uint8Array(public_key),
      introduction,
      since,
      until,
    }));
  }
}

/** A key as the API shows it. */
export const keyView = (
  { generation, since, until, introduction }: HistoricKey,
  verifierKey: string,
): LedgerKey => ({
  generation,
  verifierKey,
  since: new Date(since).toISOString(),
  until: until === null ? null : new Date(until).toISOString(),
  introduction,
});

/** The facts of the entry by which a log says who signs it from there on. */
export const rekeyFacts = ({
  generation,
  publicKey,
}: PublishedKey): { generation: number; publicKey: string } => ({
  generation,
  publicKey: encodeBase64(publicKey),
});
