/**
 * The write path: jobs that arrive within the same moment share one durable commit (natural batching).
 *
 *     begin → for each job: savepoint, work, release (or undo) → flush deferrals → change head, commit → hooks, answers
 *
 * The savepoint is opened by a job's first statement: one that only defers, as the record of a read does, needs none.
 *
 * A group takes what has been submitted when it begins; what arrives meanwhile waits for the next. Jobs run one after
 * the other, each in its own savepoint and scope. A failed job takes back its savepoint, its deferrals and its change
 * number, which the next job gets: a reader who catches up by number meets no hole. A failed flush or commit fails
 * every job of the group. After a commit of which nobody knows whether it happened, nothing is written any more and the
 * process is ended through `onFatal`; so it is after a `Crash`, but silently.
 *
 * After a commit the files are looked at: nobody is told of one that no opening will find. The process lives on then,
 * because what it holds open may be all that is left. A change head that runs backwards ends the accepting of writes.
 *
 * Fault points: `store.begin`, `store.job`, `store.release`, `store.flush`, `store.commit`, `store.committed`.
 */
import type { Kysely } from 'kysely';
import { Crash, type FaultPoint } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { FatalStoreError, type Engine } from './connection.ts';
import { openHandle, type Handle } from './handle.ts';
import type { Database, TableName } from './schema.ts';
import type { StoreHealth } from './store.ts';
import { SYSTEM, type Deferred, type Flusher, type StoreScope, type Tx } from './transaction.ts';

/** Jobs in one commit at most, so that the first of a flood does not wait for the last. */
const GROUP_JOBS_MAX = 1000;
/** Whose groups have held one job so often in a row writes alone. */
const ALONE_GROUPS = 4;
/** Jobs waiting at most; beyond that a caller is told to come back. */
const WAITING_JOBS_MAX = 10_000;

/** Ends the process: called at most once, when it is not known what is on disk. */
export type OnFatal = (error: unknown) => void;

export interface GroupsParts {
  readonly engine: Engine;
  readonly fault: FaultPoint;
  readonly onFatal: OnFatal;
}

interface Job {
  readonly scope: StoreScope;
  readonly work: (tx: Tx) => Promise<unknown>;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: unknown) => void;
}

interface Done {
  readonly job: Job;
  readonly value: unknown;
}

/** What a job is run with. */
interface Attempt {
  readonly change: number;
  readonly epoch: number;
  readonly deferrals: Deferrals;
  readonly enter: () => void;
}

type AnyFlusher = Flusher<unknown>;
type Deferrals = Map<AnyFlusher, Deferred<unknown>[]>;

export class CommitGroups {
  readonly #parts: GroupsParts;
  #waiting: Job[] = [];
  #running: Promise<void> | null = null;
  /** Why nothing is accepted any more. */
  #ended: unknown = null;
  /** The writer is gone: not even what was accepted can be done. */
  #broken = false;
  /** Why whoever watches over the store wants no more of it. */
  #refusal: StrongroomError | null = null;
  /** Why the last group was not committed. */
  #lastFailure: string | null = null;
  #lastChange = 0;
  /** How many groups in a row have held one job, behind which nobody waited. */
  #alone = 0;
  /** The last commit that wrote to each table; what nobody knows the table of counts for all. */
  readonly #lastWrites = new Map<TableName | null, number>();
  /** Why an opening would not find the last commit. */
  #doubt: string | null = null;

  constructor(parts: GroupsParts) {
    this.#parts = parts;
  }

  submit<T>(scope: StoreScope, work: (tx: Tx) => Promise<T>): Promise<T> {
    const end = this.#ended ?? this.#refusal;
    if (end !== null) return Promise.reject(unavailable(end));
    if (this.#waiting.length >= WAITING_JOBS_MAX) return Promise.reject(new StrongroomError('busy'));
    return new Promise<T>((resolve, reject) => {
      this.#waiting.push({ scope, work, resolve: resolve as (value: unknown) => void, reject });
      this.#running ??= this.#drain();
    });
  }

  /** Whether writes can be kept, as far as the last one and a short look tell. */
  get health(): StoreHealth {
    const detail = this.#ended !== null ? 'nothing is written any more' : this.#fault();
    return detail === null ? { ok: true } : { ok: false, detail };
  }

  /** The change of the last commit that wrote to the table; 0 if none has since the store was opened. */
  lastWrite(table: TableName): number {
    return Math.max(this.#lastWrites.get(table) ?? 0, this.#lastWrites.get(null) ?? 0);
  }

  /** Accepts nothing more; the process goes on, red. */
  refuse(cause: StrongroomError): void {
    this.#refusal ??= new StrongroomError('store.unavailable', {
      detail: 'the database is not the one that was written to',
      cause,
    });
  }

