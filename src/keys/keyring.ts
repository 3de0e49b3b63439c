/**
 * The keyring: derives the key of every slot, and can destroy any one of them alone (docs/keyring.md).
 *
 * Invariants: derivation is pure memory; the only write is an epoch, and epochs run one after the other; what derives a
 * punctured slot is zeroed once no replica holds the older root. `erased` is only said on the word of an authenticated
 * page, or of a puncture that has been ordered; anything else that is wrong is `keyring.damaged`. After an error in
 * writing the keyring refuses everything and tells `onFatal`, which ends the process.
 */
import type { Json } from '../bytes/canonical-json.ts';
import type { Bytes } from '../bytes/encoding.ts';
import { DAY_MS } from '../durations.ts';
import { StrongroomError } from '../errors.ts';
import type { DerivedHolder } from './dying-slots.ts';
import { Epochs } from './epochs.ts';
import {
  droppedOf,
  membersOf,
  puncturesOf,
  restoresOf,
  withIntents,
  withoutIntents,
  type DroppedReplica,
  type IntentRecord,
} from './intents.ts';
import type { PunctureRequest } from './key-journal.ts';
import type { KeyringParts, PunctureOutcome } from './keyring-parts.ts';
import type { Finding } from './keystore.ts';
import { OWN_LEAF, SIDE_GENERATIONS } from './sealed-side.ts';
import { leafOf, type Slot, type SlotKey } from './slot.ts';

export type { DerivedHolder } from './dying-slots.ts';
export type { KeyringOptions, PunctureOutcome } from './keyring-parts.ts';

const FULL_EPOCH_MS = DAY_MS;

interface Waiting {
  readonly request: PunctureRequest;
  readonly resolve: (outcome: PunctureOutcome) => void;
  readonly reject: (error: unknown) => void;
}

export class Keyring {
  readonly deployment: Bytes;
  readonly #epochs: Epochs;
  #waiting: Waiting[] = [];
  #isKicked = false;
  /** What runs now or has run last: epochs never overlap. */
  #tail: Promise<unknown> = Promise.resolve();
  /** How many run or wait for their turn. */
  #turns = 0;

  /** For `open.ts`; everybody else gets a keyring from `openKeyring`. */
  constructor(parts: KeyringParts) {
    this.deployment = parts.keystore.deployment;
    this.#epochs = new Epochs(parts);
  }

  get epoch(): number {
    return this.#epochs.current.epoch;
  }

  /** Read-only until `commitRestore`. */
  get isRestoring(): boolean {
    return this.#epochs.isRestoring;
  }

  get spareLeaves(): number {
    return this.#epochs.spare.count;
  }

  /** What was found wrong with replicas and did not stop the keyring. */
  get findings(): readonly Finding[] {
    return this.#epochs.keystore.findings;
  }

