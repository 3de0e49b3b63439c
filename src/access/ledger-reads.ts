/** The ledger of an organization as its members read it. Reading it is an action of its own, with its own entry. */
import type {
  LedgerCheckpoint,
  LedgerConsistency,
  LedgerEntry as EntryView,
  LedgerKeys,
  LedgerPage,
  LedgerProof,
  LedgerQuery,
} from '@strongroom/client';
import { encodeBase64, encodeHex } from '../bytes/encoding.ts';
import type { OrganizationId, SubjectId } from '../ids.ts';
import { StrongroomError } from '../errors.ts';
import { isAction, type Action } from '../ledger/actions.ts';
import { encodeLeaf, type Details, type LedgerEntry } from '../ledger/entry.ts';
import { exportJsonLines } from '../ledger/export.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { leafHash } from '../ledger/merkle.ts';
import { encodeVkey, verifierKey } from '../ledger/note.ts';
import { keyView } from '../ledger/signers.ts';
import type { Access } from './access.ts';
import type { RequestContext } from './context.ts';
import type { Cursors, ListBinding } from './cursors.ts';
import type { Recorder } from './recorder.ts';

export interface LedgerReadsParts {
  readonly ledger: Ledger;
  readonly access: Access;
  readonly recorder: Recorder;
  readonly cursors: Cursors;
  /** The id of the person the caller knows by that name, or null. */
  readonly subjectOf: (organization: OrganizationId, name: string) => Promise<SubjectId | null>;
}

export class LedgerReads {
  readonly #parts: LedgerReadsParts;

  constructor(parts: LedgerReadsParts) {
    this.#parts = parts;
  }

  /** Entries that fit the query, newest first. */
  async listEntries(context: RequestContext, query: LedgerQuery & { limit: number }): Promise<LedgerPage> {
    const { access, cursors, recorder } = this.#parts;
    access.require(context, 'ledger.read', null);
    const { cursor, limit, ...looked } = query;
    const binding: ListBinding = {
      organization: context.organization,
      list: 'ledger',
      query: Object.entries(looked).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    };
    const before = cursors.open(binding, cursor);
    const page = await this.#find(context.organization, query, before === null ? undefined : Number(before));
    await recorder.record(context, {
      action: 'ledger.read',
      target: context.organization,
      count: page.entries.length,
    });
    return {
      entries: page.entries,
      next: page.next === null ? null : cursors.seal(binding, String(page.next)),
    };
  }

  async checkpoint(context: RequestContext): Promise<LedgerCheckpoint> {
    const { access, ledger, recorder } = this.#parts;
    access.require(context, 'ledger.checkpoint', null);
    // Its own entry first, so that the checkpoint covers it.
    await recorder.record(context, { action: 'ledger.checkpoint', target: context.organization });
    const { log, size, root, note, vkey } = await ledger.checkpoint(context.organization);
    return { log, size, rootHash: encodeHex(root), note, verifierKey: vkey };
  }

  /** Every key that has signed the log, oldest first. */
  async verifierKeys(context: RequestContext): Promise<LedgerKeys> {
    const { access, ledger, recorder } = this.#parts;
    access.require(context, 'ledger.keys', null);
    const log = context.organization;
    await recorder.record(context, { action: 'ledger.keys', target: log });
    return {
      log,
      keys: ledger.keys.map((key) =>
        keyView(key, encodeVkey(verifierKey(ledger.originOf(log), key.publicKey))),
      ),
    };
  }

  /** That entry `n` is in the tree of `size` entries, or of today's. */
  async proof(context: RequestContext, n: number, size: number | null): Promise<LedgerProof> {
    const { access, ledger, recorder } = this.#parts;
    access.require(context, 'ledger.proof', null);
    const proof = await ledger.proof(context.organization, n, size ?? undefined);
    await recorder.record(context, { action: 'ledger.proof', target: context.organization });
    return {
      n: proof.n,
      size: proof.size,
      leafHash: encodeHex(proof.leafHash),
      rootHash: encodeHex(proof.root),
      path: proof.path.map(encodeHex),
      proof: proof.text,
    };
  }

  /** That the log of `from` entries is the beginning of that of `size` entries, or of today's. */
  async consistency(context: RequestContext, from: number, size: number | null): Promise<LedgerConsistency> {
    const { access, ledger, recorder } = this.#parts;
    access.require(context, 'ledger.proof', null);
    const proof = await ledger.growthProof(context.organization, from, size ?? undefined);
    await recorder.record(context, { action: 'ledger.proof', target: context.organization });
    return {
      from: proof.from,
      size: proof.size,
      fromRootHash: encodeHex(proof.fromRoot),
      rootHash: encodeHex(proof.root),
      path: proof.path.map(encodeHex),
      proof: proof.text,
    };
  }

  /** Lines of the ledger's export format; the entry of the export is durable before the first. */
  async *exportLedger(context: RequestContext): AsyncGenerator<string> {
    const { access, ledger, recorder } = this.#parts;
    access.require(context, 'ledger.export', null);
    await recorder.record(context, { action: 'ledger.export', target: context.organization });
    yield* exportJsonLines(await ledger.contents(context.organization));
  }

  async #find(
    organization: OrganizationId,
    query: LedgerQuery & { limit: number },
    before: number | undefined,
  ): Promise<{ entries: EntryView[]; next: number | null }> {
    const { ledger } = this.#parts;
    const none = { entries: [], next: null };
    const subject =
      query.subject === undefined ? null : await this.#parts.subjectOf(organization, query.subject);
    if (query.subject !== undefined && subject === null) return none;
    if (subject !== null && query.target !== undefined && query.target !== subject) return none;
    const page = await ledger.entries(organization, {
      principal: query.principal,
      action: actionOf(query.action),
      target: subject ?? query.target,
      since: timeOf(query.after),
      until: timeOf(query.before),
      before,
      limit: query.limit,
    });
    const entries: EntryView[] = [];
    for (const entry of page.entries) entries.push(entryView(entry, await ledger.details(entry)));
    return { entries, next: page.next };
  }
}

function entryView(entry: LedgerEntry, details: Details | null): EntryView {
  const leaf = encodeLeaf(entry, entry.log, entry.n);
  return {
    n: entry.n,
    at: new Date(entry.at).toISOString(),
    principal: entry.principal,
    action: entry.action,
    target: entry.target,
    ...(entry.targets === undefined ? {} : { targets: [...entry.targets] }),
    outcome: entry.outcome,
    ...(entry.code === undefined ? {} : { code: entry.code }),
    ...(entry.count === undefined ? {} : { count: entry.count }),
    request: entry.request,
    ...(details?.['purpose'] === undefined ? {} : { purpose: details['purpose'] }),
    ...(details?.['address'] === undefined ? {} : { address: details['address'] }),
    leaf: encodeBase64(leaf),
    leafHash: encodeHex(leafHash(leaf)),
  };
}

function actionOf(action: string | undefined): Action | undefined {
  if (action === undefined || isAction(action)) return action;
  throw new StrongroomError('request.invalid', {
    detail: 'action: not in the catalogue',
    faults: [{ path: '/action', message: 'not in the catalogue of actions' }],
  });
}

const timeOf = (text: string | undefined): number | undefined =>
  text === undefined ? undefined : Date.parse(text);
