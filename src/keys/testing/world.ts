/** A keystore of two replicas on a faulty disk with a fake database: what the tests of this folder start from. */
import type { Bytes } from '../../bytes/encoding.ts';
import { sha256 } from '../../crypto/hash.ts';
import { Crash, type Environment } from '../../environment.ts';
import { encodeUtf8 } from '../../bytes/encoding.ts';
import { createKeystore, openForRestore, openKeyring, type OpenOptions } from '../open.ts';
import type { EpochSteps } from '../epoch.ts';
import type { Keyring, KeyringOptions } from '../keyring.ts';
import { FakeJournal } from './fake-journal.ts';
import { FaultyDisk } from './faulty-disk.ts';

export const REPLICAS = ['a', 'b'].map((name) => ({ name, folder: `/keystore/${name}` }));
export const DEPLOYMENT: Bytes = new Uint8Array(16).fill(7);

/** Bytes that look random and are the same for the same seed. */
export function seededRandom(seed: string): (length: number) => Bytes {
  let counter = 0;
  return (length) => {
    const out = new Uint8Array(length);
    for (let at = 0; at < length; at += 32)
      out.set(sha256(encodeUtf8(`${seed}/${counter++}`)).slice(0, length - at), at);
    return out;
  };
}

export class World {
  disk: FaultyDisk;
  journal: FakeJournal;
  nowMs = 1_700_000_000_000;
  /** Fatal errors that the keyring told of. */
  readonly fatal: unknown[] = [];
  /** Names of the fault points passed. */
  readonly passed: string[] = [];
  /** Crash at the n-th time any fault point is passed. */
  crashAt = Infinity;
  /** Broken steps of the protocol, for sabotages. */
  steps: Partial<EpochSteps> = {};
  /** Told of each fault point before the crash may strike. */
  onFault: (name: string) => void = () => undefined;
  readonly #seed: string;
  readonly #random: (length: number) => Bytes;

  constructor(disk: FaultyDisk, journal: FakeJournal, seed = 'world') {
    this.disk = disk;
    this.journal = journal;
    this.#seed = seed;
    this.#random = seededRandom(seed);
    journal.fault = (name) => this.fault(name);
  }

  static async create(seed = 'world'): Promise<World> {
    const world = new World(new FaultyDisk(), new FakeJournal(), seed);
    await createKeystore(world.options());
    return world;
  }

  /** The same state, on which another history can go on. */
  copy(seed: string): World {
    return new World(this.disk.copy(), this.journal.copy(), `${this.#seed}/${seed}`);
  }

  get environment(): Environment {
    return { clock: { now: () => this.nowMs }, random: this.#random, fault: (name) => this.fault(name) };
  }

  fault(name: string): void {
    if (this.disk.isDead) throw new Crash(name);
    this.passed.push(name);
    this.onFault(name);
    if (this.passed.length < this.crashAt) return;
    this.disk.die();
    throw new Crash(name);
  }

  /** The process starts anew. */
  revive(): void {
    this.disk.revive();
    this.crashAt = Infinity;
  }

  options(changes: Partial<KeyringOptions & Pick<OpenOptions, 'replicas' | 'deployment'>> = {}): OpenOptions {
    return {
      replicas: REPLICAS,
      deployment: DEPLOYMENT,
      disk: this.disk,
      environment: this.environment,
      journal: this.journal,
      derived: [],
      steps: this.steps,
      onFatal: (error) => this.fatal.push(error),
      ...changes,
    };
  }

  open(changes: Parameters<World['options']>[0] = {}): Promise<Keyring> {
    return openKeyring(this.options(changes));
  }

  openForRestore(changes: Parameters<World['options']>[0] = {}): Promise<Keyring> {
    return openForRestore(this.options(changes));
  }
}
