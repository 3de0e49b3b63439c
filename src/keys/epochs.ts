/**
 * The state that epochs change, and the one operation that changes it.
 *
 * An epoch goes through these: what must die is refused at once (dying-slots.ts), the next tree is made in memory (plan.ts), what
 * lies beside the roots is written (side-files.ts), then pages and roots, older roots are wiped, all of it is read back (epoch.ts),
 * and the database is told. Up to the first write an error leaves everything as it was; from then on it ends the keyring
 * (halt.ts). Whoever calls makes sure that nothing here runs twice at a time.
 */
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { allDone } from './disk.ts';
import { DyingSlots } from './dying-slots.ts';
import { collectFiles, soundSteps, wipeOlderRoots, writeEpoch, type EpochSteps } from './epoch.ts';
import { EpochAhead, type PlannedAhead, type Wanted } from './epoch-ahead.ts';
import { fileNameOf, ROOT_BYTES } from './epoch-file.ts';
import { punctureOf, punctureUnknown, type EpochOrder } from './epoch-order.ts';
import { Halt } from './halt.ts';
import { withIntents, withoutIntents, type IntentRecord } from './intents.ts';
import type { KeyJournal, PunctureRequest } from './key-journal.ts';
import type { KeyringOptions, KeyringParts, PunctureOutcome } from './keyring-parts.ts';
import type { Keystore, Reach } from './keystore.ts';
import type { DeadIndexes } from './leaf.ts';
import { planEpoch, type EpochPlan, type PreparedEpoch } from './plan.ts';
import { BLOCK_BYTES } from './root-file.ts';
import { SideFiles } from './side-files.ts';
import { SlotKeys } from './slot-keys.ts';
import type { Slot } from './slot.ts';
import { SpareLeaves } from './spare-leaves.ts';

/** What the replicas answer when nothing is wrong with them. */
const ALL_CURRENT: Reach = { targets: [], missing: [], seenEpoch: 0 };
const GARBAGE_BYTES = 1024 * 1024;
/** Most epochs change a leaf and the pages above it. A longer file would cost more to prepare than it saves. */
const PREPARED_BYTES_MAX = 32 * 1024;

export class Epochs {
  readonly keystore: Keystore;
  readonly keys: SlotKeys;
  readonly spare: SpareLeaves;
  /** Slots ordered to die: refused from the first moment of their epoch on. */
  readonly dying: DyingSlots;
  readonly halt: Halt;
  readonly sides: SideFiles;
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

  constructor(parts: KeyringParts) {
    this.keystore = parts.keystore;
    this.keys = new SlotKeys(parts.tree);
    this.spare = new SpareLeaves(parts.tree, parts.leaves);
    const { journal, environment, derived, onFatal } = parts.options;
    this.dying = new DyingSlots(this.keys, derived);
    this.halt = new Halt({ forget: () => this.dying.forgetKeys(), onFatal });
    const { keystore, keys, halt } = this;
    this.sides = new SideFiles({
      keystore,
      keys,
      journal,
      environment,
      halt,
      epoch: () => this.#current.epoch,
    });
    this.#options = parts.options;
    this.#steps = { ...soundSteps, ...parts.options.steps };
    this.#pending = new Map(parts.pending.map((request) => [request.id, request]));
    this.#current = { epoch: parts.epoch, fileName: parts.fileName };
    this.#seenEpoch = parts.seenEpoch;
    this.#isRestoring = parts.isRestoring;
    if (parts.isRestoring) for (const { slots } of parts.pending) this.dying.refuse(slots);
    this.#abandoned = parts.abandoned;
    this.#fullAtMs = environment.clock.now();
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
    this.halt.check();
    const before = this.keys.tree;
    const dead = [...slots, ...(await this.dying.derivedFrom(slots))];
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
    const takeBack = this.dying.refuseLiving(slots);
    return () => {
      takeBack();
      this.forgetAhead();
    };
  }

  async run(order: EpochOrder): Promise<PunctureOutcome> {
    this.halt.check();
    const { fault } = this.environment;
    fault('epoch.reach');
    const ahead = this.#takeAhead();
    const reach = await (ahead?.reach ?? this.reach());
    if (!this.isEnough(reach)) return this.#accept(order, reach);
    this.addPending(order.requests);
    const { plan, along } = await this.#plan(order, reach, ahead);
    return this.halt.orStop(async () => {
      await this.#writeSides(order, plan, reach);
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

  /** What must lie beside the roots before the new one exists. */
  async #writeSides(order: EpochOrder, plan: EpochPlan, reach: Reach): Promise<void> {
    const abandoned = this.#abandoned;
    if (order.restore !== undefined)
      await this.sides.announceRestore(plan, { generation: order.restore.generation, abandoned, reach });
    await this.sides.catchUp(reach);
    if (order.turnsSides === true) await this.sides.turn(reach);
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
    for (const { slots } of requests) this.dying.refuse(slots);
    const records = requests.map(({ id, slots, reason }): IntentRecord => ({
      kind: 'puncture',
      id,
      slots: [...slots],
      reason,
    }));
    await this.halt.orStop(async () => {
      this.environment.fault('epoch.intents');
      await this.sides.writeIntents(withIntents(this.keystore.intents, records), reach);
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
    const takeBack = [this.dying.refuse(requested)];
    try {
      const along = await this.dying.derivedFrom(requested);
      takeBack.push(this.dying.refuse(along));
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
      for (const back of takeBack) back();
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

  #punctures(order: EpochOrder, slots: readonly Slot[]): ReadonlyMap<number, DeadIndexes> {
    const own = order.turnsSides === true ? this.sides.slots : [];
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

  /** Barrier 2 is past: the old root is gone, and so is what it derived. */
  #adopt(plan: EpochPlan): void {
    this.keys.replace(plan.tree);
    this.dying.forgetKeys();
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
    this.dying.settle(isDead);
    this.spare.add(plan.tree.leafCount - plan.order.allot, plan.tree.leafCount);
    if (order.restore !== undefined) this.#isRestoring = false;
    return { epoch, state: isDone ? 'destroyed' : 'hidden', confirmed, missing };
  }

  /** What lies beside the root, and step 6. */
  async #settle(plan: EpochPlan, reach: Reach, order: EpochOrder): Promise<void> {
    const { fault } = this.environment;
    const generation = order.restore?.generation ?? order.restored ?? null;
    fault('epoch.witness');
    await this.sides.writeWitness(reach, generation === null ? {} : { generation });
    if (reach.missing.length > 0) return;
    const settled = withoutIntents(this.keystore.intents, (record) => this.#isSettled(record));
    fault('epoch.settle');
    if (settled !== this.keystore.intents) await this.sides.writeIntents(settled, reach);
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
}