  #fault(): string | null {
    if (this.#refusal !== null) return this.#refusal.message;
    return this.#parts.engine.writer.inspect() ?? this.#lastFailure;
  }

  /** Lets what was submitted come to its end; accepts nothing more. */
  async close(): Promise<void> {
    this.#ended ??= new StrongroomError('store.unavailable', 'the store is closed');
    await this.#running;
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0) {
      // Whatever else this turn of the event loop brings in joins the group.
      await turn();
      await this.#commit(this.#waiting.splice(0, GROUP_JOBS_MAX));
      await this.#settle();
    }
    this.#running = null;
  }

  async #settle(): Promise<void> {
    if (this.#broken) return;
    await turn();
    try {
      await this.#parts.engine.writer.settle();
    } catch (error) {
      this.#end([], error);
    }
  }

  async #commit(jobs: readonly Job[]): Promise<void> {
    const group = new Group(this.#parts);
    try {
      this.#requireSound();
      await group.run(jobs, this.#lastChange, () => this.#noteAlone(jobs));
    } catch (error) {
      await this.#failed(group, jobs, error);
      return;
    }
    try {
      group.committed();
    } catch (error) {
      this.#end(jobs, new FatalStoreError('a hook failed after the commit', { cause: error }));
      return;
    }
    if (group.change !== null) {
      this.#lastChange = group.change;
      for (const table of group.written) this.#lastWrites.set(table, group.change);
      this.#lastFailure = null;
    }
    const { doubt } = group;
    this.#doubt = doubt;
    for (const { job, value } of group.done)
      if (doubt === null) job.resolve(value);
      else job.reject(new StrongroomError('store.unavailable', doubt));
  }

  /** Counts the group, once its jobs are done; answers whether it and enough before it were alone. */
  #noteAlone(jobs: readonly Job[]): boolean {
    this.#alone = jobs.length === 1 && this.#waiting.length === 0 ? this.#alone + 1 : 0;
    return this.#alone > ALONE_GROUPS;
  }

  /** Once a commit was in doubt, nothing more is written before whatever was wrong is right again. */
  #requireSound(): void {
    if (this.#refusal !== null) throw this.#refusal;
    const doubt = this.#doubt === null ? null : this.#parts.engine.writer.fault();
    if (doubt !== null) throw new StrongroomError('store.unavailable', doubt);
  }

  async #failed(group: Group, jobs: readonly Job[], error: unknown): Promise<void> {
    if (isEnd(error)) return this.#end(jobs, error);
    if (error instanceof StrongroomError && error.code === 'store.older') this.refuse(error);
    this.#lastFailure = 'the last commit failed';
    try {
      await this.#parts.engine.writer.rollback();
      group.failed();
    } catch (cause) {
      return this.#end(jobs, new FatalStoreError('the group could not be taken back', { cause }));
    }
    // A job that failed by itself has been told already; telling it again changes nothing.
    for (const job of jobs) job.reject(this.#refusal ?? error);
  }

  /** Nothing more is written: what is on disk now is for the next opening to find. */
  #end(jobs: readonly Job[], error: unknown): void {
    this.#ended = error;
    this.#broken = true;
    this.#parts.engine.writer.abandon();
    for (const job of [...jobs, ...this.#waiting.splice(0)])
      job.reject(error instanceof Crash ? error : unavailable(error));
    if (!(error instanceof Crash)) this.#parts.onFatal(error);
  }
}

/** One transaction with the jobs that share it. */
class Group {
  readonly #parts: GroupsParts;
  readonly done: Done[] = [];
  /** The change head after the commit; null before, and where nothing was to be committed. */
  change: number | null = null;
  /** Tables that may have been written to; null stands for whichever. */
  readonly written = new Set<TableName | null>();
  /** Why no opening will find the commit. */
  doubt: string | null = null;
  readonly #onWrite = (table: TableName | null): void => void this.written.add(table);
  readonly #deferrals: Deferrals = new Map();

  constructor(parts: GroupsParts) {
    this.#parts = parts;
  }

