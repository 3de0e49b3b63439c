/** Backups and restores of a test's deployment: a folder with backups, and what was restored from them beside it. */
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Settings, SettingsInput } from '../src/config.ts';
import { serve } from '../src/deployment.ts';
import { realEnvironment, type Environment } from '../src/environment.ts';
import { declareLost } from '../src/keys/replica-set.ts';
import { createLog } from '../src/http/request-log.ts';
import type { LaidOut } from '../src/recovery/lay-out.ts';
import { commitRestore, restoreBackup, type Committed } from '../src/restoring.ts';
import { openStrongroom, type OpenStrongroom, type Strongroom } from '../src/strongroom.ts';
import {
  exchange,
  settingsOf,
  temporaryFolder,
  type Answer,
  type Call,
  type TestDeployment,
} from './deployment.ts';
import { testPostgres } from './postgres.ts';

export interface RestoreInput {
  readonly at?: number;
  readonly skipDamaged?: boolean;
  readonly settings?: SettingsInput;
  readonly fault?: Environment['fault'];
  /** Replicas of the keystore that survived; by default one. */
  readonly replicas?: readonly string[];
  readonly from?: string;
}

/** A new data directory that knows of nothing but a place with backups and what is left of the keystore. */
export class RestoredCopy {
  readonly directory: string;
  readonly settings: Settings;
  readonly logged: string[] = [];
  readonly #clock: Environment['clock'];
  readonly #from: string;

  private constructor(
    directory: string,
    settings: Settings,
    { clock, from }: { clock: Environment['clock']; from: string },
  ) {
    this.directory = directory;
    this.settings = settings;
    this.#clock = clock;
    this.#from = from;
  }

  static async beside(
    t: TestContext,
    deployment: TestDeployment,
    { settings = {}, replicas = ['a'], from = join(deployment.directory, 'backups') }: RestoreInput = {},
  ): Promise<RestoredCopy> {
    const directory = join(await temporaryFolder(t), 'restored');
    for (const replica of replicas)
      await cp(join(deployment.directory, 'keystore', replica), join(directory, 'keystore', replica), {
        recursive: true,
      });
    return new RestoredCopy(directory, settingsOf(settings), { clock: deployment.clock, from });
  }

  /** The same in another folder: what a crash left. */
  static at(directory: string, copy: RestoredCopy): RestoredCopy {
    return new RestoredCopy(directory, copy.settings, { clock: copy.#clock, from: copy.#from });
  }

  /** The deployment's own directory, for what was put back there by hand. */
  static of(deployment: TestDeployment): Promise<RestoredCopy> {
    const { directory, settings, clock } = deployment;
    return Promise.resolve(
      new RestoredCopy(directory, settings, { clock, from: join(directory, 'backups') }),
    );
  }

  restore({ at, skipDamaged = false, fault, from }: RestoreInput = {}): Promise<LaidOut> {
    return restoreBackup(this.options(fault), {
      from: from ?? this.#from,
      at: at ?? null,
      skipDamaged,
      onProgress: () => undefined,
    });
  }

  commit(fault?: Environment['fault']): Promise<Committed> {
    return commitRestore(this.options(fault));
  }

  /** Without the replicas that did not survive nothing is certain; saying that they are lost ends the waiting. */
  async declareLost(...replicas: readonly string[]): Promise<void> {
    await this.opened(async ({ keyring }) => {
      for (const replica of replicas) await declareLost(keyring, replica, 'it burnt');
      await keyring.tend();
    });
  }

  options(fault: Environment['fault'] = () => undefined): OpenStrongroom {
    return {
      directory: this.directory,
      settings: this.settings,
      environment: { random: realEnvironment.random, clock: this.#clock, fault },
      log: createLog('trace', { write: (line) => void this.logged.push(line) }),
      onFatal: () => undefined,
    };
  }

  async opened<T>(work: (open: Strongroom) => Promise<T>): Promise<T> {
    const open = await openStrongroom(this.options());
    try {
      return await work(open);
    } finally {
      await open.close();
    }
  }

  /** Serves it for the length of `work`. */
  async served<T>(
    work: (call: (method: string, path: string, call: Call) => Promise<Answer>) => Promise<T>,
  ): Promise<T> {
    const { environment, log } = this.options();
    const server = await serve(this.directory, this.settings, {
      environment,
      log,
      onFatal: () => undefined,
    });
    try {
      return await work((method, path, call) => exchange(server.url, method, path, call));
    } finally {
      await server.close();
    }
  }
}

/** A database of its own; null, the test being skipped, where there is none of that engine. */
export async function settingsFor(
  t: TestContext,
  engine: 'sqlite' | 'postgres',
): Promise<SettingsInput | null> {
  if (engine === 'sqlite') return {};
  const server = await testPostgres();
  if ('absent' in server) {
    t.skip(server.absent);
    return null;
  }
  const database = await server.createDatabase();
  return { database: database.url, databaseOwner: database.ownerUrl };
}
