/**
 * The schemas that validate and the client's types are one thing: the compiler refuses this file when they differ.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type * as client from '@strongroom/client';
import { z } from 'zod';
import { LIMITS } from '../limits.ts';
import * as holds from './hold-schemas.ts';
import * as archive from './archive-schemas.ts';
import * as exports from './export-schemas.ts';
import * as backups from './backup-schemas.ts';
import * as erasures from './erasure-schemas.ts';
import * as health from './health-schemas.ts';
import * as keys from './key-schemas.ts';
import * as ledger from './ledger-schemas.ts';
import * as memories from './memory-schemas.ts';
import * as retention from './retention-schemas.ts';
import * as rotations from './rotation-schemas.ts';
import { vector } from './schema-parts.ts';
import * as vaults from './vault-schemas.ts';
import * as verifications from './verification-schemas.ts';

/** A type with nothing left to chance: intersections merged, and what is optional said as a value, not as a mark. */
type Plain<T> = T extends readonly (infer Item)[]
  ? Plain<Item>[]
  : T extends object
    ? {
        [Name in keyof T]-?: object extends Pick<T, Name>
          ? { optional: Plain<Exclude<T[Name], undefined>> }
          : Plain<T[Name]>;
      }
    : T;
type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false;
/** `true` if the schema's output and the client's type are equal, `never` (which nothing is) if not. */
type Equal<Schema extends z.ZodType, Wire> =
  Same<Plain<z.output<Schema>>, Plain<Wire>> extends true ? true : never;

const equal: readonly true[] = [
  true satisfies Equal<typeof vaults.vaultInput, client.VaultInput>,
  true satisfies Equal<typeof vaults.vaultPatch, client.VaultPatch>,
  true satisfies Equal<typeof vaults.vault, client.Vault>,
  true satisfies Equal<typeof vaults.vaultPage, client.VaultPage>,
  true satisfies Equal<typeof memories.messageInput, client.MessageInput>,
  true satisfies Equal<typeof memories.memoryInput, client.MemoryInput>,
  true satisfies Equal<typeof memories.memoriesInput, client.MemoriesInput>,
  true satisfies Equal<typeof memories.memoryPatch, client.MemoryPatch>,
  true satisfies Equal<typeof memories.memory, client.Memory>,
  true satisfies Equal<typeof memories.memoryPage, client.MemoryPage>,
  true satisfies Equal<typeof memories.memoriesAdded, client.MemoriesAdded>,
  true satisfies Equal<typeof memories.memoryHistory, client.MemoryHistory>,
  true satisfies Equal<typeof memories.memoryListInput, client.MemoryListQuery>,
  true satisfies Equal<typeof memories.memoryListQuery, client.MemoryListQuery>,
  true satisfies Equal<typeof memories.searchInput, client.SearchInput>,
  true satisfies Equal<typeof memories.searchResults, client.SearchResults>,
  true satisfies Equal<typeof retention.entryRetention, client.EntryRetention>,
  true satisfies Equal<typeof retention.logRetention, client.LogRetention>,
  true satisfies Equal<typeof erasures.erasureTarget, client.ErasureTarget>,
  true satisfies Equal<typeof erasures.erasureInput, client.ErasureInput>,
  true satisfies Equal<typeof erasures.erasure, client.Erasure>,
  true satisfies Equal<typeof erasures.erasurePlan, client.ErasurePlan>,
  true satisfies Equal<typeof erasures.erasureListQuery, client.ErasureListQuery>,
  true satisfies Equal<typeof erasures.erasurePage, client.ErasurePage>,
  true satisfies Equal<typeof erasures.erasureRecipients, client.ErasureRecipients>,
  true satisfies Equal<typeof erasures.certificate, client.Certificate>,
  true satisfies Equal<typeof erasures.certificateKey, client.CertificateKey>,
  true satisfies Equal<typeof keys.keyInput, client.KeyInput>,
  true satisfies Equal<typeof keys.key, client.Key>,
  true satisfies Equal<typeof keys.newKey, client.NewKey>,
  true satisfies Equal<typeof keys.keyPage, client.KeyPage>,
  true satisfies Equal<typeof retention.retentionPolicyInput, client.RetentionPolicyInput>,
  true satisfies Equal<typeof retention.retentionPolicy, client.RetentionPolicyView>,
  true satisfies Equal<typeof retention.retentionExplanation, client.RetentionExplanation>,
  true satisfies Equal<typeof retention.retentionSimulation, client.RetentionSimulation>,
  true satisfies Equal<typeof holds.holdInput, client.HoldInput>,
  true satisfies Equal<typeof holds.hold, client.Hold>,
  true satisfies Equal<typeof holds.holdPage, client.HoldPage>,
  true satisfies Equal<typeof archive.archiveRequestInput, client.ArchiveRequestInput>,
  true satisfies Equal<typeof archive.archiveRequest, client.ArchiveRequest>,
  true satisfies Equal<typeof archive.archiveRequestPage, client.ArchiveRequestPage>,
  true satisfies Equal<typeof exports.exportInput, client.ExportInput>,
  true satisfies Equal<typeof exports.keptExport, client.Export>,
  true satisfies Equal<typeof exports.exportPage, client.ExportPage>,
  true satisfies Equal<typeof ledger.ledgerQuery, client.LedgerQuery>,
  true satisfies Equal<typeof ledger.ledgerEntry, client.LedgerEntry>,
  true satisfies Equal<typeof ledger.ledgerPage, client.LedgerPage>,
  true satisfies Equal<typeof ledger.ledgerCheckpoint, client.LedgerCheckpoint>,
  true satisfies Equal<typeof ledger.ledgerProof, client.LedgerProof>,
  true satisfies Equal<typeof ledger.ledgerKeys, client.LedgerKeys>,
  true satisfies Equal<typeof rotations.rotationInput, client.RotationInput>,
  true satisfies Equal<typeof rotations.rotationKeys, client.RotationKeys>,
  true satisfies Equal<typeof rotations.rotationResult, client.RotationResult>,
  true satisfies Equal<typeof ledger.ledgerConsistency, client.LedgerConsistency>,
  true satisfies Equal<typeof verifications.verificationInput, client.VerificationInput>,
  true satisfies Equal<typeof verifications.claimResult, client.ClaimResult>,
  true satisfies Equal<typeof verifications.verification, client.Verification>,
  true satisfies Equal<typeof backups.backupInput, client.BackupInput>,
  true satisfies Equal<typeof backups.backup, client.Backup>,
  true satisfies Equal<typeof backups.backupPage, client.BackupPage>,
  true satisfies Equal<typeof backups.backupStatus, client.BackupStatus>,
  true satisfies Equal<typeof backups.drill, client.Drill>,
  true satisfies Equal<typeof backups.drillPage, client.DrillPage>,
  true satisfies Equal<typeof backups.rewindInput, client.RewindInput>,
  true satisfies Equal<typeof backups.rewind, client.Rewind>,
  true satisfies Equal<typeof backups.rewindPage, client.RewindPage>,
  true satisfies Equal<typeof health.health, client.Health>,
  true satisfies Equal<typeof health.problem, client.Problem>,
];

