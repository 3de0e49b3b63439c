/** Backups and drills as they are asked for: each function checks the right, does the work and leaves the entry. */
import type {
  Backup,
  BackupInput,
  BackupPage,
  BackupStatus,
  Drill,
  DrillPage,
  Rewind,
  RewindInput,
  RewindPage,
} from '@strongroom/client';
import type { Access } from '../access/access.ts';
import type { RequestContext } from '../access/context.ts';
import type { Cursors } from '../access/cursors.ts';
import type { Recorder } from '../access/recorder.ts';
import { StrongroomError } from '../errors.ts';
import { isId, type NewId, type OrganizationId } from '../ids.ts';
import type { Action } from '../ledger/actions.ts';
import type { BackupRow, DrillRow } from '../store/schema.ts';
import type { BackupOptions, Backups } from './backups.ts';
import type { Drills } from './drills.ts';
import type { Rewinds } from './rewinds.ts';

export interface BackupDeskParts {
  readonly access: Access;
  readonly recorder: Recorder;
  readonly cursors: Cursors;
  readonly backups: Backups;
  readonly drills: Drills;
  readonly rewinds: Rewinds;
  readonly newId: NewId;
  /** Whose the deployment is: what is said of backups is said of everybody's data. */
  readonly isOperator: (organization: OrganizationId) => Promise<boolean>;
}

export class BackupDesk {
  readonly #parts: BackupDeskParts;

  constructor(parts: BackupDeskParts) {
    this.#parts = parts;
  }

  async createBackup(
    context: RequestContext,
    { kind = 'incremental' }: BackupInput,
    onProgress?: BackupOptions['onProgress'],
  ): Promise<Backup> {
    await this.#require(context, 'backup.create');
    const { backups, recorder } = this.#parts;
    const row = await backups.create(kind, {
      // Nothing is begun whose entry cannot be kept.
      begin: (register) =>
        recorder.write(context, async (tx) => {
          const target = await register(tx);
          return { result: target, deed: { action: 'backup.create', target } };
        }),
      ...(onProgress === undefined ? {} : { onProgress }),
    });
    return backupView(row);
  }

  async listBackups(
    context: RequestContext,
    { limit, cursor }: { readonly limit: number; readonly cursor?: string | undefined },
  ): Promise<BackupPage> {
    await this.#require(context, 'backup.list');
    const { backups, cursors } = this.#parts;
    const binding = { organization: context.organization, list: 'backups' };
    const rows = await backups.page({ limit: limit + 1, before: cursors.open(binding, cursor) });
    const { page, next } = cursors.page(binding, rows, limit);
    await this.#recorded(context, page.length);
    return { backups: page.map(backupView), next };
  }

  async backupStatus(context: RequestContext): Promise<BackupStatus> {
    await this.#require(context, 'backup.list');
    const { backups, drills } = this.#parts;
    const status = await backups.status();
    const [drill] = await drills.list(1);
    await this.#recorded(context, status.backups);
    const { fullAt, incrementalAt, recoverableAt, oldestAt, ...rest } = status;
    return {
      ...rest,
      oldestAt: isoTime(oldestAt),
      fullAt: isoTime(fullAt),
      incrementalAt: isoTime(incrementalAt),
      recoverableAt: isoTime(recoverableAt),
      places: status.places.map(({ newestAt, ...place }) => ({ ...place, newestAt: isoTime(newestAt) })),
      drill: drill === undefined ? null : drillView(drill, []),
    };
  }

  async runDrill(
    context: RequestContext,
    onProgress: (progress: { readonly pieces: number; readonly of: number }) => void = () => undefined,
  ): Promise<Drill> {
    await this.#require(context, 'backup.drill');
    const { drills, recorder, newId } = this.#parts;
    const id = newId('drill');
    await recorder.write(context, () =>
      Promise.resolve({ result: id, deed: { action: 'backup.drill', target: id } }),
    );
    const { row, faults } = await drills.run({
      id,
      onProgress: ({ pieces, of }) => onProgress({ pieces, of }),
    });
    return drillView(row, faults);
  }

  async listDrills(context: RequestContext, { limit }: { readonly limit: number }): Promise<DrillPage> {
    await this.#require(context, 'backup.list');
    const rows = await this.#parts.drills.list(limit);
    await this.#recorded(context, rows.length);
    return { drills: rows.map((row) => drillView(row, [])) };
  }

  rewindVault(context: RequestContext, vault: string, input: RewindInput): Promise<Rewind> {
    return this.#parts.rewinds.rewindVault(context, vault, input);
  }

  listRewinds(context: RequestContext, vault: string, page: { readonly limit: number }): Promise<RewindPage> {
    return this.#parts.rewinds.listRewinds(context, vault, page);
  }

  /** What an id stands for now, for a request that is repeated; null where it is gone. */
  async current(id: string): Promise<{ version: number; body: unknown } | null> {
    const { backups, drills } = this.#parts;
    if (isId('backup', id)) {
      const row = (await backups.list()).find((one) => one.id === id);
      return row === undefined ? null : { version: 1, body: backupView(row) };
    }
    const drill = (await drills.list(1000)).find((one) => one.id === id);
    return drill === undefined ? null : { version: 1, body: drillView(drill, []) };
  }

  async #require(context: RequestContext, action: Action): Promise<void> {
    this.#parts.access.require(context, action, null);
    if (!(await this.#parts.isOperator(context.organization)))
      throw new StrongroomError('access.refused', 'backups are of the whole deployment, and it is another’s');
    if (!this.#parts.backups.isOn) throw new StrongroomError('conflict', 'backups are off: set `backups`');
  }

  #recorded(context: RequestContext, count: number): Promise<void> {
    return this.#parts.recorder.record(context, {
      action: 'backup.list',
      target: context.organization,
      count,
    });
  }
}

const isoTime = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());

const backupView = (row: BackupRow): Backup => ({
  id: row.id,
  kind: row.kind,
  takenAt: new Date(row.taken_at).toISOString(),
  finishedAt: new Date(row.finished_at ?? row.taken_at).toISOString(),
  sizeBytes: row.size,
  rows: row.row_count,
  copies: (JSON.parse(row.places) as unknown[]).length,
  manifest: row.manifest ?? '',
});

const drillView = (row: DrillRow, faults: readonly string[]): Drill => ({
  id: row.id,
  backup: row.backup,
  state: row.state,
  startedAt: new Date(row.started_at).toISOString(),
  recoverySeconds: row.duration_ms / 1000,
  lossSeconds: row.lost_ms / 1000,
  rows: row.row_count,
  opened: row.opened,
  faultCount: row.faults,
  faults: [...faults],
});
