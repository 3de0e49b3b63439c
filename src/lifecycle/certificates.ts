/**
 * Certificates: issued once for each erasure, when no replica of the keystore can derive its keys any more, and kept as
 * they were signed. Their key is a service key of its own, so that it can be rotated without the ledger's.
 *
 * Whoever signs looks for himself: the request must be confirmed by every member replica, and each slot must answer
 * dead in the pages now, not only be refused.
 */
import type { Certificate, CertificateKey } from '@strongroom/client';
import type { Access } from '../access/access.ts';
import type { RequestContext } from '../access/context.ts';
import type { Recorder } from '../access/recorder.ts';
import { encodeBase64, encodeHex } from '../bytes/encoding.ts';
import { sha256 } from '../crypto/hash.ts';
import { DAY_MS, HOUR_MS } from '../durations.ts';
import type { Clock } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { OrganizationId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import { decodeSlots, type Slot } from '../keys/slot.ts';
import { encodeLeaf } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { encodeVkey, verifierKey } from '../ledger/note.ts';
import type { ErasureRow, KeyRequestRow } from '../store/schema.ts';
import { SYSTEM, type Store } from '../store/store.ts';
import { toRanges } from '../vaults/slot-ranges.ts';
import { encodeStatement, type CertificateFacts, type ReplicaFacts } from './certificate.ts';
import { keyIdIn, keyIdOf, signEnvelope, STATEMENT_TYPE } from './envelope.ts';
import { keyView, type HistoricKey, type Signers } from '../ledger/signers.ts';
import type { ErasureRequests } from './erasure-requests.ts';
import { exportsBefore } from './recipients.ts';
import { digestOfRanges } from './slot-digest.ts';

export interface CertificatesParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly ledger: Ledger;
  readonly access: Access;
  readonly recorder: Recorder;
  readonly requests: ErasureRequests;
  readonly signers: Signers;
  /** `strongroom/<id>`. */
  readonly deployment: string;
  /** What is known of replicas by their names. */
  readonly replicas: (names: readonly string[]) => Promise<readonly ReplicaFacts[]>;
  /** Days after which no backup holds what was erased, even as ciphertext. */
  readonly backupDays: number;
  readonly clock: Clock;
}

export class Certificates {
  readonly #parts: CertificatesParts;

  constructor(parts: CertificatesParts) {
    this.#parts = parts;
  }

