/**
 * Search workers, and the vaults open on them. A vault lives on one worker.
 *
 * What a worker holds is lost when it ends. The pool starts another, and each of its vaults is filled anew by the
 * function it was opened with; calls wait meanwhile. So an index is never searched half full: it is filled, or its calls
 * reject with `search.unavailable`.
 */
import { StrongroomError } from '../errors.ts';
import { packRecords, type Operation, type Operations } from './protocol.ts';
import type {
  Forgotten,
  Fill,
  Hit,
  IndexedRecord,
  IndexFiller,
  LoadedSegment,
  SearchPool,
  SearchRequest,
  Segment,
  VaultIndex,
  VaultSettings,
  VaultStats,
  WrittenHits,
} from './types.ts';
import { spawnSearchWorker, WorkerLink, type SpawnWorker } from './worker-link.ts';

/** A vault whose filling ends its worker this often in a row is left alone until it is opened again. */
const FILLS_FAILED_MAX = 3;

export interface SearchPoolOptions {
  readonly workers: number;
  /** For vaults that do not set their own. */
  readonly recall?: number | undefined;
  /** Told when a worker ended by itself; for the log. */
  readonly onLost?: (cause: unknown) => void;
  readonly spawn?: SpawnWorker;
}

export const createSearchPool = (options: SearchPoolOptions): SearchPool => new Pool(options);

class Pool implements SearchPool {
  readonly #spawn: SpawnWorker;
  readonly #onLost: (cause: unknown) => void;
  readonly #recall: number | undefined;
  /** The vaults on each worker. */
  readonly #links = new Map<WorkerLink, Set<OpenVault>>();
  readonly #vaults = new Map<string, OpenVault>();
  #isClosed = false;

  constructor({ workers, recall, onLost = () => undefined, spawn = spawnSearchWorker }: SearchPoolOptions) {
    if (!Number.isInteger(workers) || workers < 1)
      throw new RangeError(`not a number of workers: ${workers}`);
    this.#spawn = spawn;
    this.#onLost = onLost;
    this.#recall = recall;
    for (let i = 0; i < workers; i++) this.#start();
  }

