/**
 * A long random history of a whole deployment, watched by somebody who sees every byte it ever writes (witness.ts), and
 * what must then be true of all content that ever was: what was erased is opened by nothing, everything else is.
 *
 * What happens is a list of acts. A capability that erases, copies or brings back content adds its act to the list, and
 * every history from then on has it.
 */
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { DAY_MS } from '../src/durations.ts';
import { LIMITS } from '../src/limits.ts';
import { Housekeeping } from '../src/housekeeping.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { Canaries } from './canary.ts';
import { DIMENSIONS } from './canary-walk.ts';
import { findIn } from './closure-attack.ts';
import { idOf, temporaryFolder, type Tenant, type TestDeployment } from './deployment.ts';
import { ERASING } from './erasing-acts.ts';
import { checkInvariants } from './invariants.ts';
import { RestoredCopy } from './recovery.ts';
import { seeded } from './load.ts';
import { witnessed, type Witness } from './witness.ts';

/** What is known of some content. `either`: a crash or a date decides, and both are right. */
export type Fate = 'living' | 'dead' | 'either';

/** Words and floats that only one version of one memory has. */
export interface Version {
  readonly needles: readonly Buffer[];
  fate: Fate;
}

export interface Kept {
  readonly id: string;
  readonly vault: string;
  readonly subject: string;
  readonly conversation: string;
  readonly versions: Version[];
  isTrashed: boolean;
  /** What was derived from it, which goes with it. */
  readonly derived: Kept[];
  /** Of another organization, archived, or derived: nothing is done to it but what is about such content. */
  readonly isAside: boolean;
}

/** A second organization, which may be closed. */
export interface Neighbour extends Tenant {
  readonly kept: Kept;
}

/** One thing that may happen. */
export interface Act {
  readonly name: string;
  /** How often, against the others. */
  readonly weight: number;
  /** False where there was nothing to do it to. */
  readonly run: (history: History) => Promise<boolean>;
}

const VAULTS = ['default', 'second'];
const ATTIC = 'attic';
const PEOPLE = 5;
const TALKS = 3;
/** A crash comes at one of so many fault points after it was decided. */
const CRASH_WITHIN = 120;
/** A history of so many steps has everything in it. */
const LONG_STEPS = 100;

export class History {
  readonly deployment: TestDeployment;
  readonly witness: Witness;
  readonly all: Kept[] = [];
  /** Keys that were revoked, by id: none of their hashes may open. */
  readonly revoked: string[] = [];
  readonly done = new Map<string, number>();
  readonly #canaries = new Canaries();
  readonly #random: () => number;
  readonly #acts: readonly Act[];
  readonly #folder: string;
  #count = 0;
  /** Fault points to pass until the photo of a crash is taken; null: none is to come. */
  #crashIn: number | null = null;
  #crashes = 0;
  readonly #t: TestContext;
  /** What can be gone back to, oldest first. */
  #moments: Moment[] = [];
  /** Where memories are added; a vault that was erased is none of them. */
  vaults = [...VAULTS];
  neighbours: Neighbour[] = [];
  /** Vaults and organizations that a restore does not bring back. */
  readonly gone = new Set<string>();

  private constructor(
    of: Pick<History, 'deployment' | 'witness'> & { readonly folder: string; readonly t: TestContext },
    seed: number,
    acts: readonly Act[],
  ) {
    this.deployment = of.deployment;
    this.witness = of.witness;
    this.#folder = of.folder;
    this.#t = of.t;
    this.#random = seeded(seed);
    this.#acts = acts;
  }

  static async run(
    t: TestContext,
    seed: number,
    steps: number,
    acts: readonly Act[] = ACTS,
  ): Promise<History> {
    const folder = await temporaryFolder(t);
    let history: History | null = null;
    const { deployment, witness } = await witnessed(t, () => history?.passFaultPoint());
    history = new History({ deployment, witness, folder, t }, seed, acts);
    await deployment.serve();
    for (const name of [...VAULTS.slice(1), ATTIC])
      await deployment.must('POST', '/v1/vaults', { body: { name } });
    const archiving = { memories: { archiveAfterDays: 1 } };
    await deployment.must('PUT', `/v1/vaults/${ATTIC}/retention`, { body: archiving });
    for (let step = 0; step < steps; step++) await history.#step();
    if (steps >= LONG_STEPS) await history.#catchUp();
    await deployment.stop();
    witness.seeStore();
    return history;
  }

