/**
 * `/v1/backups` and `/v1/drills`: of the deployment as a whole, so a key needs the right on the organization itself; and
 * a vault's way back to what a backup shows.
 */
import type { BackupEvent, DrillEvent } from '@strongroom/client';
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import {
  backup,
  backupInput,
  backupPage,
  backupStatus,
  drill,
  drillPage,
  drillQuery,
  rewind,
  rewindInput,
  rewindPage,
} from './backup-schemas.ts';
import { reported, withEvents } from './event-lines.ts';
import type { Backups, Read, Written } from './parts.ts';
import { defineRoute, type Route } from './route.ts';
import { noBody, nothing } from './schema-parts.ts';
import { pageQuery } from './vault-schemas.ts';

const inVault = z.strictObject({ vault: z.string() });

export const backupRoutes = (backups: Backups): readonly Route[] => [
  withEvents(
    defineRoute({
      name: 'createBackup',
      method: 'POST',
      url: '/v1/backups',
      action: 'backup.create',
      summary:
        'Make a backup now; by default of what changed since the last daily one. JSON Lines with progress on request',
      params: nothing,
      query: nothing,
      body: backupInput.optional(),
      answer: backup,
      status: 201,
      run: (context, { body }) => backups.createBackup(context, body ?? {}),
    }),
    (context, { body }) =>
      reported<BackupEvent, BackupEvent>(async (report) => {
        const input = backupInput.optional().parse(body) ?? {};
        const tell = (progress: Written): void => report({ type: 'progress', ...progress });
        return { type: 'backup', backup: await backups.createBackup(context, input, tell) };
      }),
  ),
  defineRoute({
    name: 'listBackups',
    method: 'GET',
    url: '/v1/backups',
    action: 'backup.list',
    summary: 'List the backups, newest first',
    params: nothing,
    query: pageQuery,
    body: noBody,
    answer: backupPage,
    status: 200,
    conflicts: true,
    run: (context, { query }) =>
      backups.listBackups(context, { ...query, limit: query.limit ?? LIMITS.listDefault }),
  }),
  defineRoute({
    name: 'backupStatus',
    method: 'GET',
    url: '/v1/backups/status',
    action: 'backup.list',
    summary: 'How much could be lost now, and where the copies are',
    params: nothing,
    query: nothing,
    body: noBody,
    answer: backupStatus,
    status: 200,
    conflicts: true,
    run: (context) => backups.backupStatus(context),
  }),
  withEvents(
    defineRoute({
      name: 'runDrill',
      method: 'POST',
      url: '/v1/drills',
      action: 'backup.drill',
      summary:
        'Restore everything into a place of its own, compare it, and say how long it took. JSON Lines with progress on request',
      params: nothing,
      query: nothing,
      body: noBody,
      answer: drill,
      status: 201,
      run: (context) => backups.runDrill(context),
    }),
    (context) =>
      reported<DrillEvent, DrillEvent>(async (report) => {
        const tell = (progress: Read): void => report({ type: 'progress', ...progress });
        return { type: 'drill', drill: await backups.runDrill(context, tell) };
      }),
  ),
  defineRoute({
    name: 'listDrills',
    method: 'GET',
    url: '/v1/drills',
    action: 'backup.list',
    summary: 'List the drills, newest first',
    params: nothing,
    query: drillQuery,
    body: noBody,
    answer: drillPage,
    status: 200,
    conflicts: true,
    run: (context, { query }) => backups.listDrills(context, { limit: query.limit ?? LIMITS.listDefault }),
  }),
  defineRoute({
    name: 'rewindVault',
    method: 'POST',
    url: '/v1/vaults/:vault/rewind',
    action: 'vault.rewind',
    summary: 'Take a vault back to a moment; without `confirm` only count what that would do',
    params: inVault,
    query: nothing,
    body: rewindInput.optional(),
    answer: rewind,
    status: 200,
    run: (context, { params, body }) => backups.rewindVault(context, params.vault, body ?? {}),
  }),
  defineRoute({
    name: 'listRewinds',
    method: 'GET',
    url: '/v1/vaults/:vault/rewinds',
    action: 'rewind.list',
    summary: 'List how a vault was taken back, newest first, and how far what is under way has come',
    params: inVault,
    query: drillQuery,
    body: noBody,
    answer: rewindPage,
    status: 200,
    run: (context, { params, query }) =>
      backups.listRewinds(context, params.vault, { limit: query.limit ?? LIMITS.listDefault }),
  }),
];
