/**
 * The keystore: its replicas taken together, with the intents and the witness that lie beside each root.
 *
 * It knows which replicas are configured (from the intents, not from the settings: a replica that was taken out of the
 * settings still holds a root, and no erasure is done before it is wiped or declared lost), which of them can be
 * reached now, and which of those hold the newest epoch. It decides nothing about keys.
 */
import type { Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import type { Random } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { fileNameOf } from './epoch-file.ts';
import { intentsToJson, membersOf, NO_INTENTS, type Intents } from './intents.ts';
import { allDone } from './disk.ts';
import { isOfDeployment, type Replica } from './replica.ts';
import { CELLS, type RootCell, type RootFile } from './root-file.ts';
import { matchSide, sealSide, type SideKeys } from './sealed-side.ts';
import { witnessToJson, type Witness } from './witness.ts';

/** Something found wrong that did not stop the keystore: for the log and for `doctor`. */
export interface Finding {
  /** Name of the replica. */
  readonly replica: string;
  readonly what: string;
}

/** A replica that takes part in an epoch. */
export interface Target {
  readonly replica: Replica;
  /** The cell that the new root goes to. */
  readonly cell: number;
  /** Whether it holds the epoch before; if not, it needs every page anew. */
  readonly isCurrent: boolean;
}

export interface Reach {
  readonly targets: readonly Target[];
  /** Names of configured replicas that cannot be used now. */
  readonly missing: readonly string[];
  /** The highest epoch that any cell names. */
  readonly seenEpoch: number;
}

const FINDINGS_KEPT_MAX = 1000;

export class Keystore {
  readonly deployment: Bytes;
  readonly #replicas: Map<string, Replica>;
  readonly #random: Random;
  readonly #findings: Finding[] = [];
  /** Replicas that have missed what was written beside the root, or whose content is not trusted yet. */
  readonly #stale = new Set<string>();
  #missing: readonly string[] = [];
  #intents: Intents = NO_INTENTS;
  #witness: Witness = { epoch: 0, intents: 0, generation: 0, ledger: null, backup: null };

  constructor(deployment: Bytes, replicas: readonly Replica[], random: Random) {
    this.deployment = deployment;
    this.#replicas = new Map(replicas.map((replica) => [replica.name, replica]));
    this.#random = random;
  }

  get intents(): Intents {
    return this.#intents;
  }

  get witness(): Witness {
    return this.#witness;
  }

  get findings(): readonly Finding[] {
    return this.#findings;
  }

  get replicas(): readonly Replica[] {
    return [...this.#replicas.values()];
  }

  find(replica: string, what: string): void {
    const known = this.#findings.some((finding) => finding.replica === replica && finding.what === what);
    if (!known && this.#findings.length < FINDINGS_KEPT_MAX) this.#findings.push({ replica, what });
  }

  /** From now on this folder is one of them; whether it is a member is for the intents to say. */
  attach(replica: Replica): void {
    this.#replicas.set(replica.name, replica);
  }

  /** Takes over what was read at the opening. */
  adopt(intents: Intents, witness: Witness): void {
    this.#intents = intents;
    this.#witness = witness;
    for (const name of membersOf(intents)) this.#stale.add(name);
  }

  /** Looks at every configured replica as it is now. */
  async reach(current: { readonly epoch: number; readonly fileName: string }): Promise<Reach> {
    const targets: Target[] = [];
    const missing: string[] = [];
    let seenEpoch = 0;
    const members = [...membersOf(this.#intents)].map(async (name) => {
      const replica = this.#replicas.get(name);
      return { name, replica, root: replica === undefined ? null : await this.#readRoot(replica) };
    });
    await allDone(members);
    for (const { name, replica, root } of await Promise.all(members)) {
      if (replica === undefined || root === null) {
        missing.push(name);
        continue;
      }
      const kept = root.cells.find((cell) => cell.epoch === current.epoch && isNamed(cell, current.fileName));
      for (const cell of root.cells) seenEpoch = Math.max(seenEpoch, cell.epoch);
      const isCurrent = kept !== undefined && !this.#stale.has(name);
      targets.push({ replica, cell: freeCell(root, kept), isCurrent });
      forget(root);
    }
    this.#missing = missing;
    return { targets, missing, seenEpoch };
  }

  /**
   * Replicas that an erasure would wait for: those that could not be used when it was last tried, and those whose root is
   * not there now. No root is read for it, because anybody may ask.
   */
  async away(): Promise<readonly string[]> {
    const names = [...membersOf(this.#intents)];
    const isAway = await Promise.all(
      names.map(async (name) => this.#missing.includes(name) || !(await this.#isThere(name))),
    );
    return names.filter((_, at) => isAway[at]);
  }

  async #isThere(name: string): Promise<boolean> {
    try {
      return (await this.#replicas.get(name)?.exists()) ?? false;
    } catch (error) {
      if (isDiskError(error)) return false;
      throw error;
    }
  }

  async #readRoot(replica: Replica): Promise<RootFile | null> {
    try {
      const root = await replica.readRoot();
      if (isOfDeployment(root, this.deployment)) return root;
      forget(root);
      this.find(replica.name, 'it belongs to another deployment');
    } catch (error) {
      // Not an error of this process: the disk may be away. Nothing has been written to it in this epoch.
      if (!isDiskError(error)) throw error;
      this.find(replica.name, `its root cannot be read (${error.code})`);
    }
    return null;
  }

  /** Writes changed intents to each of these replicas, then holds them for the truth. */
  async writeIntents(intents: Intents, keys: SideKeys, targets: readonly Target[]): Promise<void> {
    const content = { name: 'intents', content: intentsToJson(intents) } as const;
    const bytes = sealSide(content, keys, this.#random);
    await allDone(targets.map(({ replica }) => replica.writeSide('intents', bytes)));
    this.#intents = intents;
    for (const name of membersOf(intents)) this.#stale.add(name);
    for (const { replica } of targets) this.#stale.delete(replica.name);
  }

  async writeWitness(witness: Witness, keys: SideKeys, targets: readonly Target[]): Promise<void> {
    const content = { name: 'witness', content: witnessToJson(witness) } as const;
    const bytes = sealSide(content, keys, this.#random);
    await allDone(targets.map(({ replica }) => replica.writeSide('witness', bytes)));
    this.#witness = witness;
  }

  /** Seals both side files as they are under the keys of another generation, and reads them back. */
  async resealSides(keys: SideKeys, generation: number, targets: readonly Target[]): Promise<void> {
    const sides = [
      { name: 'intents', content: intentsToJson(this.#intents) },
      { name: 'witness', content: witnessToJson(this.#witness) },
    ] as const;
    for (const side of sides) {
      const bytes = sealSide(side, keys, this.#random, generation);
      await allDone(targets.map(({ replica }) => replica.writeSide(side.name, bytes)));
      await allDone(
        targets.map(async ({ replica }) => {
          const read = await replica.readSide(side.name);
          const isWritten =
            read !== null && isEqual(read, bytes) && matchSide(side.name, keys, read) !== null;
          if (!isWritten)
            throw new StrongroomError(
              'keyring.damaged',
              `${side.name} of ${replica.name} does not read back`,
            );
        }),
      );
    }
  }
}

/**
 * The cell for a new root: an empty one, else a torn one, else the oldest. Never the one that holds the truth. With
 * three cells there is always one: even where two openings in a row crashed, the older of the two others has been
 * superseded by a root that opens whole.
 */
function freeCell(root: RootFile, kept: RootCell | undefined): number {
  const held = new Map(root.cells.map((cell) => [cell.cell, cell]));
  const [empty] = root.empty;
  if (empty !== undefined) return empty;
  for (let cell = 0; cell < CELLS; cell++) if (!held.has(cell)) return cell;
  const [oldest] = root.cells.filter((cell) => cell !== kept).sort((a, b) => a.epoch - b.epoch);
  if (oldest === undefined) throw new StrongroomError('internal', 'a root file without a free cell');
  return oldest.cell;
}

const isNamed = (cell: RootCell, fileName: string): boolean => fileNameOf(cell.root) === fileName;

/** Zeroes what was read. */
export function forget(root: RootFile): void {
  for (const cell of root.cells) cell.root.fill(0);
}

export const isDiskError = (error: unknown): error is Error & { code: string } =>
  error instanceof Error &&
  !(error instanceof StrongroomError) &&
  'code' in error &&
  typeof error.code === 'string';