  /** What chance has left out; some of it needs that something else was done before. */
  async #catchUp(): Promise<void> {
    for (let round = 0; round < 3; round++)
      for (const act of this.#acts) if (!this.done.has(act.name)) await this.#do(act);
  }

  async #step(): Promise<void> {
    // What has not been done yet comes sooner, so that a history of some length has everything in it.
    const weightOf = ({ name, weight }: Act): number => (this.done.has(name) ? weight : 3 * weight);
    let at = this.#random() * this.#acts.reduce((sum, act) => sum + weightOf(act), 0);
    const act = this.#acts.find((each) => (at -= weightOf(each)) < 0) ?? this.#acts[0];
    if (act !== undefined) await this.#do(act);
  }

  async #do(act: Act): Promise<void> {
    if (!(await act.run(this))) return;
    this.done.set(act.name, (this.done.get(act.name) ?? 0) + 1);
    this.witness.seeStore();
  }

  /** One of a list, at random; undefined of an empty one. */
  pick<T>(list: readonly T[]): T | undefined {
    return list[Math.floor(this.#random() * list.length)];
  }

  /** Memories that can be found: neither erased nor in doubt. */
  living({ trashed = false } = {}): Kept[] {
    return this.all.filter(
      ({ versions, isTrashed, isAside }) =>
        versions.at(-1)?.fate === 'living' && isTrashed === trashed && !isAside,
    );
  }

  /** Of one of these vaults, whatever becomes of them. */
  aside(vault: string): Kept[] {
    return this.all.filter((kept) => kept.vault === vault && kept.versions.at(-1)?.fate === 'living');
  }

  /** From now on none of its versions may open, nor what was derived from it. */
  die(kept: Kept): void {
    for (const version of kept.versions) version.fate = 'dead';
    for (const derived of kept.derived) this.die(derived);
  }

  /** Content of its own for one version, and how it will be known. */
  content(): { readonly body: object; readonly version: Version } {
    const word = this.#canaries.word(`memory ${this.#count++}`);
    const vector = this.#canaries.vector('vector', DIMENSIONS);
    const floats = Buffer.from(Float32Array.from(vector.slice(0, 4)).buffer);
    return {
      body: { text: `a memory of ${word}`, vector, metadata: { word } },
      version: { needles: [Buffer.from(word), floats], fate: 'living' },
    };
  }

  keep(id: string, of: Whereabouts, version: Version, isAside = false): Kept {
    const kept: Kept = { id, ...of, versions: [version], isTrashed: false, derived: [], isAside };
    this.all.push(kept);
    return kept;
  }

  somewhere(): Whereabouts {
    return {
      vault: this.pick(this.vaults) ?? 'default',
      subject: `person ${Math.floor(this.#random() * PEOPLE)}`,
      conversation: `talk ${Math.floor(this.#random() * TALKS)}`,
    };
  }

  /** Stops the server, works on what it left, and serves again. */
  async restarted(work: (open: Strongroom) => Promise<void> = () => Promise.resolve()): Promise<void> {
    await this.deployment.stop();
    await this.deployment.opened(work);
    await this.deployment.serve();
  }

  /**
   * The process dies at a moment of `work`, the next one finds what it left: the folder as it was at a fault point takes
   * the place of the folder. What `work` did is then in doubt.
   */
  async crash(work: () => Promise<Kept[]>): Promise<void> {
    this.#crashes++;
    this.#crashIn = Math.floor(this.#random() * CRASH_WITHIN);
    const touched = await work();
    while (this.#crashIn !== null) this.passFaultPoint(true);
    // What it writes while it stops is written by a process that is dead; the witness sees it all the same.
    await this.deployment.stop();
    this.witness.seeStore();
    const { directory } = this.deployment;
    rmSync(directory, { recursive: true, force: true });
    cpSync(this.#photo, directory, { recursive: true });
    for (const { versions } of touched)
      for (const version of versions) if (version.fate !== 'dead') version.fate = 'either';
    await this.deployment.serve();
  }

  /** Writes a backup, which a restore may go back to. */
  async backUp(kind: 'full' | 'incremental' | 'log'): Promise<boolean> {
    if (kind !== 'full' && this.#moments.length === 0) await this.backUp('full');
    const { clock } = this.deployment;
    clock.advance(1000);
    await this.deployment.must('POST', '/v1/backups', { body: { kind } });
    this.#moments.push({
      at: clock.now(),
      vaults: this.vaults,
      neighbours: this.neighbours,
      kept: new Map(
        this.all.map((kept) => [kept.id, { versions: kept.versions.length, isTrashed: kept.isTrashed }]),
      ),
    });
    clock.advance(1000);
    return true;
  }

  /** Everything but the keystore comes from a backup. What was written after its moment is lost for good. */
  async goBack(to: 'newest' | 'a moment'): Promise<boolean> {
    if (to === 'a moment' && this.#moments.length < 2) {
      await this.backUp('log');
      await addOne(this);
      await this.backUp('log');
    }
    const moment = to === 'newest' ? this.#moments.at(-1) : this.pick(this.#moments.slice(0, -1));
    if (moment === undefined) return false;
    const { deployment, witness } = this;
    await deployment.stop();
    witness.seeStore();
    const copy = await RestoredCopy.beside(this.#t, deployment, { replicas: ['a', 'b'] });
    await witness.elsewhere(copy.directory, async () => {
      await copy.restore(to === 'newest' ? {} : { at: moment.at });
      await copy.commit((name) => witness.look(name));
      witness.seeStore();
    });
    cpSync(join(deployment.directory, 'backups'), join(copy.directory, 'backups'), { recursive: true });
    rmSync(deployment.directory, { recursive: true, force: true });
    cpSync(copy.directory, deployment.directory, { recursive: true });
    const gone: Kept[] = [];
    for (const kept of this.all) {
      const before = moment.kept.get(kept.id);
      if (before === undefined) {
        this.die(kept);
        continue;
      }
      const lost: Kept = { ...kept, derived: [], versions: kept.versions.splice(before.versions) };
      this.die(lost);
      if (lost.versions.length > 0) gone.push(lost);
      kept.isTrashed = before.isTrashed;
    }
    this.all.push(...gone);
    this.vaults = moment.vaults.filter((name) => !this.gone.has(name));
    this.neighbours = moment.neighbours.filter(({ organization }) => !this.gone.has(organization));
    // A restore begins a new chain of backups.
    this.forgetBackup();
    await deployment.serve();
    return true;
  }

  /** There is none any more that could be gone back to with the keys that one has. */
  forgetBackup(): void {
    this.#moments = [];
  }

  get #photo(): string {
    return join(this.#folder, `crash-${this.#crashes}`);
  }

  passFaultPoint(isNow = false): void {
    if (this.#crashIn === null || (!isNow && this.#crashIn-- > 0)) return;
    try {
      cpSync(this.deployment.directory, this.#photo, {
        recursive: true,
        filter: (path) => !path.endsWith('-shm'),
      });
      this.#crashIn = null;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      // A rename under way took a file from under the copy: the next moment will do.
      rmSync(this.#photo, { recursive: true, force: true });
      this.#crashIn = 0;
    }
  }

  /** What is wrong with the end of it: names of what is read and should not be, and of what is lost. */
  judge(): {
    readonly leaks: string[];
    readonly losses: string[];
    readonly opened: number;
    readonly values: number;
  } {
    const { opened, values } = this.witness.attack();
    const leaks: string[] = [];
    const losses: string[] = [];
    for (const { id, versions } of this.all)
      for (const [at, { needles, fate }] of versions.entries()) {
        const found = needles.map((needle) => findIn(opened, [needle]));
        if (fate === 'dead') leaks.push(...found.flat().map((name) => `${id} version ${at + 1} in ${name}`));
        if (fate === 'living' && found.some((names) => names.length === 0))
          losses.push(`${id} version ${at + 1}`);
      }
    for (const key of this.revoked)
      for (const name of opened.keys())
        if (name.startsWith(`api_keys.hash_box ${key} `)) leaks.push(`the hash of ${key}, which was revoked`);
    return { leaks, losses, opened: opened.size, values };
  }

  /** What lives and cannot be read through the interface any more; the server runs for it. */
  async unread(): Promise<string[]> {
    const { deployment } = this;
    await deployment.serve();
    const lost: string[] = [];
    for (const kept of this.living()) {
      const { json } = await deployment.call('GET', pathOf(kept));
      const word = kept.versions.at(-1)?.needles[0]?.toString() ?? '';
      if (!String(json?.['text']).includes(word)) lost.push(kept.id);
    }
    await deployment.stop();
    return lost;
  }

  /** What the one checker of every crash says of the end of it. */
  async faults(): Promise<string[]> {
    const faults: string[] = [];
    await this.deployment.opened(async (open) => {
      faults.push(...(await checkInvariants(open, this.deployment.directory)));
    });
    return faults;
  }
}

/** What the deployment had when a backup was made. */
interface Moment {
  readonly at: number;
  readonly vaults: string[];
  readonly neighbours: Neighbour[];
  readonly kept: ReadonlyMap<string, { readonly versions: number; readonly isTrashed: boolean }>;
}

type Whereabouts = Pick<Kept, 'vault' | 'subject' | 'conversation'>;

const pathOf = ({ id, vault }: Kept): string => `/v1/vaults/${vault}/memories/${id}`;

async function addOne(history: History): Promise<Kept[]> {
  const { body, version } = history.content();
  const { vault, ...rest } = history.somewhere();
  const id = idOf(
    await history.deployment.must('POST', `/v1/vaults/${vault}/memories`, { body: { ...body, ...rest } }),
  );
  history.keep(id, { vault, ...rest }, version);
  return history.all.slice(-1);
}

async function changeOne(history: History): Promise<Kept[]> {
  const kept = history.pick(history.living());
  if (kept === undefined) return [];
  const { body, version } = history.content();
  await history.deployment.must('PATCH', pathOf(kept), { body });
  kept.versions.push(version);
  return [kept];
}

/** Of one vault; the oldest of as many as it keeps makes room. */
async function exportOne(history: History): Promise<Kept[]> {
  const { deployment } = history;
  const path = `/v1/vaults/${history.somewhere().vault}/exports`;
  const { exports } = (await deployment.must('GET', path)).json as {
    exports: { id: string; state: string }[];
  };
  const ready = exports.filter(({ state }) => state === 'ready');
  if (ready.length >= LIMITS.exportsMax) await deployment.must('DELETE', `/v1/exports/${ready.at(-1)?.id}`);
  await deployment.must('POST', path, { body: { expiresInDays: 30 } });
  return [];
}

const withDerived = (kept: Kept): Kept[] => [kept, ...kept.derived.flatMap(withDerived)];

async function eraseOne(history: History): Promise<Kept[]> {
  const kept = history.pick(history.living());
  if (kept === undefined) return [];
  await history.deployment.must('DELETE', `${pathOf(kept)}?mode=erase`);
  return withDerived(kept);
}

export const ACTS: readonly Act[] = [
  ...ERASING,
  { name: 'add', weight: 10, run: async (history) => (await addOne(history)).length > 0 },
  { name: 'change', weight: 4, run: async (history) => (await changeOne(history)).length > 0 },
  {
    name: 'erase',
    weight: 5,
    run: async (history) => {
      const erased = await eraseOne(history);
      for (const kept of erased) history.die(kept);
      return erased.length > 0;
    },
  },
  {
    name: 'erase several at once',
    weight: 1,
    run: async (history) => {
      const some = history.living().slice(0, 3);
      await Promise.all(some.map((kept) => history.deployment.must('DELETE', `${pathOf(kept)}?mode=erase`)));
      for (const kept of some) history.die(kept);
      return some.length > 0;
    },
  },
  {
    name: 'search',
    weight: 2,
    run: async (history) => {
      const { vault } = history.somewhere();
      await history.deployment.must('POST', `/v1/vaults/${vault}/search`, { body: { query: 'memory' } });
      return true;
    },
  },
  {
    name: 'trash',
    weight: 2,
    run: async (history) => {
      const kept = history.pick(history.living());
      if (kept === undefined) return false;
      await history.deployment.must('DELETE', `${pathOf(kept)}?mode=trash`);
      kept.isTrashed = true;
      return true;
    },
  },
  {
    name: 'restore',
    weight: 1,
    run: async (history) => {
      const kept = history.pick(history.living({ trashed: true }));
      if (kept === undefined) return false;
      await history.deployment.must('POST', `${pathOf(kept)}/restore`);
      kept.isTrashed = false;
      return true;
    },
  },
  {
    name: 'a month goes by',
    weight: 0.4,
    run: async (history) => {
      history.deployment.clock.advance(31 * DAY_MS);
      await history.restarted(hourlyChores(history));
      history.forgetBackup();
      for (const kept of history.all) {
        if (kept.isTrashed) history.die(kept);
        // Versions that were replaced have their day too.
        for (const version of kept.versions.slice(0, -1))
          if (version.fate === 'living') version.fate = 'either';
      }
      return true;
    },
  },
  {
    name: 'revoke a key',
    weight: 1,
    run: async ({ deployment, revoked }) => {
      const key = idOf(await deployment.must('POST', '/v1/keys', { body: { name: 'short-lived' } }));
      await deployment.must('DELETE', `/v1/keys/${key}`);
      revoked.push(key);
      return true;
    },
  },
  {
    name: 'rotate keys',
    weight: 1,
    run: async (history) => {
      const keys = history.pick([
        ['root'],
        ['keystore', 'cursors'],
        ['api-keys'],
        ['ledger'],
        ['backups', 'certificates'],
      ]);
      const retired = history.pick(['keep', 'destroy']);
      await history.deployment.must('POST', '/v1/rotations', { body: { keys, retired } });
      if (keys?.includes('api-keys') === true && retired === 'destroy') history.forgetBackup();
      return true;
    },
  },
  {
    name: 'make an export',
    weight: 1.5,
    run: async (history) => {
      await exportOne(history);
      return true;
    },
  },
  { name: 'back up', weight: 0.8, run: (history) => history.backUp('full') },
  {
    name: 'back up what changed',
    weight: 1.2,
    run: (history) => history.backUp(history.pick(['incremental', 'log'] as const) ?? 'log'),
  },
  { name: 'go back to a backup', weight: 0.5, run: (history) => history.goBack('newest') },
  { name: 'go back to a moment', weight: 0.4, run: (history) => history.goBack('a moment') },
  {
    name: 'restart',
    weight: 1,
    run: async (history) => {
      await history.restarted();
      return true;
    },
  },
  {
    name: 'crash',
    weight: 1.5,
    run: async (history) => {
      const work = history.pick([addOne, changeOne, eraseOne, exportOne]);
      if (work === undefined) return false;
      await history.crash(() => work(history));
      return true;
    },
  },
];

export const hourlyChores =
  ({ deployment: { clock } }: History) =>
  async (open: Strongroom): Promise<void> => {
    const errors: unknown[] = [];
    const onError = (error: unknown): void => void errors.push(error);
    const housekeeping = new Housekeeping({
      open,
      clock,
      renewTls: () => Promise.resolve(),
      pruneLogs: () => undefined,
      verify: () => undefined,
      onError,
    });
    await housekeeping.hour();
    await housekeeping.close();
    if (errors.length > 0) throw new AggregateError(errors, 'chores failed');
  };
