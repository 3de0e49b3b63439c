/**
 * Makes a deployment: keystore, organization, project, vault `default` and the first key.
 *
 * What is half made is never served: the mark that a deployment is whole is written in the last transaction. A folder
 * that an interrupted run left behind holds nothing of anybody and is refused with the advice to remove it.
 */
import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FOUNDER } from './access/organizations.ts';
import { encodeHex, encodeUtf8 } from './bytes/encoding.ts';
import { Closing } from './closing.ts';
import type { OrganizationId } from './ids.ts';
import { StrongroomError } from './errors.ts';
import { lockDatabase } from './store/database-lock.ts';
import { lockDirectory } from './store/directory-lock.ts';
import { openStore } from './store/open-store.ts';
import { SYSTEM, type Store, type Tx } from './store/store.ts';
import { createKeys, storeTarget } from './composition/base.ts';
import { openStrongroom, type OpenStrongroom, type Strongroom } from './strongroom.ts';

const DEPLOYMENT_BYTES = 16;
const DEFAULT_NAME = 'default';
/** Says to whoever looks at the folder which deployment lies here; the database says whether it is whole. */
const MARK_FILE = 'deployment';

/** Throws `data.exists` where there is a deployment, or the rest of one. Answers the text of the first key. */
export async function initialise(options: OpenStrongroom): Promise<string> {
  await mkdir(options.directory, { recursive: true, mode: 0o700 });
  await makeKeys(options);
  const open = await openStrongroom(options);
  try {
    return await found(open);
  } finally {
    await open.close();
  }
}

/** Whether the folder holds a deployment or the rest of one, without opening it. */
export async function isInitialised(directory: string): Promise<boolean> {
  try {
    await stat(join(directory, MARK_FILE));
    return true;
  } catch {
    return false;
  }
}

async function makeKeys(options: OpenStrongroom): Promise<void> {
  const { directory, environment, onFatal } = options;
  const closing = new Closing();
  try {
    const lock = lockDirectory(directory);
    closing.add(() => Promise.resolve(lock.release()));
    const target = storeTarget(options);
    const database = await lockDatabase(target, onFatal);
    closing.add(() => database.release());
    const store = await openStore(target, environment, onFatal);
    closing.add(() => store.close());
    const deployment = environment.random(DEPLOYMENT_BYTES);
    await refuseExisting(store, directory);
    if (await isInitialised(directory))
      throw new StrongroomError(
        'data.exists',
        `${directory} holds a deployment whose database is elsewhere: set \`database\` to where it is`,
      );
    await writeFile(join(directory, MARK_FILE), `${encodeHex(deployment)}\n`, { mode: 0o600 });
    await store.write(SYSTEM, (tx) => mark(tx, 'deployment', deployment));
    await createKeys(options, store, deployment);
  } finally {
    await closing.run();
  }
}

/** Throws unless every step of `initialise` has been done. */
export async function requireWhole(store: Store): Promise<void> {
  const row = await store.read(SYSTEM, (db) =>
    db.selectFrom('meta').select('name').where('name', '=', 'initialised').executeTakeFirst(),
  );
  if (row === undefined)
    throw new StrongroomError(
      'data.missing',
      'init was interrupted: remove the data directory and run it again',
    );
}

async function found(open: Strongroom): Promise<string> {
  const { store, ledger, organizations, apiKeys, vaults, newId } = open;
  const id: OrganizationId = newId('organization');
  const made = { principal: 'system', outcome: 'done', request: '', scope: [] } as const;
  const organization = await store.write(id, async (tx) => {
    const organization = await organizations.create(tx, id, DEFAULT_NAME);
    const project = await organizations.createProject(tx, organization, DEFAULT_NAME);
    ledger.append(tx, { ...made, action: 'organization.create', target: id });
    ledger.append(tx, { ...made, action: 'project.create', target: project });
    return { organization, project };
  });
  const key = await store.write(id, async (tx) => {
    const vault = await vaults.create(tx, organization, { name: DEFAULT_NAME });
    const key = await apiKeys.createFirst(tx, organization.organization, 'first key');
    ledger.append(tx, { ...made, action: 'vault.create', target: vault.id });
    ledger.append(tx, { ...made, action: 'key.create', target: key.id });
    return key;
  });
  await store.write(SYSTEM, async (tx) => {
    await mark(tx, FOUNDER, encodeUtf8(id));
    await mark(tx, 'initialised', Uint8Array.of(1));
  });
  return key.apiKey;
}

async function refuseExisting(store: Store, directory: string): Promise<void> {
  const rows = await store.read(SYSTEM, (db) => db.selectFrom('meta').select('name').execute());
  const names = rows.map(({ name }) => name);
  if (names.includes('initialised'))
    throw new StrongroomError('data.exists', `${directory} holds a deployment`);
  if (names.includes('deployment'))
    throw new StrongroomError(
      'data.exists',
      `${directory} is left from an interrupted init: remove it, then run init`,
    );
}

async function mark(tx: Tx, name: string, value: Uint8Array): Promise<void> {
  await tx.sql.insertInto('meta').values({ name, value, change: tx.change }).execute();
}
