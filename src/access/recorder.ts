/**
 * The book-keeping of every action: nothing is done, shown or refused to a known principal without its entry.
 *
 * A write hands its entry over together with its result, so that it cannot be forgotten, and both become durable in
 * one commit. What was only read or refused is written down before the answer leaves.
 */
import type { Ledger } from '../ledger/ledger.ts';
import type { SealedDetails } from '../ledger/details.ts';
import type { EntryDraft, Facts } from '../ledger/entry.ts';
import type { Action } from '../ledger/actions.ts';
import type { ErrorCode } from '../errors.ts';
import type { Slot } from '../keys/slot.ts';
import type { Store, Tx } from '../store/store.ts';
import type { RequestContext } from './context.ts';

/** What was done: the part of a ledger entry that the context does not know. */
export interface Deed {
  readonly action: Action;
  /** Id of what it was done on; empty where there is none. */
  readonly target: string;
  /** Further ids: the memories of a batch, the people they are about. */
  readonly targets?: readonly string[];
  readonly outcome?: EntryDraft['outcome'];
  readonly code?: ErrorCode;
  readonly count?: number;
  /** Content-free words and numbers. */
  readonly facts?: Facts;
  /** What the caller typed beside the purpose: sealed like it. */
  readonly details?: { readonly [name: string]: string };
  /** People whose erasure takes the free text of the entry along. */
  readonly subjects?: readonly Slot[];
}

/** Keeps what a repeated request is answered from, in the transaction of the write itself. */
export interface Claims {
  keep(tx: Tx, context: RequestContext, deed: Deed): Promise<void>;
}

export interface Done<T> {
  readonly result: T;
  readonly deed: Deed;
}

export class Recorder {
  readonly #store: Store;
  readonly #ledger: Ledger;
  readonly #claims: Claims;

  constructor(store: Store, ledger: Ledger, claims: Claims) {
    this.#store = store;
    this.#ledger = ledger;
    this.#claims = claims;
  }

  /** Runs `work` in one durable transaction with the entry of what it did; resolves after the commit. */
  async write<T>(context: RequestContext, work: (tx: Tx) => Promise<Done<T>>): Promise<T> {
    const result = await this.#store.write(context.organization, async (tx) => {
      const done = await work(tx);
      this.#ledger.append(tx, draftOf(context, done.deed));
      await this.#claims.keep(tx, context, done.deed);
      return done.result;
    });
    context.recorded = true;
    return result;
  }

  /** Makes the entry of a read or a refusal durable. */
  record(context: RequestContext, deed: Deed): Promise<void> {
    return this.#record(context, draftOf(context, deed));
  }

  /** Seals the entry of a read that is under way; what it answers makes it durable, with how many there were. */
  prepare(context: RequestContext, deed: Deed): (count: number) => Promise<void> {
    const draft = draftOf(context, deed);
    const sealed = this.#ledger.seal(context.organization, draft);
    return (count) => this.#record(context, { ...draft, count }, sealed);
  }

  async #record(context: RequestContext, draft: EntryDraft, sealed?: SealedDetails | null): Promise<void> {
    await this.#store.write(context.organization, (tx) => {
      this.#ledger.append(tx, draft, sealed);
      return Promise.resolve();
    });
    context.recorded = true;
  }
}

function draftOf(context: RequestContext, deed: Deed): EntryDraft {
  const { principal, purpose, address } = context;
  const subjects = (deed.subjects ?? []).map((slot) => ['subject', slot] as const);
  return {
    principal: principal.id,
    action: deed.action,
    target: deed.target,
    outcome: deed.outcome ?? 'done',
    request: context.requestId,
    scope: [...principal.scope, ...subjects],
    ...(deed.targets === undefined ? {} : { targets: deed.targets }),
    ...(deed.code === undefined ? {} : { code: deed.code }),
    ...(deed.count === undefined ? {} : { count: deed.count }),
    ...(deed.facts === undefined ? {} : { facts: deed.facts }),
    details: {
      ...deed.details,
      ...(purpose === null ? {} : { purpose }),
      ...(address === null ? {} : { address }),
    },
  };
}
