/**
 * The database's side of the keyring for tests: in memory, durable at each commit, with fault points of its own.
 * `copy` is a backup; `size` of the ledger grows by `append`, and its root is a hash chain, so that forks show.
 */
import { encodeHex, encodeUtf8, u64, type Bytes } from '../../bytes/encoding.ts';
import { isEqual } from '../../bytes/equal.ts';
import { sha256 } from '../../crypto/hash.ts';
import type { FaultPoint } from '../../environment.ts';
import type {
  EpochOutcome,
  EpochRow,
  KeyJournal,
  LeafRow,
  LedgerHead,
  PunctureRequest,
} from '../key-journal.ts';
import type { Slot } from '../slot.ts';
import { LEAF_SLOTS } from '../slot.ts';

export interface RequestRow extends PunctureRequest {
  readonly state: 'hidden' | 'destroyed';
  readonly epoch: number | null;
}

interface State {
  epochs: EpochRow[];
  leaves: LeafRow[];
  requests: RequestRow[];
  outcomes: { readonly epoch: number; readonly outcome: EpochOutcome }[];
  along: Slot[];
  ledgerRoots: Bytes[];
  generation: number;
  isRestoring: boolean;
}

export class FakeJournal implements KeyJournal {
  state: State = {
    epochs: [],
    leaves: [],
    requests: [],
    outcomes: [],
    along: [],
    ledgerRoots: [],
    generation: 1,
    isRestoring: false,
  };
  fault: FaultPoint = () => undefined;

  copy(): FakeJournal {
    const journal = new FakeJournal();
    const { state } = this;
    journal.state = {
      ...state,
      epochs: [...state.epochs],
      leaves: [...state.leaves],
      requests: [...state.requests],
      outcomes: [...state.outcomes],
      along: [...state.along],
      ledgerRoots: [...state.ledgerRoots],
    };
    return journal;
  }

  append(entry: string): void {
    const last = this.state.ledgerRoots.at(-1) ?? new Uint8Array(32);
    this.state.ledgerRoots.push(sha256(last, encodeUtf8(entry), u64(this.state.generation)));
  }

  setLeaf(leaf: number, next: number): void {
    this.state.leaves = [...this.state.leaves.filter((row) => row.leaf !== leaf), { leaf, next }];
  }

  requestOf(id: string): RequestRow | undefined {
    return this.state.requests.find((row) => row.id === id);
  }

  async epochs(): Promise<readonly EpochRow[]> {
    return [...this.state.epochs].sort((a, b) => a.epoch - b.epoch);
  }

  async leaves(): Promise<readonly LeafRow[]> {
    return this.state.leaves;
  }

  async pending(): Promise<readonly PunctureRequest[]> {
    return this.state.requests.filter(({ state }) => state === 'hidden');
  }

  async requestsAfter(epoch: number): Promise<readonly PunctureRequest[]> {
    return this.state.requests.filter((row) => row.epoch === null || row.epoch > epoch);
  }

  async accept(requests: readonly PunctureRequest[]): Promise<void> {
    this.#commit('accept', () => this.#hide(requests, null));
  }

  async prepare(
    row: { readonly epoch: number; readonly fileId: Bytes },
    requests: readonly PunctureRequest[],
    alsoPunctured: readonly Slot[],
  ): Promise<void> {
    this.#commit('prepare', () => {
      if (this.state.epochs.some(({ epoch }) => epoch === row.epoch))
        throw new Error(`epoch ${row.epoch} twice`);
      this.state.epochs.push({ ...row, state: 'prepared' });
      this.#hide(requests, row.epoch);
      this.state.along.push(...alsoPunctured);
      this.append(`epoch ${row.epoch} ${encodeHex(row.fileId)}`);
    });
  }

  async complete(epoch: number, outcome: EpochOutcome): Promise<void> {
    this.#commit('complete', () => {
      const { state } = this;
      state.epochs = state.epochs.map((row) => (row.epoch === epoch ? { ...row, state: 'complete' } : row));
      const gone = new Set(outcome.destroyed);
      state.requests = state.requests.map((row) => (gone.has(row.id) ? { ...row, state: 'destroyed' } : row));
      state.outcomes.push({ epoch, outcome });
      if (outcome.restored !== null && outcome.restored !== state.generation) {
        state.generation = outcome.restored;
        state.isRestoring = false;
      }
      if (outcome.isTailDead) state.leaves = state.leaves.map((row) => ({ ...row, next: LEAF_SLOTS }));
      this.append(`complete ${epoch}`);
    });
  }

  async ledgerHead(): Promise<LedgerHead | null> {
    const { ledgerRoots, generation } = this.state;
    const root = ledgerRoots.at(-1);
    return root === undefined ? null : { size: ledgerRoots.length, root, generation };
  }

  async ledgerConsistent(head: LedgerHead): Promise<boolean> {
    const root = this.state.ledgerRoots[head.size - 1];
    return head.generation === this.state.generation && root !== undefined && isEqual(root, head.root);
  }

  #hide(requests: readonly PunctureRequest[], epoch: number | null): void {
    const ids = new Set(requests.map(({ id }) => id));
    const others = this.state.requests.filter(({ id }) => !ids.has(id));
    this.state.requests = [
      ...others,
      ...requests.map((request) => ({ ...request, state: 'hidden' as const, epoch })),
    ];
  }

  /** A crash strikes before the commit (nothing stored) or after it (stored, and nobody told). */
  #commit(name: string, change: () => void): void {
    this.fault(`journal.${name}.before`);
    change();
    this.fault(`journal.${name}.after`);
  }
}