  /** Replicas that an erasure waits for. */
  get members(): readonly string[] {
    return [...membersOf(this.#epochs.keystore.intents)];
  }

  /** Those of them that are not at hand. */
  away(): Promise<readonly string[]> {
    return this.#epochs.keystore.away();
  }

  /** Replicas that were wiped or declared lost: certificates say so. */
  get dropped(): readonly DroppedReplica[] {
    return droppedOf(this.#epochs.keystore.intents);
  }

  /** Thirty-two bytes, the caller's to zero. Throws `erased` or `keyring.damaged`. */
  derive(slot: Slot): SlotKey {
    const { dying, keys } = this.#running();
    const key = dying.has(slot) ? null : keys.key(slot);
    if (key === null) throw new StrongroomError('erased');
    return key;
  }

  /** Whether `derive` answers `erased`. Throws `keyring.damaged` on a slot that was never allotted. */
  isErased(slot: Slot): boolean {
    const { dying, keys } = this.#running();
    return dying.has(slot) || keys.isDead(slot);
  }

  /** The same for many slots: each of their pages is looked through once. */
  erasedAmong(): (slot: Slot) => boolean {
    const { dying, keys } = this.#running();
    const isDead = keys.deadAmong();
    return (slot) => dying.has(slot) || isDead(slot);
  }

  /** Whether the pages say that the slot is dead: more than that it is refused. */
  isDestroyed(slot: Slot): boolean {
    return this.#running().keys.isDead(slot);
  }

  /**
   * From now on these slots are refused as if they were dead, before the epoch that ends them: for what is asked for
   * durably, and inside the transaction that asks. The answer takes it back, where that transaction fails.
   */
  refuse(slots: readonly Slot[]): () => void {
    return this.#running().refuse(slots);
  }

  /** `puncture` will be asked for these as soon as the request is durable: what needs no disk is done meanwhile. */
  lookAhead(slots: readonly Slot[]): void {
    const epochs = this.#running();
    if (this.#turns === 0 && !epochs.isRestoring) epochs.lookAhead(slots);
  }

  /** The next leaf that nobody has had. Throws `busy` where the next allotment has to be waited for. */
  takeLeaf(): number {
    const { spare } = this.#writable();
    try {
      return spare.take();
    } finally {
      if (spare.isLow) this.#kick();
    }
  }

  /** Destroys the slots of the request. Callers within a moment share one epoch. */
  async puncture(request: PunctureRequest): Promise<PunctureOutcome> {
    const { keys } = this.#writable();
    for (const slot of request.slots) {
      if (leafOf(slot) === OWN_LEAF || !keys.isAllotted(slot)) {
        throw new StrongroomError('keyring.damaged', `slot ${slot} was never allotted`);
      }
    }
    return new Promise((resolve, reject) => {
      this.#waiting.push({ request, resolve, reject });
      this.#kick();
    });
  }

  /** Asked in each epoch before it is prepared; the answer's slots die along. Returns what ends it. */
  holdDerived(holder: DerivedHolder): () => void {
    this.#epochs.dying.holders.add(holder);
    return () => this.#epochs.dying.holders.delete(holder);
  }

  /** `clear` is called whenever keys that somebody may have cached must be forgotten. Returns what ends it. */
  holdCache(clear: () => void): () => void {
    this.#epochs.dying.caches.add(clear);
    return () => this.#epochs.dying.caches.delete(clear);
  }

  /** Keeps something (a hold, for one) beside the root, where no restore undoes it; null takes it away again. */
  keepNote(id: string, body: Json | null): Promise<void> {
    return this.keepNotes(new Map([[id, body]]));
  }

  /** The same of several, written once. */
  async keepNotes(notes: ReadonlyMap<string, Json | null>): Promise<void> {
    await this.#exclusive(this.#writable(), async (epochs) => {
      const gone = (record: IntentRecord): boolean => record.kind === 'note' && notes.get(record.id) === null;
      const kept = [...notes].flatMap(([id, body]): IntentRecord[] =>
        body === null ? [] : [{ kind: 'note', id, body }],
      );
      const left = withoutIntents(epochs.keystore.intents, gone);
      const changed = kept.length === 0 ? left : withIntents(left, kept);
      await epochs.sides.writeIntents(changed, await epochs.reachAny());
    });
  }

  /** What `keepNote` kept. */
  get notes(): ReadonlyMap<string, Json> {
    const { records } = this.#epochs.keystore.intents;
    return new Map(records.flatMap((record) => (record.kind === 'note' ? [[record.id, record.body]] : [])));
  }

  /**
   * Once a minute: the ledger is compared with the witness (`store.older`), which is then written anew; where a replica
   * came back, a request waits or a day has passed, there is a full epoch.
   */
  async tend(): Promise<void> {
    await this.#exclusive(this.#writable(), async (epochs) => {
      await epochs.sides.requireLedger();
      // What was asked in a transaction and met a keystore that was away stands in the database only.
      epochs.addPending(await epochs.journal.pending());
      const reach = await epochs.reach();
      const isDue = epochs.environment.clock.now() - epochs.fullAtMs >= FULL_EPOCH_MS;
      const isBack = reach.targets.some((target) => !target.isCurrent);
      const isUndone = epochs.hasPending && reach.missing.length === 0;
      const isWanted = isDue || isBack || isUndone || epochs.undone().length > 0;
      if (isWanted && epochs.isEnough(reach)) await epochs.run({ requests: epochs.undone(), isFull: true });
      else await epochs.sides.renewWitness(reach);
    });
  }

  /** What `witnessBackup` was told last. */
  get witnessedBackup(): string | null {
    return this.#epochs.keystore.witness.backup;
  }

  /** When every page was last sealed anew. */
  get fullAtMs(): number {
    return this.#epochs.fullAtMs;
  }

  /** How often the keys of the files beside the root have been replaced. */
  get sideGeneration(): number {
    return this.#epochs.sides.generation;
  }

