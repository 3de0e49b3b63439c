/**
 * The state that epochs change, and the one operation that changes it.
 *
 * Up to the first write an error leaves everything as it was. From then on an error stops the keyring for good and is
 * told to `onFatal`: only an opening can tell from the disks which epoch it is. Whoever calls makes sure that nothing
 * here runs twice at a time.
 */
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { collectFiles, soundSteps, wipeOlderRoots, writeEpoch, type EpochSteps } from './epoch.ts';
import { EpochAhead, type PlannedAhead, type Wanted } from './epoch-ahead.ts';
import { punctureOf, punctureUnknown } from './epoch-order.ts';
import { withIntents, withoutIntents, type IntentRecord, type Intents } from './intents.ts';
import type { KeyJournal, LeafRow, PunctureRequest } from './key-journal.ts';
import { allDone } from './disk.ts';
import { isDiskError, type Keystore, type Reach } from './keystore.ts';
import type { DeadIndexes } from './leaf.ts';
import { fileNameOf, ROOT_BYTES } from './epoch-file.ts';
import { planEpoch, type EpochPlan, type PreparedEpoch } from './plan.ts';
import { BLOCK_BYTES } from './root-file.ts';
import { sideGeneration, sideSlots, type SideKeys } from './sealed-side.ts';
import { SlotKeys } from './slot-keys.ts';
import type { Slot } from './slot.ts';
import { SpareLeaves } from './spare-leaves.ts';
import type { Tree } from './tree.ts';
import { compareLedger, witnessedLedger, type Witness } from './witness.ts';

export interface PunctureOutcome {
  /** The epoch in which the slots died; null where there were too few replicas to begin one. */
  readonly epoch: number | null;
  /** `destroyed` once every configured replica confirmed; until then the content is hidden. */
  readonly state: 'destroyed' | 'hidden';
  readonly confirmed: readonly string[];
  readonly missing: readonly string[];
}

/** Told which slots are about to die; answers those of its derived state (segments, snapshots) that must die along. */
export type DerivedHolder = (dead: ReadonlySet<Slot>) => Iterable<Slot> | Promise<Iterable<Slot>>;

export interface KeyringOptions {
  readonly journal: KeyJournal;
  readonly environment: Environment;
  /** Derived state that exists from the start (rows of the database): asked in each epoch, the opening one too. */
  readonly derived: readonly DerivedHolder[];
  /** Fewer replicas than this at hand: no epoch begins. Default 1. */
  readonly replicasRequired?: number;
  /**
   * Whether `leaves` says of every slot that was handed out durably: those it does not name then die at opening, with
   * what a process sealed under them and could not commit before it ended.
   */
  readonly unusedDie?: boolean;
  /** Must end the process. */
  readonly onFatal: (error: unknown) => void;
  /** For tests that break one step to show that it is missed. */
  readonly steps?: Partial<EpochSteps>;
}

export interface KeyringParts {
  readonly keystore: Keystore;
  readonly tree: Tree;
  readonly epoch: number;
  readonly fileName: string;
  /** No epoch gets a number that was ever seen, here or in the database. */
  readonly seenEpoch: number;
  readonly isRestoring: boolean;
  /** Names of files of epochs that a restore began and did not commit. */
  readonly abandoned: readonly string[];
  readonly leaves: readonly LeafRow[];
  readonly pending: readonly PunctureRequest[];
  readonly options: KeyringOptions;
}

/** What one epoch is to do. */
export interface EpochOrder {
  readonly requests: readonly PunctureRequest[];
  readonly isFull?: boolean;
  /** Ends a restore: the ledger's new generation. */
  readonly restore?: { readonly generation: number };
  /** Leaves that the database knows: every slot that it has not handed out dies, and so does every other leaf. */
  readonly unused?: readonly LeafRow[];
  /** The side files get new keys, and those they had die. */
  readonly turnsSides?: boolean;
  /** How many leaves the database has that this keystore never had. */
  readonly lost?: number;
  /** The generation of a restore that was interrupted after its epoch had become the truth. */
  readonly restored?: number | null;
  /** Told as soon as the outcome is durable, before what may follow later. */
  readonly onDone?: (outcome: PunctureOutcome) => void;
}

/** What the replicas answer when nothing is wrong with them. */
const ALL_CURRENT: Reach = { targets: [], missing: [], seenEpoch: 0 };
const FEW_SLOTS = 64;
const GARBAGE_BYTES = 1024 * 1024;
/** Most epochs change a leaf and the pages above it. A longer file would cost more to prepare than it saves. */
const PREPARED_BYTES_MAX = 32 * 1024;

