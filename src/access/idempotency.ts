/**
 * Idempotency keys: a write that is sent again is not done again.
 *
 * The row is written in the transaction of the write itself, so there is no moment at which one exists without the
 * other. It holds ids only; a repeated request is answered from what these ids stand for now, so that no copy of
 * anybody's words is kept here and what was erased meanwhile is not answered.
 *
 * The caller's key is looked up by a keyed digest under a slot of its day, which is destroyed when the day is over and
 * another has passed. Whether the repetition has the same body is told from memory only: a digest of content that is
 * kept would let guesses about the erased be tested.
 */
import { canonicalBytes } from '../bytes/canonical-json.ts';
import { decodeUtf8, encodeHex, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { hmacSha256 } from '../crypto/hkdf.ts';
import { openBox, sealBox, type Place } from '../crypto/seal.ts';
import { DAY_MS } from '../durations.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { isId } from '../ids.ts';
import type { RecordKeys } from '../keys/record-key.ts';
import type { Slot } from '../keys/slot.ts';
import type { Action } from '../ledger/actions.ts';
import type { Store, Tx } from '../store/store.ts';
import type { Claim, RequestContext } from './context.ts';
import type { Claims, Deed } from './recorder.ts';

export interface IdempotencyParts {
  readonly store: Store;
  readonly keys: RecordKeys;
  readonly environment: Environment;
  /** The service slot of that name, made if there is none. */
  readonly serviceSlot: (name: string) => Promise<Slot>;
  /** The current representation of a memory or a vault, or null where it is gone. */
  readonly current: (context: RequestContext, id: string) => Promise<Representation | null>;
}

export interface Representation {
  readonly version: number;
  readonly body: unknown;
}

export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export type Begun =
  | { readonly kind: 'replay'; readonly response: KeptAnswer }
  | { readonly kind: 'proceed'; readonly claim: { complete(): Promise<void>; abandon(): Promise<void> } };

/** What was done, by ids. */
interface KeptDeed {
  readonly action: Action;
  readonly target: string;
  readonly targets: readonly string[];
}

/** Fingerprints of bodies held in memory at most; the oldest go first. */
const FINGERPRINTS_MAX = 50_000;
const PERIOD_PREFIX = 'idempotency/';

export class Idempotency implements Claims {
  readonly #parts: IdempotencyParts;
  readonly #underWay = new Set<string>();
  readonly #fingerprints = new Map<string, Uint8Array>();

  constructor(parts: IdempotencyParts) {
    this.#parts = parts;
  }

  /**
   * Claims `key` for the principal; `idempotency.conflict` where it was used for another body, action or target, or the
   * first request is under way. Yesterday's slot counts as well, so that midnight makes no difference.
   */
  async begin(
    context: RequestContext,
    key: string,
    fingerprint: Uint8Array,
    of: { readonly action: Action; readonly target: string },
  ): Promise<Begun> {
    const now = this.#parts.environment.clock.now();
    const claims = [
      await this.#claimOf(context, key, now),
      await this.#claimOf(context, key, now - DAY_MS),
    ] as const;
    const names = claims.map(({ digest }) => encodeHex(digest));
    const [name = ''] = names;
    if (names.some((one) => this.#underWay.has(one)))
      throw new StrongroomError('idempotency.conflict', 'the first request is under way');
    const first = names.map((one) => this.#fingerprints.get(one)).find((one) => one !== undefined);
    if (first !== undefined && !isEqual(first, fingerprint))
      throw new StrongroomError('idempotency.conflict');
    this.#underWay.add(name);
    try {
      const kept = await this.#kept(context, claims);
      if (kept !== null) {
        requireSame(kept, of);
        const response = await this.#answer(context, kept);
        this.#underWay.delete(name);
        return { kind: 'replay', response };
      }
    } catch (error) {
      this.#underWay.delete(name);
      throw error;
    }
    [context.claim] = claims;
    return { kind: 'proceed', claim: this.#handle(name, fingerprint) };
  }

  /** Leaves the row of the request's claim in the transaction of its write. */
  async keep(tx: Tx, context: RequestContext, deed: Deed): Promise<void> {
    const { claim } = context;
    if (claim === undefined) return;
    const kept: KeptDeed = { action: deed.action, target: deed.target, targets: deed.targets ?? [] };
    const box = sealBox(
      this.#key(context, claim),
      placeOf(context),
      canonicalBytes({ ...kept, targets: [...kept.targets] }),
      this.#parts.environment.random,
    );
    await tx.sql
      .insertInto('idempotency')
      .values({
        id: context.requestId,
        organization: context.organization,
        principal: context.principal.id,
        digest: claim.digest,
        period: claim.period,
        status: STATUS[deed.action] ?? 200,
        response_box: box,
        created_at: this.#parts.environment.clock.now(),
        change: tx.change,
      })
      .execute();
  }

  #handle(name: string, fingerprint: Uint8Array): { complete(): Promise<void>; abandon(): Promise<void> } {
    const end = (): void => void this.#underWay.delete(name);
    return {
      complete: () => {
        end();
        this.#fingerprints.set(name, fingerprint);
        const [oldest] = this.#fingerprints.keys();
        if (this.#fingerprints.size > FINGERPRINTS_MAX && oldest !== undefined)
          this.#fingerprints.delete(oldest);
        return Promise.resolve();
      },
      abandon: () => {
        end();
        return Promise.resolve();
      },
    };
  }

  async #claimOf(context: RequestContext, key: string, at: number): Promise<Claim> {
    const period = periodOf(at);
    const periodSlot = await this.#parts.serviceSlot(period);
    const secret = this.#parts.keys.key({
      id: 'look-up',
      version: 1,
      own: periodSlot,
      scope: context.principal.scope,
    });
    return { period, periodSlot, digest: hmacSha256(secret, encodeUtf8(`${context.principal.id}\n${key}`)) };
  }

  /** What was done under one of the claims: the same key, looked up under the slots of today and yesterday. */
  async #kept(context: RequestContext, claims: readonly Claim[]): Promise<KeptDeed | null> {
    const digests = claims.map(({ digest }) => digest);
    const row = await this.#parts.store.read(context.organization, (db) =>
      db
        .selectFrom('idempotency')
        .select(['id', 'period', 'response_box'])
        .where('principal', '=', context.principal.id)
        .where('digest', 'in', digests)
        .executeTakeFirst(),
    );
    const claim = claims.find(({ period }) => period === row?.period);
    if (row === undefined || row.response_box === null || claim === undefined) return null;
    const first = { ...context, requestId: row.id };
    return JSON.parse(
      decodeUtf8(openBox(this.#key(first, claim), placeOf(first), row.response_box)),
    ) as KeptDeed;
  }

  async #answer(context: RequestContext, deed: KeptDeed): Promise<KeptAnswer> {
    const status = STATUS[deed.action] ?? 200;
    if (status === 204) return { status, headers: {}, body: null };
    if (isId('vault', deed.target) && deed.action === 'memory.add') {
      const memories = deed.targets.filter((id) => isId('memory', id)).map((id) => ({ id }));
      return { status, headers: {}, body: JSON.stringify({ memories }) };
    }
    if (isId('key', deed.target)) return { status, headers: {}, body: null };
    const current = await this.#parts.current(context, deed.target);
    if (current === null) throw new StrongroomError('not_found');
    return { status, headers: { etag: `"${current.version}"` }, body: JSON.stringify(current.body) };
  }

  #key(context: RequestContext, claim: Claim): Bytes {
    return this.#parts.keys.key({
      id: context.requestId,
      version: 1,
      own: claim.periodSlot,
      scope: context.principal.scope,
    });
  }
}

