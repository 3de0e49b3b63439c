/**
 * The only door to the outside. Nothing goes through it but to the places that the configuration names, and each exchange
 * stands in the ledger of the organization it is made for: an entry before anything leaves, and one with what came of it.
 *
 * The entries are free of content: host, purpose, sizes, status, duration. If the first cannot be kept, nothing leaves; if the
 * second cannot, what was asked for fails. A process that dies in between leaves the first.
 */
import type { Clock } from '../environment.ts';
import { StrongroomError, type ErrorCode } from '../errors.ts';
import type { OrganizationId } from '../ids.ts';
import type { Action } from '../ledger/actions.ts';
import type { Facts } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Store } from '../store/store.ts';
import { Line, type Exchanged, type Outgoing, type Place, type Resolve } from './exchange.ts';
import type { Timer } from '../timer.ts';

/** On whose behalf something leaves: an exchange is never made for two. */
export interface Asker {
  readonly organization: OrganizationId;
  readonly principal: string;
  readonly request: string;
  /** The vault it is for. */
  readonly target: string;
}

export interface EgressParts {
  readonly store: Pick<Store, 'write'>;
  readonly ledger: Pick<Ledger, 'append'>;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly resolve: Resolve;
  /** The allow-list: each purpose with its place. */
  readonly places: Readonly<Partial<Record<Purpose, Place>>>;
}

export type Purpose = 'embedding';

export class Egress {
  readonly #parts: EgressParts;
  readonly #lines: ReadonlyMap<Purpose, { readonly place: Place; readonly line: Line }>;

  constructor(parts: EgressParts) {
    this.#parts = parts;
    this.#lines = new Map(
      Object.entries(parts.places).map(([purpose, place]) => [
        purpose as Purpose,
        { place, line: new Line(place, parts) },
      ]),
    );
  }

  /** Throws `egress.refused` for what the configuration does not allow. */
  async post(purpose: Purpose, asker: Asker, outgoing: Outgoing): Promise<Exchanged> {
    const known = this.#lines.get(purpose);
    if (known === undefined) throw new StrongroomError('egress.refused', `nothing is set up for ${purpose}`);
    const about = { host: known.place.url.host, purpose };
    await this.#record('egress.send', asker, { ...about, bytes: outgoing.body.length });
    const since = this.#parts.clock.now();
    const exchanged = await known.line.post(outgoing).catch(async (error: unknown) => {
      await this.#record('egress.answer', asker, about, 'egress.refused');
      throw error;
    });
    const ms = Math.max(0, this.#parts.clock.now() - since);
    await this.#record('egress.answer', asker, { ...about, ms, ...factsOf(exchanged) }, codeOf(exchanged));
    return exchanged;
  }

  close(): void {
    for (const { line } of this.#lines.values()) line.close();
  }

  async #record(action: Action, asker: Asker, facts: Facts, code: ErrorCode | null = null): Promise<void> {
    const { organization, principal, request, target } = asker;
    await this.#parts.store.write(organization, (tx) => {
      this.#parts.ledger.append(tx, {
        principal,
        action,
        target,
        request,
        facts,
        scope: [],
        ...(code === null ? { outcome: 'done' } : { outcome: 'failed', code }),
      });
      return Promise.resolve();
    });
  }
}

const factsOf = (exchanged: Exchanged): Facts =>
  exchanged.kind === 'answer'
    ? { status: exchanged.status, bytes: exchanged.body.length }
    : { failure: exchanged.reason };

const codeOf = (exchanged: Exchanged): ErrorCode | null =>
  exchanged.kind === 'answer' && exchanged.status < 400 ? null : 'egress.failed';