export class Epochs {
  readonly keystore: Keystore;
  readonly keys: SlotKeys;
  readonly spare: SpareLeaves;
  /** Slots ordered to die: refused from the first moment of their epoch on. */
  readonly dying = new Set<Slot>();
  readonly holders: Set<DerivedHolder>;
  readonly caches = new Set<() => void>();
  readonly #options: KeyringOptions;
  readonly #steps: EpochSteps;
  /** Requests that are not destroyed yet, by id. */
  readonly #pending: Map<string, PunctureRequest>;
  readonly #fileBytes = new Map<string, number>();
  #current: { epoch: number; fileName: string };
  #seenEpoch: number;
  #isRestoring: boolean;
  readonly #abandoned: readonly string[];
  #fullAtMs: number;
  #prepared: PreparedEpoch | null = null;
  #ahead: EpochAhead | null = null;
  #stopped: StrongroomError | null = null;

  constructor(parts: KeyringParts) {
    this.keystore = parts.keystore;
    this.keys = new SlotKeys(parts.tree);
    this.spare = new SpareLeaves(parts.tree, parts.leaves);
    this.holders = new Set(parts.options.derived);
    this.#options = parts.options;
    this.#steps = { ...soundSteps, ...parts.options.steps };
    this.#pending = new Map(parts.pending.map((request) => [request.id, request]));
    this.#current = { epoch: parts.epoch, fileName: parts.fileName };
    this.#seenEpoch = parts.seenEpoch;
    this.#isRestoring = parts.isRestoring;
    if (parts.isRestoring)
      for (const { slots } of parts.pending) for (const slot of slots) this.dying.add(slot);
    this.#abandoned = parts.abandoned;
    this.#fullAtMs = parts.options.environment.clock.now();
  }

  get environment(): Environment {
    return this.#options.environment;
  }

  get journal(): KeyJournal {
    return this.#options.journal;
  }

  get current(): { readonly epoch: number; readonly fileName: string } {
    return this.#current;
  }

  get isRestoring(): boolean {
    return this.#isRestoring;
  }

  get fullAtMs(): number {
    return this.#fullAtMs;
  }

  /** Throws once the keyring has stopped. */
  check(): void {
    if (this.#stopped !== null) throw this.#stopped;
  }

  reach(): Promise<Reach> {
    return this.keystore.reach(this.#current);
  }

  /** An epoch is about to be asked for, and nothing runs: it is begun in memory while its request becomes durable. */
  lookAhead(slots: readonly Slot[]): void {
    if (this.#ahead?.isFresh === true) return this.#ahead.add(slots);
    this.forgetAhead();
    this.#ahead = new EpochAhead(slots, {
      reach: () => this.reach(),
      plan: (dead) => this.#planAhead(dead),
      now: () => this.environment.clock.now(),
    });
  }

  /** Something is about to run that may change replicas, or what was to be asked for is not. */
  forgetAhead(): void {
    this.#ahead?.drop();
    this.#ahead = null;
  }

  #takeAhead(): EpochAhead | null {
    const ahead = this.#ahead;
    this.#ahead = null;
    if (ahead?.isFresh === true) return ahead;
    ahead?.drop();
    return null;
  }

