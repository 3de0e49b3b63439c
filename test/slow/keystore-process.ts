/**
 * A small process for `keystore-fsync.test.ts`: opens a keystore, punctures two slots, says so, ends.
 *
 * The database is one JSON file that is replaced and synced at each commit, through the same thread as the keystore's
 * writes, so that a failing sync strikes either. An error ends the process with code 70, as the server does.
 */
import { open, readFile, rename } from 'node:fs/promises';
import { realDisk } from '../../src/keys/disk.ts';
import { openKeyring, type OpenOptions } from '../../src/keys/open.ts';
import { slotOf } from '../../src/keys/slot.ts';
import { FakeJournal } from '../../src/keys/testing/fake-journal.ts';
import { realEnvironment } from '../../src/environment.ts';

export const DEAD = [slotOf(1, 3), slotOf(1, 70)];
export const LIVING = [slotOf(1, 2), slotOf(1, 4), slotOf(2, 0)];

/** Bytes as numbers, so that JSON carries them. */
const replacer = (_: string, value: unknown): unknown =>
  value instanceof Uint8Array ? { bytes: [...value] } : value;
const reviver = (_: string, value: unknown): unknown =>
  typeof value === 'object' && value !== null && 'bytes' in value
    ? new Uint8Array(value.bytes as number[])
    : value;

export class FileJournal extends FakeJournal {
  readonly #path: string;

  constructor(path: string) {
    super();
    this.#path = path;
  }

  static async load(path: string): Promise<FileJournal> {
    const journal = new FileJournal(path);
    journal.state = JSON.parse(await readFile(path, 'utf8'), reviver) as FakeJournal['state'];
    return journal;
  }

  async save(): Promise<void> {
    const draft = await open(`${this.#path}.new`, 'w');
    try {
      await draft.writeFile(JSON.stringify(this.state, replacer));
      await draft.datasync();
    } finally {
      await draft.close();
    }
    await rename(`${this.#path}.new`, this.#path);
  }

  override async prepare(...given: Parameters<FakeJournal['prepare']>): Promise<void> {
    await super.prepare(...given);
    await this.save();
  }

  override async complete(...given: Parameters<FakeJournal['complete']>): Promise<void> {
    await super.complete(...given);
    await this.save();
  }
}

export async function optionsFor(
  directory: string,
  journal: FileJournal,
  onFatal: (error: unknown) => void,
): Promise<OpenOptions> {
  return {
    replicas: ['a', 'b'].map((name) => ({ name, folder: `${directory}/keystore/${name}` })),
    deployment: new Uint8Array(16).fill(7),
    disk: realDisk,
    environment: realEnvironment,
    journal,
    derived: [],
    onFatal,
  };
}

if (import.meta.main) {
  const [directory = ''] = process.argv.slice(2);
  const journal = await FileJournal.load(`${directory}/journal.json`);
  const end = (): never => process.exit(70);
  const keyring = await openKeyring(await optionsFor(directory, journal, end)).catch(end);
  const outcome = await keyring.puncture({ id: 'era_1', slots: DEAD, reason: '' }).catch(end);
  process.stdout.write(`${outcome.state}\n`);
  await keyring.close();
}