/** What was done once does not stand for something else: above all, never for a deletion. */
function requireSame(kept: KeptDeed, of: { readonly action: Action; readonly target: string }): void {
  const isSameTarget = of.target === '' || of.target === kept.target || kept.targets.includes(of.target);
  if (kept.action !== of.action || !isSameTarget)
    throw new StrongroomError('idempotency.conflict', 'the key was used for another action');
}

/** Names of the periods that are over for good on a day: their slots may die and their rows go. */
export const isPeriodOver = (name: string, now: number): boolean =>
  name.startsWith(PERIOD_PREFIX) && name < periodOf(now - DAY_MS);

const periodOf = (at: number): string => `${PERIOD_PREFIX}${new Date(at).toISOString().slice(0, 10)}`;

const STATUS: Partial<Record<Action, number>> = {
  'memory.add': 201,
  'vault.create': 201,
  'erasure.request': 202,
  'key.create': 201,
  'hold.place': 201,
  'archive.request': 201,
  'export.create': 201,
  'key.rotate': 201,
  'backup.create': 201,
  'backup.drill': 201,
  'memory.delete': 204,
  'vault.delete': 204,
  'memory.reject': 204,
  'key.revoke': 204,
  'hold.release': 204,
  'archive.refuse': 204,
  'export.delete': 204,
};

const placeOf = (context: RequestContext): Place => ({
  purpose: 'idempotency',
  table: 'idempotency',
  column: 'response_box',
  organization: context.organization,
  vault: '',
  id: context.requestId,
  version: 1,
});