  async #planAhead(slots: ReadonlySet<Slot>): Promise<PlannedAhead> {
    this.check();
    const before = this.keys.tree;
    const dead = [...slots, ...(await this.#derivedFrom(slots))];
    const wanted = this.#wanted({ requests: [] }, dead, ALL_CURRENT);
    const order = { ...wanted, puncture: punctureOf(dead) };
    return {
      plan: await planEpoch(before, order, this.environment.random, this.#steps),
      before,
      slots: dead,
    };
  }

  /** The replicas at hand; throws `store.unavailable` where there is none. */
  async reachAny(): Promise<Reach> {
    const reach = await this.reach();
    if (reach.targets.length > 0) return reach;
    throw new StrongroomError('store.unavailable', 'no replica of the keystore can be reached');
  }

  isEnough(reach: Reach): boolean {
    return reach.targets.length >= Math.max(1, this.#options.replicasRequired ?? 1);
  }

  get unusedDie(): boolean {
    return this.#options.unusedDie === true;
  }

  get hasPending(): boolean {
    return this.#pending.size > 0;
  }

  /** Requests of which a slot is still alive. */
  undone(): readonly PunctureRequest[] {
    const isDead = this.keys.deadAmong();
    return [...this.#pending.values()].filter(({ slots }) => !slots.every(isDead));
  }

  addPending(requests: readonly PunctureRequest[]): void {
    for (const request of requests) this.#pending.set(request.id, request);
  }

  /** Refuses slots before their epoch; the answer takes back those that nobody had refused before. */
  refuse(slots: readonly Slot[]): () => void {
    const added: Slot[] = [];
    // Of a few, looking through their pages would cost more than asking for each.
    const isDead = slots.length > FEW_SLOTS ? this.keys.deadAmong() : (slot: Slot) => this.keys.isDead(slot);
    this.#refuse(
      slots.filter((slot) => !isDead(slot)),
      added,
    );
    return () => {
      for (const slot of added) this.dying.delete(slot);
      this.forgetAhead();
    };
  }

  async run(order: EpochOrder): Promise<PunctureOutcome> {
    this.check();
    const { fault } = this.environment;
    fault('epoch.reach');
    const ahead = this.#takeAhead();
    const reach = await (ahead?.reach ?? this.reach());
    if (!this.isEnough(reach)) return this.#accept(order, reach);
    this.addPending(order.requests);
    const { plan, along } = await this.#plan(order, reach, ahead);
    return this.orStop(async () => {
      if (order.restore !== undefined) await this.#announceRestore(plan, order.restore.generation, reach);
      await this.#syncSides(reach);
      if (order.turnsSides === true) await this.#turnSides(reach);
      const write = { plan, targets: reach.targets, requests: order.requests, along };
      await writeEpoch(write, this.journal, fault);
      await wipeOlderRoots(write, this.#steps, fault);
      this.#adopt(plan);
      fault('epoch.reopen');
      await allDone(reach.targets.map(({ replica }) => this.#steps.reopen(replica, plan)));
      plan.root.fill(0);
      const outcome = await this.#complete(order, plan, reach);
      order.onDone?.(outcome);
      await this.#settle(plan, reach, order);
      return outcome;
    });
  }

  /** Too few replicas: the slots are kept beside the roots that can be reached, and hidden in the database. */
  async #accept(order: EpochOrder, reach: Reach): Promise<PunctureOutcome> {
    const { missing } = reach;
    // Whatever becomes of this call, the next epoch does what was asked.
    this.addPending(order.requests);
    if (reach.targets.length === 0 || this.#isRestoring) {
      throw new StrongroomError('store.unavailable', 'too few replicas of the keystore can be reached');
    }
    const known = new Set(
      this.keystore.intents.records.flatMap((record) => (record.kind === 'puncture' ? [record.id] : [])),
    );
    const requests = order.requests.filter(({ id }) => !known.has(id));
    if (requests.length === 0) return { epoch: null, state: 'hidden', confirmed: [], missing };
    for (const { slots } of requests) for (const slot of slots) this.dying.add(slot);
    this.#forgetCaches();
    const records = requests.map(({ id, slots, reason }): IntentRecord => ({
      kind: 'puncture',
      id,
      slots: [...slots],
      reason,
    }));
    await this.orStop(async () => {
      this.environment.fault('epoch.intents');
      await this.writeIntents(withIntents(this.keystore.intents, records), reach);
      this.environment.fault('epoch.accept');
      await this.journal.accept(requests);
    });
    return { epoch: null, state: 'hidden', confirmed: [], missing };
  }

  /** Step 1. */
  async #plan(
    order: EpochOrder,
    reach: Reach,
    ahead: EpochAhead | null,
  ): Promise<{ plan: EpochPlan; along: readonly Slot[] }> {
    const requested = new Set(order.requests.flatMap(({ slots }) => slots));
    const added: Slot[] = [];
    try {
      this.#refuse(requested, added);
      const along = await this.#derivedFrom(requested);
      this.#refuse(along, added);
      if (order.unused !== undefined) this.spare.clear();
      const wanted = this.#wanted(order, [...requested, ...along], reach);
      this.#seenEpoch = wanted.epoch;
      this.environment.fault('epoch.plan');
      const { tree } = this.keys;
      const plan =
        (await ahead?.planFor(wanted, tree)) ??
        (await planEpoch(
          tree,
          { ...wanted, puncture: this.#punctures(order, wanted.slots) },
          this.environment.random,
          this.#steps,
        ));
      return { plan, along };
    } catch (error) {
      // Nothing was written: the slots live on.
      for (const slot of added) this.dying.delete(slot);
      throw error;
    }
  }

  #wanted(order: EpochOrder, slots: readonly Slot[], reach: Reach): Wanted {
    return {
      slots,
      isPlain: order.unused === undefined && order.turnsSides !== true,
      epoch: Math.max(this.#seenEpoch, reach.seenEpoch, this.#current.epoch) + 1,
      allot: this.spare.wanted(),
      lost: order.lost ?? 0,
      full: order.isFull === true || this.#hasGarbage() || reach.targets.some(({ isCurrent }) => !isCurrent),
      prepared: this.#prepared,
    };
  }

  #refuse(slots: Iterable<Slot>, added: Slot[]): void {
    for (const slot of slots) {
      if (this.dying.has(slot)) continue;
      this.dying.add(slot);
      added.push(slot);
    }
    this.#forgetCaches();
  }

  /** Slots of derived state that must die along, until nobody names another. */
  async #derivedFrom(requested: ReadonlySet<Slot>): Promise<Slot[]> {
    if (requested.size === 0) return [];
    const dead = new Set(requested);
    for (let before = -1; before !== dead.size;) {
      before = dead.size;
      for (const holder of this.holders) for (const slot of await holder(dead)) dead.add(slot);
    }
    return [...dead].filter((slot) => !requested.has(slot));
  }

  #punctures(order: EpochOrder, slots: readonly Slot[]): ReadonlyMap<number, DeadIndexes> {
    const own = order.turnsSides === true ? Object.values(sideSlots(this.sideGeneration)) : [];
    const puncture = punctureOf([...slots, ...own]);
    return order.unused === undefined ? puncture : punctureUnknown(this.keys.tree, order.unused, puncture);
  }

  /** More than twice the state and a mebibyte lies in files that the tree still refers to. */
  #hasGarbage(): boolean {
    let held = 0;
    let live = 0;
    for (const [file, bytes] of this.keys.tree.liveBytes) {
      live += bytes;
      held += this.#fileBytes.get(file) ?? bytes;
    }
    return held > 2 * live + GARBAGE_BYTES;
  }

  /** Before the root of a restore's epoch exists anywhere, the intents say what it will be. */
  async #announceRestore(plan: EpochPlan, generation: number, reach: Reach): Promise<void> {
    this.environment.fault('restore.intent');
    const abandoned = this.#abandoned.map((file) => ({ kind: 'abandoned', file }) as const);
    const begun = { kind: 'restore', epoch: plan.order.epoch, file: plan.fileName, generation } as const;
    await this.writeIntents(withIntents(this.keystore.intents, [...abandoned, begun]), reach);
  }