  /** @param isAlone whether it seems that nobody else writes; asked once. */
  async run(jobs: readonly Job[], lastChange: number, isAlone: () => boolean): Promise<void> {
    const { engine, fault } = this.#parts;
    fault('store.begin');
    let change = await engine.writer.begin();
    if (change < lastChange)
      throw new StrongroomError('store.older', `the store is at change ${change}, and was at ${lastChange}`);
    for (const job of jobs) {
      if (await this.#attempt(job, change + 1)) change++;
    }
    if (this.done.length === 0) {
      await engine.writer.rollback();
      return;
    }
    await this.#flush(change);
    fault('store.commit');
    this.doubt = await engine.writer.commit(change, isAlone());
    this.change = change;
    fault('store.committed');
  }

  committed(): void {
    for (const [flusher, items] of this.#deferrals) flusher.committed?.(items);
  }

  failed(): void {
    dropDeferrals(this.#deferrals);
  }

  /** Runs a job in its savepoint; false if it failed and left nothing. */
  async #attempt(job: Job, change: number): Promise<boolean> {
    const { engine, fault } = this.#parts;
    fault('store.job');
    const epoch = await engine.writer.epoch();
    const deferrals: Deferrals = new Map();
    let isEntered = false;
    const enter = (): void => {
      engine.writer.enter(job.scope);
      isEntered = true;
    };
    try {
      const value = await this.#work(job, { change, epoch, deferrals, enter });
      fault('store.release');
      if (isEntered) await engine.writer.release();
      this.done.push({ job, value });
    } catch (error) {
      if (isEnd(error)) throw error;
      if (isEntered) await engine.writer.undo();
      dropDeferrals(deferrals);
      job.reject(error);
      return false;
    }
    for (const [flusher, items] of deferrals) gather(this.#deferrals, flusher).push(...items);
    return true;
  }

  async #work({ work, scope }: Job, { change, epoch, deferrals, enter }: Attempt): Promise<unknown> {
    const handle = this.#lazyHandle(scope, change, enter);
    let open = true;
    const tx: Tx = {
      get sql() {
        return handle.open().sql;
      },
      change,
      epoch,
      organization: scope,
      defer: (flusher, item) => {
        if (!open) throw new StrongroomError('internal', 'a deferral after the end of its job');
        gather(deferrals, flusher).push({ scope, change, item });
      },
    };
    try {
      const value = await work(tx);
      // A statement that failed has left the transaction unusable, whatever the job made of it.
      if (handle.failure() !== undefined) throw handle.failure();
      return value;
    } catch (error) {
      // Nor does a fault of the disk become less of one by being caught.
      const failure = handle.failure();
      throw failure instanceof FatalStoreError ? failure : error;
    } finally {
      open = false;
      handle.close();
    }
  }

  /** A handle that is made when it is first asked for; once closed, closed for ever. */
  #lazyHandle(scope: StoreScope, change: number, onFirst: () => void) {
    const { engine } = this.#parts;
    let handle: Handle | undefined;
    let isClosed = false;
    return {
      open: (): Handle => {
        const { connection } = engine.writer;
        const onWrite = this.#onWrite;
        handle ??= openHandle({ engine: engine.name, connection, scope, mode: { change }, onFirst, onWrite });
        if (isClosed) handle.close();
        return handle;
      },
      failure: (): unknown => handle?.failure,
      close: (): void => {
        isClosed = true;
        handle?.close();
      },
    };
  }

  async #flush(change: number): Promise<void> {
    if (this.#deferrals.size === 0) return;
    const { engine, fault } = this.#parts;
    await engine.writer.scope(SYSTEM);
    for (const [flusher, items] of this.#deferrals) {
      fault('store.flush');
      const handle = openHandle({
        engine: engine.name,
        connection: engine.writer.connection,
        scope: SYSTEM,
        mode: 'flush',
        onWrite: this.#onWrite,
      });
      try {
        await flusher.flush(handle.sql satisfies Kysely<Database>, items, change);
        if (handle.failure !== undefined) throw handle.failure;
      } finally {
        handle.close();
      }
    }
  }
}

function gather(deferrals: Deferrals, flusher: AnyFlusher): Deferred<unknown>[] {
  const items = deferrals.get(flusher) ?? [];
  deferrals.set(flusher, items);
  return items;
}

function dropDeferrals(deferrals: Deferrals): void {
  for (const [flusher, items] of deferrals) flusher.failed?.(items);
}

const isEnd = (error: unknown): boolean => error instanceof FatalStoreError || error instanceof Crash;

const unavailable = (cause: unknown): StrongroomError =>
  cause instanceof StrongroomError ? cause : new StrongroomError('store.unavailable', { cause });

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
