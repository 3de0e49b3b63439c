/**
 * What a check sees of a server: its routes, its listener, its files and its log. The same for the running server and for
 * a scratch instance of the same build, so that every check can be shown to fail without touching anybody's data.
 *
 * On the running server everything a check does happens in reserved organizations, which hold nothing but canaries.
 */
import type { LogHeads } from './log-heads.ts';
import type { Fetch, Strongroom } from '@strongroom/client';
import type { FastifyInstance } from 'fastify';
import type { Clock, Random } from '../environment.ts';
import type { HttpParts } from '../http/parts.ts';
import type { Route } from '../http/route.ts';
import type { OrganizationId } from '../ids.ts';
import type { Keyring } from '../keys/keyring.ts';
import type { FileCipher } from '../crypto/file-cipher.ts';
import type { RecordSealer } from '../keys/record-sealer.ts';
import type { Ledger } from '../ledger/ledger.ts';
import type { Scheduler } from '../lifecycle/scheduler.ts';
import type { DeletionGuard } from '../vaults/deletion-guard.ts';
import type { RetentionRules } from '../vaults/retention.ts';
import type { Backups } from '../recovery/backups.ts';
import type { Drills } from '../recovery/drills.ts';
import type { Rotations, RotationSteps } from '../lifecycle/rotations.ts';
import type { Destruction } from '../store/destruction.ts';
import type { Store } from '../store/store.ts';

/** A reserved organization with a key that may do everything in it. */
export interface Tenant {
  readonly organization: OrganizationId;
  readonly keyId: string;
  readonly apiKey: string;
  readonly client: Strongroom;
}

/** Bytes that the server wrote somewhere, under the name a fault is reported by. */
export interface Haystack {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/** Refusals of callers who did not say who they are. */
export interface Strangers {
  /** By method and route: `GET /v1/vaults/{vault}`. */
  readonly counted: ReadonlyMap<string, number>;
  /** Of more addresses than are told apart within a minute. */
  readonly together: number;
}

export interface Listener {
  readonly host: string;
  readonly port: number;
  readonly isSecure: boolean;
  /** PEM of the CA to trust; null where the platform's are meant. */
  readonly ca: string | null;
}

/** Backups of a scratch instance, and what comes of them. */
export interface Recovery {
  readonly backups: Backups;
  readonly drills: Drills;
  /** Does now what is done for backups once a minute and once an hour. */
  readonly tend: () => Promise<void>;
  /** Lays the newest moment out in a place of its own, as a restore would serve it, for as long as `work` lasts. */
  readonly restored: <T>(work: (store: Store) => Promise<T>) => Promise<T>;
  /** The same as it lies in the backup, with everything that has been erased since. */
  readonly laidOut: <T>(work: (store: Store) => Promise<T>) => Promise<T>;
}

/** What no route shows; on a scratch instance only. */
export interface Insides {
  readonly store: Store;
  readonly keyring: Keyring;
  /** Makes every entry fail as on a full disk, or lets them through again. */
  readonly breakLedger: (isBroken: boolean) => void;
  /** Moves the instance's clock forward. */
  readonly turnClock: (ms: number) => void;
  readonly recovery: Recovery;
  /** Does now what is done once an hour. */
  readonly sweep: () => Promise<void>;
  readonly rotations: Rotations;
}

export interface World {
  readonly place: 'live' | 'scratch';
  readonly engine: Store['engine'];
  /** Origin that the client is given; requests go through `fetch` and never over a wire. */
  readonly url: string;
  /** Reaches this server's routes in its own process. */
  readonly fetch: Fetch;
  readonly routes: readonly Route[];
  /** Methods and URLs that the server answers, as they were registered: `GET /v1/vaults/:vault`. */
  readonly registered: readonly string[];
  /** Why its requests are made, as the ledger shows it. */
  readonly purpose: string;
  /** Begins to count the refusals of strangers that come from here; the answer tells how the ledger counted them since. */
  readonly countStrangers: () => Promise<() => Promise<Strangers>>;
  /** Every log of the deployment against what was signed of it. */
  readonly logHeads: () => Promise<LogHeads>;
  /** Null where no socket listens. */
  readonly listener: Listener | null;
  /** Whether there is a place for backups: without one whatever concerns them is refused. */
  readonly backsUp: boolean;
  readonly clock: Clock;
  readonly random: Random;
  /** Reserved organizations by number, from 0: made when first asked for. */
  readonly tenant: (number: number) => Promise<Tenant>;
  /** Brings to disk what is held back: index segments. */
  readonly flush: () => Promise<void>;
  /** Everything written below the data directory since then, in pieces that overlap. */
  readonly written: (sinceMs: number, overlap: number) => AsyncIterable<Haystack>;
  /** What the server logged since this world was made. */
  readonly logged: () => readonly string[];
  readonly insides: Insides | null;
}

/** What a sabotage may change in a scratch instance. Nothing of it can be reached by a setting. */
export interface Sabotaged {
  readonly sealer?: (real: RecordSealer) => RecordSealer;
  readonly ledger?: (real: Ledger) => Ledger;
  readonly cipher?: (real: FileCipher) => FileCipher;
  readonly guard?: (real: DeletionGuard) => DeletionGuard;
  readonly retention?: (real: RetentionRules) => RetentionRules;
  readonly scheduler?: (real: Scheduler) => Pick<Scheduler, 'run' | 'state'>;
  /** What the server's parts take for the time; checks keep the real one. */
  readonly clock?: (real: Clock) => Clock;
  readonly backups?: (real: Backups) => Backups;
  readonly rotation?: Partial<RotationSteps>;
  readonly destruction?: (real: Destruction) => Destruction;
  readonly parts?: (real: HttpParts, within: Within) => HttpParts;
  readonly app?: (app: FastifyInstance) => void;
  readonly tlsMinimum?: '1.2' | '1.3';
  readonly rateLimit?: 'off';
}

/** What a sabotage can reach inside the scratch instance that it breaks. */
export interface Within extends Omit<
  Insides,
  'breakLedger' | 'turnClock' | 'sweep' | 'recovery' | 'rotations'
> {
  readonly directory: string;
  readonly log: (text: string) => void;
}

export interface ScratchWorld extends World {
  readonly place: 'scratch';
  close(): Promise<void>;
}

export type OpenScratch = (change: Sabotaged) => Promise<ScratchWorld>;

export interface LiveWorld extends World {
  readonly place: 'live';
  /** Ends the keys it made and takes its canaries away. */
  close(): Promise<void>;
}

export type OpenLive = (purpose: string) => Promise<LiveWorld>;
