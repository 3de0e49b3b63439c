/** Memories as callers meet them, and how they end: erasures with their requests and certificates. */
import { Closing } from '../closing.ts';
import { keystorePlaces } from '../config.ts';
import { fileSystemOf } from '../keys/file-system.ts';
import { Burials } from '../lifecycle/burials.ts';
import type { ReplicaFacts } from '../lifecycle/certificate.ts';
import { Certificates } from '../lifecycle/certificates.ts';
import { ErasureNotes } from '../lifecycle/erasure-notes.ts';
import { ErasureRequests } from '../lifecycle/erasure-requests.ts';
import { Erasures } from '../lifecycle/erasures.ts';
import { Purge } from '../lifecycle/purge.ts';
import { VaultEndings } from '../lifecycle/vault-endings.ts';
import { LIMITS } from '../limits.ts';
import { Embedding } from '../vaults/embedding.ts';
import { Memories } from '../vaults/memories.ts';
import { type Base, deploymentName } from './base.ts';
import type { Content } from './content.ts';
import { logError, type OpenStrongroom } from './options.ts';
import type { Trust } from './trust.ts';

export type Erasing = ReturnType<typeof openErasing>;

export function openErasing(
  options: OpenStrongroom,
  { base, trust, content }: { readonly base: Base; readonly trust: Trust; readonly content: Content },
  closing: Closing,
) {
  const { environment, log } = options;
  const { store, keyring } = base;
  const { access, certificateSigners, cursors, destruction, ledger, newId, organizations, recorder, sealer } =
    trust;
  const {
    blobs,
    embedder,
    guard,
    holdGuard,
    indexes,
    people,
    rows,
    rules,
    segments,
    time,
    tombstones,
    vaults,
  } = content;
  const erasureNotes = new ErasureNotes({ store, keyring, organizations });
  const erasures = new Erasures({
    notes: erasureNotes,
    store,
    keyring,
    destruction,
    guard,
    ledger,
    organizations,
    vaults,
    people,
    indexes,
    burials: new Burials({ sealer, vaults, tombstones }),
    dueNow: () => time.now(),
    purge: new Purge({ store, keyring, segments, blobs, people, environment }),
    newId,
    environment,
    onError: (error) => logError(log, error, 'rows of an erasure are still to be removed'),
  });
  closing.add(() => erasures.close());
  const memories = new Memories({
    store,
    destruction,
    guard,
    retention: rules,
    eraser: erasures,
    tombstones,
    sealer,
    vaults,
    rows,
    indexes,
    embedding: new Embedding(embedder),
    recorder,
    cursors,
    environment,
  });
  const vaultEndings = new VaultEndings({
    store,
    sealer,
    organizations,
    vaults,
    indexes,
    recorder,
    ledger,
    guard,
    eraser: erasures,
  });
  const erasureRequests = new ErasureRequests({
    store,
    keyring,
    access,
    organizations,
    vaults,
    people,
    rows,
    memories,
    erasures,
    ledger,
    guard: holdGuard,
    recorder,
    cursors,
    clock: environment.clock,
  });
  const certificates = new Certificates({
    store,
    keyring,
    ledger,
    recorder,
    access,
    requests: erasureRequests,
    signers: certificateSigners,
    deployment: deploymentName(keyring.deployment),
    replicas: (names) => replicaFacts(options, names),
    backupDays: LIMITS.backupDays,
    clock: environment.clock,
  });
  return {
    erasureNotes,
    erasures,
    memories,
    vaultEndings,
    erasureRequests,
    certificates,
  };
}

/** What a certificate says of replicas, by their names. */
async function replicaFacts(
  { settings, directory }: OpenStrongroom,
  names: readonly string[],
): Promise<readonly ReplicaFacts[]> {
  const places = new Map(keystorePlaces(settings, directory).map(({ name, folder }) => [name, folder]));
  return Promise.all(
    names.map(async (name) => {
      const folder = places.get(name);
      const found = folder === undefined ? null : await fileSystemOf(folder);
      return {
        name,
        provider: 'file',
        strength: 'overwritten',
        fileSystem: found?.name ?? 'unknown',
        keepsOverwritten: found?.keepsOverwritten ?? false,
      } as const;
    }),
  );
}