  /**
   * A new root and new keys for every page; with `sides` also for the files beside the root. Resolves once no replica
   * holds anything older; throws `store.unavailable` where one cannot be reached, and nothing has happened then.
   */
  async turn({ sides }: { readonly sides: boolean }): Promise<void> {
    await this.#exclusive(this.#writable(), async (epochs) => {
      const { missing } = await epochs.reach();
      if (missing.length > 0)
        throw new StrongroomError('store.unavailable', `keystore replicas are away: ${missing.join(', ')}`);
      const turnsSides = sides && epochs.sides.generation + 1 < SIDE_GENERATIONS;
      await epochs.run({ requests: epochs.undone(), isFull: true, turnsSides });
    });
  }

  /** The newest backup's manifest, for the witness. */
  async witnessBackup(manifest: string): Promise<void> {
    await this.#exclusive(this.#writable(), async (epochs) => {
      await epochs.sides.writeWitness(await epochs.reachAny(), { backup: manifest });
    });
  }

  /**
   * The first epoch after opening, before anybody is served: repairs lagging replicas, does again what is pending,
   * leaves one root in each replica. `restored` ends a restore that was interrupted after its epoch.
   *
   * What a process sealed and could not commit before it ended lies in the database's log, under slots that no row
   * names and no erasure would ever reach. So every slot that was not handed out durably dies here.
   */
  async begin(restored: number | null): Promise<void> {
    await this.#exclusive(this.#epochs, async (epochs) => {
      const unused = epochs.unusedDie ? { unused: await epochs.journal.leaves() } : {};
      const outcome = await epochs.run({ requests: epochs.undone(), isFull: true, restored, ...unused });
      if (outcome.epoch === null)
        throw new StrongroomError('keystore.missing', 'too few replicas of the keystore');
    });
  }

  /**
   * The first epoch of a keystore that is older than its database: what was ordered to die since dies again, slots that were
   * not handed out durably die, and so do the leaves that this keystore never had.
   */
  async recover(requests: readonly PunctureRequest[], lost: number): Promise<PunctureOutcome> {
    return this.#exclusive(this.#epochs, async (epochs) => {
      const unused = await epochs.journal.leaves();
      const outcome = await epochs.run({ requests, isFull: true, unused, lost });
      if (outcome.epoch === null)
        throw new StrongroomError('keystore.missing', 'too few replicas of the keystore');
      return outcome;
    });
  }

  /**
   * Ends a restore by one epoch: everything that the restored database cannot know dies, accepted erasures are done,
   * the ledger starts a new generation. From then on the keyring can be written.
   */
  async commitRestore(): Promise<PunctureOutcome> {
    const running = this.#running();
    if (!running.isRestoring) throw new StrongroomError('conflict', 'no restore is under way');
    return this.#exclusive(running, async (epochs) => {
      const head = await epochs.journal.ledgerHead();
      const begun = restoresOf(epochs.keystore.intents).map((restore) => restore.generation);
      const generation = Math.max(epochs.keystore.witness.generation, head?.generation ?? 0, ...begun) + 1;
      const unused = await epochs.journal.leaves();
      epochs.addPending([...(await epochs.journal.pending()), ...puncturesOf(epochs.keystore.intents)]);
      return epochs.run({ requests: epochs.undone(), isFull: true, restore: { generation }, unused });
    });
  }

  /** Runs `work` while no epoch runs: for adding and dropping replicas. */
  withEpochs<T>(work: (epochs: Epochs) => Promise<T>): Promise<T> {
    return this.#exclusive(this.#writable(), work);
  }

  /** Waits for the epoch that runs, then forgets every key. */
  async close(): Promise<void> {
    await this.#tail;
    this.#epochs.halt.stop(new StrongroomError('store.unavailable', 'the keyring is closed'));
    this.#refuseWaiting(new StrongroomError('store.unavailable', 'the keyring is closed'));
  }

  #running(): Epochs {
    this.#epochs.halt.check();
    return this.#epochs;
  }

  #writable(): Epochs {
    if (this.#epochs.isRestoring)
      throw new StrongroomError('conflict', 'a restore is under way: commit it first');
    return this.#running();
  }

  async #exclusive<T>(epochs: Epochs, work: (epochs: Epochs) => Promise<T>): Promise<T> {
    return this.#inTurn(() => {
      epochs.forgetAhead();
      epochs.halt.check();
      return work(epochs);
    });
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    this.#turns++;
    const turn = this.#tail.then(work).finally(() => void this.#turns--);
    this.#tail = turn.catch(() => undefined);
    return turn;
  }

  /** One epoch for whoever is waiting when its turn comes. */
  #kick(): void {
    if (this.#isKicked) return;
    this.#isKicked = true;
    // Whoever waits is told by it what went wrong.
    this.#inTurn(() => this.#share()).catch(() => undefined);
  }

  async #share(): Promise<void> {
    this.#isKicked = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    if (waiting.length === 0 && !this.#epochs.spare.isLow) return;
    const settle = (outcome: PunctureOutcome): void => waiting.forEach(({ resolve }) => resolve(outcome));
    try {
      const requests = mergeRequests(waiting.map(({ request }) => request));
      settle(await this.#epochs.run({ requests, onDone: settle }));
    } catch (error) {
      // What had its outcome already keeps it.
      for (const { reject } of waiting) reject(error);
    }
  }

  #refuseWaiting(error: StrongroomError): void {
    for (const { reject } of this.#waiting) reject(error);
    this.#waiting = [];
  }
}

/** One request for each id. */
function mergeRequests(requests: readonly PunctureRequest[]): PunctureRequest[] {
  const merged = new Map<string, PunctureRequest>();
  for (const request of requests) {
    const known = merged.get(request.id);
    const slots = known === undefined ? request.slots : [...new Set([...known.slots, ...request.slots])];
    merged.set(request.id, { ...request, slots });
  }
  return [...merged.values()];
}
