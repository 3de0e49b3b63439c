/**
 * What an opened deployment does by itself: `cold-process.ts DIRECTORY VAULT`. A process of its own each time, so that
 * nothing is warm but the operating system's file cache.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { realEnvironment } from '../src/environment.ts';
import { parseSettings } from '../src/config.ts';
import { RecordKeys } from '../src/keys/record-key.ts';
import { KeyedSealer, type RecordBoxes } from '../src/keys/record-sealer.ts';
import type { Slot } from '../src/keys/slot.ts';
import { SYSTEM } from '../src/store/store.ts';
import { openStrongroom, type Strongroom } from '../src/strongroom.ts';
import type { OrganizationId } from '../src/ids.ts';
import type { Vault } from '../src/vaults/vault.ts';
import { answerParent } from './child.ts';
import { Corpus, DIMENSIONS } from './corpus.ts';

export interface Cold {
  /** Until the deployment is open: directory, store, keyring. */
  readonly deploymentMs: number;
  /** Until the vault's index is full. */
  readonly vaultMs: number;
  /** And the first search, in this process. */
  readonly searchMs: number;
  readonly memories: number;
  readonly segments: number;
}

export interface Sealing {
  readonly sealsPerSecond: number;
  readonly opensPerSecond: number;
}

export interface ColdQuestions {
  readonly open: { takes: { readonly withSegments: boolean }; answers: Cold };
  readonly seal: { takes: { readonly seconds: number }; answers: Sealing };
  /** AES-256-GCM alone, on as many bytes as the deployment's blobs have, in pieces of their sizes. */
  readonly decrypt: {
    takes: null;
    answers: { readonly bytes: number; readonly ms: number };
  };
  readonly close: { takes: null; answers: null };
}

const [directory = '', vaultName = ''] = process.argv.slice(2);
const SLOTS = 4000;
const BODY_BYTES = 211;
let open: Strongroom | null = null;

answerParent<ColdQuestions>({
  open: async ({ withSegments }) => {
    const started = performance.now();
    open = await openStrongroom({
      directory,
      settings: parseSettings(null, {}),
      environment: realEnvironment,
      log: { info: () => undefined, error: (fields, message) => console.error(message, fields) },
      onFatal: (error) => {
        throw error;
      },
    });
    const deploymentMs = performance.now() - started;
    const vault = await theVault(open);
    const segments = withSegments ? await countSegments(open, vault) : await dropSegments(open, vault);
    return { deploymentMs, segments, ...(await timeVault(open, vault)) };
  },
  seal: async ({ seconds }) => sealing(opened(), seconds),
  decrypt: async () => decryption(await blobSizes()),
  close: async () => {
    await opened().close();
    return null;
  },
});

async function timeVault(
  { indexes }: Strongroom,
  vault: Vault,
): Promise<Pick<Cold, 'vaultMs' | 'searchMs' | 'memories'>> {
  const numbers = new Corpus(7).vector();
  const vector = Float32Array.from(
    { length: vault.dimensions ?? DIMENSIONS },
    (_, at) => numbers[at % DIMENSIONS] ?? 0,
  );
  const started = performance.now();
  const index = await indexes.of(vault);
  const filled = performance.now();
  await index.search({ vector, mode: 'vector', limit: 10, now: Date.now() });
  const searched = performance.now();
  const { records } = await index.stats();
  return { vaultMs: filled - started, searchMs: searched - filled, memories: records };
}

const countSegments = async ({ store }: Strongroom, vault: Vault): Promise<number> => {
  const rows = await store.read(vault.organization.id, (db) =>
    db.selectFrom('segments').select('id').where('vault', '=', vault.id).execute(),
  );
  return rows.length;
};

/** As they are for a vault that was never closed in good order. */
async function dropSegments({ store }: Strongroom, vault: Vault): Promise<number> {
  await store.write(vault.organization.id, (tx) =>
    tx.sql.deleteFrom('segments').where('vault', '=', vault.id).execute(),
  );
  return 0;
}

/** A memory's key and its two boxes, text and vector, in the order of slots as additions take them. */
function sealing({ keyring }: Strongroom, seconds: number): Sealing {
  const sealer = new KeyedSealer(new RecordKeys(keyring), realEnvironment.random);
  const leaf = keyring.takeLeaf();
  const body = new Uint8Array(randomBytes(BODY_BYTES));
  const vector = new Uint8Array(randomBytes(DIMENSIONS * Float32Array.BYTES_PER_ELEMENT));
  const place = { table: 'memory_versions', organization: 'org', vault: 'vault', id: 'mem', version: 1 };
  const at = (number: number): RecordBoxes => {
    const slot = (index: number): Slot => (leaf * 4096 + index) as Slot;
    return sealer.at({
      ...place,
      own: slot(number % SLOTS),
      scope: [
        ['organization', slot(4095)],
        ['vault', slot(4094)],
      ],
    });
  };
  const sealed = (number: number) => {
    const boxes = at(number);
    return { body: boxes.seal('body_box', body), vector: boxes.seal('vector_box', vector) };
  };
  const kept = Array.from({ length: SLOTS }, (_, number) => sealed(number));
  return {
    sealsPerSecond: rate(seconds, (number) => void sealed(number)),
    opensPerSecond: rate(seconds, (number) => {
      const boxes = at(number);
      const box = kept[number % SLOTS];
      if (box === undefined) throw new RangeError('a box that was not kept');
      boxes.open('body_box', box.body);
      boxes.open('vector_box', box.vector);
    }),
  };
}

async function blobSizes(): Promise<readonly number[]> {
  const entries = await readdir(join(directory, 'blobs'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(files.map(async ({ parentPath, name }) => (await stat(join(parentPath, name))).size));
}

function decryption(sizes: readonly number[]): { bytes: number; ms: number } {
  const key = randomBytes(32);
  let ms = 0;
  for (const size of sizes) {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    const sealed = Buffer.concat([cipher.update(randomBytes(size)), cipher.final()]);
    const started = performance.now();
    const decipher = createDecipheriv('aes-256-gcm', key, nonce);
    decipher.setAuthTag(cipher.getAuthTag());
    decipher.update(sealed);
    decipher.final();
    ms += performance.now() - started;
  }
  return { bytes: sizes.reduce((sum, size) => sum + size, 0), ms };
}

function rate(seconds: number, work: (number: number) => void): number {
  const started = performance.now();
  let number = 0;
  while (performance.now() - started < seconds * 1000) work(number++);
  return number / ((performance.now() - started) / 1000);
}

async function theVault({ store, vaults }: Strongroom): Promise<Vault> {
  const row = await store.read(SYSTEM, (db) =>
    db.selectFrom('organizations').select('id').executeTakeFirstOrThrow(),
  );
  const vault = await vaults.find(row.id as OrganizationId, vaultName);
  if (vault === null) throw new Error(`no vault ${vaultName}`);
  return vault;
}

function opened(): Strongroom {
  if (open === null) throw new Error('the deployment is not open');
  return open;
}