  /** Both files lie under the next keys, in every replica, before the root exists without which the old keys are gone. */
  async #turnSides(reach: Reach): Promise<void> {
    this.environment.fault('epoch.sides');
    await this.keystore.resealSides(this.#sideKeys(), this.sideGeneration + 1, reach.targets);
  }

  /** A replica that was away has missed what was written beside the root. */
  async #syncSides(reach: Reach): Promise<void> {
    if (reach.targets.every(({ isCurrent }) => isCurrent)) return;
    this.environment.fault('epoch.intents');
    await this.writeIntents(this.keystore.intents, reach);
  }

  /** Barrier 2 is past: the old root is gone, and so is what it derived. */
  #adopt(plan: EpochPlan): void {
    this.keys.replace(plan.tree);
    this.#forgetCaches();
    for (const secret of plan.retired) secret.fill(0);
    this.#current = { epoch: plan.order.epoch, fileName: plan.fileName };
    this.#prepared?.root.fill(0);
    this.#prepared = null;
    this.#fileBytes.set(plan.fileName, plan.file.length);
    for (const file of this.#fileBytes.keys())
      if (!plan.tree.liveBytes.has(file)) this.#fileBytes.delete(file);
    if (plan.order.full) this.#fullAtMs = this.environment.clock.now();
  }

  /** Step 5. */
  async #complete(order: EpochOrder, plan: EpochPlan, reach: Reach): Promise<PunctureOutcome> {
    const confirmed = reach.targets.map(({ replica }) => replica.name);
    const { missing } = reach;
    const isDone = missing.length === 0;
    const isDead = this.keys.deadAmong();
    const destroyed = isDone ? [...this.#pending.values()].filter(({ slots }) => slots.every(isDead)) : [];
    const restored = order.restore?.generation ?? order.restored ?? null;
    this.environment.fault('epoch.complete');
    const { epoch } = plan.order;
    await this.journal.complete(epoch, {
      confirmed,
      missing,
      destroyed: destroyed.map(({ id }) => id),
      restored,
      isTailDead: order.unused !== undefined,
    });
    for (const { id } of destroyed) this.#pending.delete(id);
    for (const slot of this.dying) if (isDead(slot)) this.dying.delete(slot);
    this.spare.add(plan.tree.leafCount - plan.order.allot, plan.tree.leafCount);
    if (order.restore !== undefined) this.#isRestoring = false;
    return { epoch, state: isDone ? 'destroyed' : 'hidden', confirmed, missing };
  }

  /** What lies beside the root, and step 6. */
  async #settle(plan: EpochPlan, reach: Reach, order: EpochOrder): Promise<void> {
    const { fault } = this.environment;
    const generation = order.restore?.generation ?? order.restored ?? null;
    fault('epoch.witness');
    await this.writeWitness(reach, generation === null ? {} : { generation });
    if (reach.missing.length > 0) return;
    const settled = withoutIntents(this.keystore.intents, (record) => this.#isSettled(record));
    fault('epoch.settle');
    if (settled !== this.keystore.intents) await this.writeIntents(settled, reach);
    fault('epoch.collect');
    await collectFiles(plan.tree, reach.targets);
    fault('epoch.prepare');
    await this.#prepare(plan, reach);
  }

  /** The next epoch's file, while nobody waits for it. Nothing but its name and its length is known of that epoch. */
  async #prepare({ neededBytes }: EpochPlan, { targets }: Reach): Promise<void> {
    const expected = Math.ceil(neededBytes / BLOCK_BYTES + 1) * BLOCK_BYTES;
    const bytes = expected > PREPARED_BYTES_MAX ? BLOCK_BYTES : expected;
    const root = this.environment.random(ROOT_BYTES);
    this.#prepared = { root, fileName: fileNameOf(root), bytes };
    const { fileName } = this.#prepared;
    await allDone(targets.map(({ replica }) => replica.preparePages(fileName, bytes)));
  }

  /** Every configured replica holds this epoch only: what the record warns of cannot come back. */
  #isSettled(record: IntentRecord): boolean {
    if (record.kind === 'puncture') return record.slots.every((slot) => this.keys.isDead(slot));
    if (record.kind === 'restore') return record.generation <= this.keystore.witness.generation;
    return record.kind === 'abandoned';
  }

  writeIntents(intents: Intents, reach: Reach): Promise<void> {
    return this.orStop(() => this.keystore.writeIntents(intents, this.#sideKeys(), reach.targets));
  }

  /**
   * Whether the ledger still goes on from what the keystore has seen of it: throws `store.older` if not, and before the
   * witness is written anew, or an older store put under a running process would become what was seen.
   */
  requireLedger(): Promise<void> {
    return compareLedger(this.keystore.witness, this.journal);
  }

  /** The same between epochs: replaced by rename, so a full disk leaves the older witness whole and ends nothing. */
  async renewWitness(reach: Reach): Promise<void> {
    const seen = await this.#seen({});
    try {
      await this.keystore.writeWitness(seen, this.#sideKeys(), reach.targets);
    } catch (error) {
      if (isDiskError(error) && error.code === 'ENOSPC') throw error;
      await this.orStop(() => Promise.reject(error as Error));
    }
  }

  /** What the keystore has seen of the ledger, at this moment. */
  async writeWitness(
    reach: Reach,
    known: { readonly generation?: number; readonly backup?: string } = {},
  ): Promise<void> {
    const seen = await this.#seen(known);
    await this.orStop(() => this.keystore.writeWitness(seen, this.#sideKeys(), reach.targets));
  }

  async #seen(known: { readonly generation?: number; readonly backup?: string }): Promise<Witness> {
    const head = await this.journal.ledgerHead();
    const { witness, intents } = this.keystore;
    return {
      epoch: this.#current.epoch,
      intents: intents.revision,
      generation: head?.generation ?? known.generation ?? witness.generation,
      ledger: witnessedLedger(head),
      backup: known.backup ?? witness.backup,
    };
  }

  #sideKeys(): SideKeys {
    return { deployment: this.keystore.deployment, key: (slot) => this.keys.key(slot) };
  }

  /** Under which of the keystore's own keys the side files lie. */
  get sideGeneration(): number {
    return sideGeneration(this.#sideKeys());
  }

  /** Runs what writes to the keystore: an error stops the keyring and ends the process. */
  async orStop<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (this.#stopped === null) {
        const detail = 'the keyring has stopped after an error in writing';
        this.stop(new StrongroomError('keyring.damaged', { detail, cause: error }));
        this.#options.onFatal(error);
      }
      throw error;
    }
  }

  /** Forgets every key; from now on everything is refused. */
  stop(reason: StrongroomError): void {
    this.#stopped ??= reason;
    this.#forgetCaches();
    this.keys.clear();
  }

  #forgetCaches(): void {
    for (const clear of this.caches) clear();
    this.keys.clear();
  }
}