  /** The verifier key, as text: what a stranger needs to know to check certificates of this deployment. */
  #vkeyOf({ publicKey }: Pick<HistoricKey, 'publicKey'>): string {
    return encodeVkey(verifierKey(this.#parts.signers.name, publicKey));
  }

  async key(context: RequestContext): Promise<CertificateKey> {
    this.#parts.access.require(context, 'erasure.certificate', null);
    const deed = { action: 'erasure.certificate', target: context.organization } as const;
    await this.#parts.recorder.record(context, deed);
    const { signers } = this.#parts;
    const keys = signers.history.map((key) => keyView(key, this.#vkeyOf(key)));
    return { verifierKey: this.#vkeyOf(signers.current), keys };
  }

  /** `certificate.pending` while a replica has yet to forget. */
  async get(context: RequestContext, id: string): Promise<Certificate> {
    const row = await this.#parts.requests.reach(context, 'erasure.certificate', id);
    const certificate = await this.issue(row);
    await this.#parts.recorder.record(context, { action: 'erasure.certificate', target: row.id });
    return { certificate, verifierKey: this.#vkeyOf(this.#signerOf(certificate)) };
  }

  async issue(row: ErasureRow): Promise<string> {
    if (row.certificate !== null) return row.certificate;
    if (row.state !== 'destroyed' && row.state !== 'purged') throw new StrongroomError('certificate.pending');
    const facts = await this.#facts(row);
    const { store, signers } = this.#parts;
    return store.write(row.organization as OrganizationId, async (tx) => {
      const signer = await signers.signing(tx.sql);
      const certificate = signEnvelope(STATEMENT_TYPE, encodeStatement(facts), signer);
      // Two who ask at once get the same one.
      await tx.sql
        .updateTable('erasures')
        .set({ certificate, change: tx.change })
        .where('id', '=', row.id)
        .where('certificate', 'is', null)
        .execute();
      const kept = await tx.sql
        .selectFrom('erasures')
        .select('certificate')
        .where('id', '=', row.id)
        .executeTakeFirst();
      return kept?.certificate ?? certificate;
    });
  }

  /** The key that signed it, today's or one before. */
  #signerOf(certificate: string): HistoricKey {
    const id = keyIdIn(certificate);
    const key = this.#parts.signers.history.find(({ publicKey }) => keyIdOf(publicKey) === id);
    if (key === undefined)
      throw new StrongroomError('internal', 'a certificate was signed by an unknown key');
    return key;
  }

  async #facts(row: ErasureRow): Promise<CertificateFacts> {
    const { deployment, keyring, clock } = this.#parts;
    const request = await this.#request(row.id);
    const slots = decodeSlots(request.slots);
    this.#requireDead(slots);
    const confirmed = JSON.parse(request.confirmed) as string[];
    return {
      deployment,
      row,
      slots: { ranges: toRanges(slots), count: slots.length, digest: digestOfRanges(slots) },
      epoch: request.epoch,
      replicas: await this.#parts.replicas(confirmed),
      dropped: keyring.dropped.map(({ replica, how, at }) => ({
        name: replica,
        how,
        at: new Date(at).toISOString(),
      })),
      verifiedAt: clock.now(),
      copiesUntil: await this.#copiesUntil(row, row.destroyed_at ?? clock.now()),
      ledger: await this.#proof(row),
    };
  }

  /** When the last ciphertext goes: with the backups from before, or the exports, whose pieces go within an hour of their end. */
  async #copiesUntil(row: ErasureRow, destroyedAt: number): Promise<number> {
    const { store, backupDays } = this.#parts;
    const exports = await exportsBefore(store, row, destroyedAt);
    const ends = exports.map(({ expires_at, ended_at }) => (ended_at ?? expires_at) + HOUR_MS);
    return Math.max(destroyedAt + backupDays * DAY_MS, ...ends);
  }

  async #request(id: string): Promise<KeyRequestRow> {
    const row = await this.#parts.store.read(SYSTEM, (db) =>
      db.selectFrom('key_requests').selectAll().where('id', '=', id).executeTakeFirst(),
    );
    if (row?.state !== 'destroyed') throw new StrongroomError('certificate.pending');
    return row;
  }

  #requireDead(slots: readonly Slot[]): void {
    const { keyring } = this.#parts;
    const alive = slots.filter((slot) => !keyring.isDestroyed(slot));
    if (alive.length > 0)
      throw new StrongroomError('keyring.damaged', `${alive.length} slots of an erasure are alive`);
  }

  async #proof(row: ErasureRow): Promise<CertificateFacts['ledger']> {
    const { ledger } = this.#parts;
    const log = row.organization as OrganizationId;
    const query = { action: 'erasure.complete', target: row.id, limit: 1 } as const;
    const [entry] = (await ledger.entries(log, query)).entries;
    if (entry === undefined)
      throw new StrongroomError('certificate.pending', 'the ledger does not say so yet');
    const leaf = encodeLeaf(entry, entry.log, entry.n);
    const proof = await ledger.proof(log, entry.n);
    return {
      log,
      // Of the key that signed the checkpoint: another may have taken its place since.
      verifierKey: proof.vkey,
      n: entry.n,
      leaf: encodeBase64(leaf),
      leafDigest: encodeHex(sha256(leaf)),
      proof: proof.text,
    };
  }
}

export const certificateKeyName = (deployment: string): string => `${deployment}/certificates`;