  async open(own: VaultSettings, fill?: Fill): Promise<VaultIndex> {
    const settings = this.#recall === undefined ? own : { recall: this.#recall, ...own };
    if (this.#isClosed) throw new StrongroomError('search.unavailable', 'search was closed');
    if (this.#vaults.has(settings.id)) throw new RangeError(`vault ${settings.id} is open already`);
    const [link, vaults] = this.#emptiest();
    const vault = new OpenVault(settings, fill, link, () => this.#forget(vault));
    this.#vaults.set(settings.id, vault);
    vaults.add(vault);
    try {
      await vault.opened();
    } catch (error) {
      await vault.close();
      throw error;
    }
    return vault;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const vault of this.#vaults.values()) vault.abandon();
    this.#vaults.clear();
    await Promise.all([...this.#links.keys()].map((link) => link.close()));
    this.#links.clear();
  }

  #start(): [WorkerLink, Set<OpenVault>] {
    const link = new WorkerLink(this.#spawn, (lost, cause) => this.#replace(lost, cause));
    const vaults = new Set<OpenVault>();
    this.#links.set(link, vaults);
    return [link, vaults];
  }

  #replace(lost: WorkerLink, cause: unknown): void {
    const moving = this.#links.get(lost) ?? [];
    this.#links.delete(lost);
    if (this.#isClosed) return;
    this.#onLost(cause);
    const [link, vaults] = this.#start();
    for (const vault of moving) {
      vaults.add(vault);
      vault.moveTo(link);
    }
  }

  #emptiest(): [WorkerLink, Set<OpenVault>] {
    const [first, ...others] = this.#links;
    if (first === undefined) return this.#start();
    return others.reduce((best, entry) => (entry[1].size < best[1].size ? entry : best), first);
  }

  #forget(vault: OpenVault): void {
    this.#vaults.delete(vault.vault);
    for (const vaults of this.#links.values()) vaults.delete(vault);
  }
}

class OpenVault implements VaultIndex {
  readonly vault: string;
  readonly #settings: VaultSettings;
  readonly #fill: Fill | undefined;
  readonly #onClose: () => void;
  #link: WorkerLink;
  /** Settles when the index is full; null when it is not and nobody is filling it. */
  #ready: Promise<void> | null;
  #isFull = false;
  #fillsFailed = 0;
  #isClosed = false;

  constructor(settings: VaultSettings, fill: Fill | undefined, link: WorkerLink, onClose: () => void) {
    this.vault = settings.id;
    this.#settings = settings;
    this.#fill = fill;
    this.#link = link;
    this.#onClose = onClose;
    this.#ready = this.#refill();
  }

  opened(): Promise<void> {
    return this.#ready ?? Promise.reject(lost());
  }

  /** Starts over on another worker. A vault without a function to fill it stays lost. */
  moveTo(link: WorkerLink): void {
    const wasFull = this.#isFull;
    this.#link = link;
    this.#isFull = false;
    // If filling it is what ended the worker, the next call may try again, not we by ourselves.
    this.#ready = wasFull && this.#fill !== undefined ? this.#refill() : null;
    this.#ready?.catch(() => undefined);
  }

  /** The pool closes: nothing is asked of the worker any more. */
  abandon(): void {
    this.#isClosed = true;
  }

  async add(records: readonly IndexedRecord[]): Promise<void> {
    const link = await this.#filled();
    await addTo(link, this.vault, records);
  }

  async remove(ids: readonly string[]): Promise<void> {
    await this.#ask('remove', ids);
  }

  forget(forgotten: Forgotten): Promise<readonly string[]> {
    return this.#ask('forget', forgotten);
  }

  search(request: SearchRequest): Promise<readonly Hit[]> {
    return this.#ask('search', request);
  }

  answer(request: SearchRequest): Promise<WrittenHits> {
    return this.#ask('answer', request);
  }

  stats(): Promise<VaultStats> {
    return this.#ask('stats', null);
  }

  leaves(): Promise<readonly number[]> {
    return this.#ask('leaves', null);
  }

  changedLeaves(): Promise<readonly number[]> {
    return this.#ask('changedLeaves', null);
  }

  /** In as many calls as it has steps, between which others have their turn. */
  async exportSegment(leaf: number): Promise<Segment> {
    let step = await this.#ask('beginSegment', leaf);
    while ('writing' in step) step = await this.#ask('continueSegment', step.writing);
    return step;
  }

  loadSegment(bytes: Uint8Array): Promise<LoadedSegment> {
    return this.#ask('loadSegment', bytes);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
    try {
      await this.#link.call(this.vault, 'close', null);
    } catch (error) {
      // A worker that ended has given its memory back already.
      if (!(error instanceof StrongroomError) || error.code !== 'search.unavailable') throw error;
    }
  }

  async #ask<O extends Operation>(
    operation: O,
    argument: Operations[O]['takes'],
  ): Promise<Operations[O]['answers']> {
    const link = await this.#filled();
    return link.call(this.vault, operation, argument);
  }

  /** Waits until the index is full. Calls that wait together go on in the order they came. */
  async #filled(): Promise<WorkerLink> {
    if (this.#isClosed) throw new StrongroomError('search.unavailable', 'the vault is not open');
    if (this.#ready === null) {
      if (this.#fill === undefined || this.#fillsFailed >= FILLS_FAILED_MAX) throw lost();
      this.#ready = this.#refill();
    }
    await this.#ready;
    if (this.#isClosed) throw new StrongroomError('search.unavailable', 'the vault is not open');
    return this.#link;
  }

  async #refill(): Promise<void> {
    const link = this.#link;
    try {
      await link.call(this.vault, 'open', this.#settings);
      await this.#fill?.(fillerOf(link, this.vault));
      // The worker may have ended after the last of it: what was given is lost then.
      if (link !== this.#link) throw lost();
      this.#fillsFailed = 0;
      this.#isFull = true;
    } catch (error) {
      this.#fillsFailed++;
      if (link === this.#link) this.#ready = null;
      throw error;
    }
  }
}

/** Reaches the worker without waiting for the filling that it is part of. */
const fillerOf = (link: WorkerLink, vault: string): IndexFiller => ({
  add: (records) => addTo(link, vault, records),
  remove: async (ids) => void (await link.call(vault, 'remove', ids)),
  loadSegment: (bytes) => link.call(vault, 'loadSegment', bytes),
});

async function addTo(link: WorkerLink, vault: string, records: readonly IndexedRecord[]): Promise<void> {
  if (records.length === 0) return;
  const batch = packRecords(records);
  await link.call(vault, 'add', batch, [batch.numbers.buffer, batch.lengths.buffer]);
}

const lost = (): StrongroomError =>
  new StrongroomError('search.unavailable', 'the index was lost with its worker');