test('every schema has the type that the client publishes, and a difference would be refused', () => {
  assert.ok(equal.every(Boolean));
  // Positive control: these lines stop compiling if the comparison ever takes everything for equal.
  // @ts-expect-error -- a member is missing
  true satisfies Equal<typeof vaults.vault, Omit<client.Vault, 'name'>>;
  // @ts-expect-error -- a member has another type
  true satisfies Equal<typeof vaults.vaultPage, { vaults: client.Key[]; next: string | null }>;
  // @ts-expect-error -- a member is optional here and not there
  true satisfies Equal<typeof keys.key, Required<client.Key>>;
});

test('a vector holds numbers that are finite as float32, and nothing else', () => {
  const last = 3.4028235677973366e38; // the smallest double that rounds to infinity
  assert.ok(Math.fround(last) === Infinity);
  const below = 3.4028235677973362e38;
  assert.ok(Number.isFinite(Math.fround(below)));
  assert.ok(vector.safeParse([1, below]).success);
  for (const wrong of [last, -last, 1e39, Infinity, Number.NaN, '1', null, true, [1], undefined]) {
    const parsed = vector.safeParse([1, 2, wrong]);
    assert.deepEqual(parsed.error?.issues[0]?.path, [2], String(wrong));
  }
  for (const wrong of [
    [1],
    [],
    Array.from({ length: LIMITS.dimensionsMax + 1 }, () => 1),
    'x',
    null,
    {},
    { length: 2 },
  ])
    assert.ok(!vector.safeParse(wrong).success);
});

test('times are written in UTC, and what only looks like one is refused', () => {
  const at = (text: string): string | undefined =>
    memories.messageInput.safeParse({ role: 'user', content: 'x', at: text }).data?.at;
  assert.equal(at('2026-05-07T12:00:00+02:00'), '2026-05-07T10:00:00.000Z');
  assert.equal(at('2024-02-29T00:00:00Z'), '2024-02-29T00:00:00.000Z');
  for (const wrong of [
    '2026-02-30T00:00:00Z',
    '2026-05-07',
    '2026-05-07T10:00:00',
    'tomorrow',
    '',
    '2026-13-01T00:00:00Z',
  ])
    assert.equal(at(wrong), undefined, wrong);
});
