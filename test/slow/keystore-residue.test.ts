import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Bytes } from '../../src/bytes/encoding.ts';
import { realEnvironment } from '../../src/environment.ts';
import { realDisk } from '../../src/keys/disk.ts';
import { createKeystore, openKeyring } from '../../src/keys/open.ts';
import { encodeCell, encodeHeader } from '../../src/keys/root-file.ts';
import { slotOf } from '../../src/keys/slot.ts';
import { FakeJournal } from '../../src/keys/testing/fake-journal.ts';

const IMAGE_BYTES = 48 * 1024 * 1024;
const EPOCHS = 50;
const DEPLOYMENT = new Uint8Array(16).fill(7);

test('after 50 epochs on ext4 the raw image holds one root, and no page key nor seed that ever was', async (t) => {
  const image = await mountImage(t);
  if (image.why !== null) return t.skip(image.why);
  const made: Bytes[] = [];
  const random = (length: number): Bytes => {
    const bytes = realEnvironment.random(length);
    if (length === 32) made.push(bytes.slice());
    return bytes;
  };
  const options = {
    replicas: ['a', 'b'].map((name) => ({ name, folder: `${image.folder}/keystore/${name}` })),
    deployment: DEPLOYMENT,
    disk: realDisk,
    environment: { ...realEnvironment, random },
    journal: new FakeJournal(),
    derived: [],
    onFatal: (error: unknown) => assert.fail(String(error)),
  };
  await createKeystore(options);
  const keyring = await openKeyring(options);
  for (let at = 0; at < EPOCHS; at++)
    await keyring.puncture({ id: `era_${at}`, slots: [slotOf(1, at * 3)], reason: '' });
  assert.equal(keyring.epoch, 2 + EPOCHS);
  await keyring.close();
  const found = await image.search(made);
  t.diagnostic(`${made.length} secrets were made, ${found} is in the image`);
  assert.ok(made.length > 2 * EPOCHS);
  assert.equal(found, 1);
});

test('written by rename instead, every one of 50 roots is found in the raw image', async (t) => {
  const image = await mountImage(t);
  if (image.why !== null) return t.skip(image.why);
  const roots = Array.from({ length: EPOCHS }, () => realEnvironment.random(32));
  for (const [at, root] of roots.entries()) {
    const draft = `${image.folder}/root.new`;
    const file = await realDisk.open(draft, 'create');
    await file.writeAt(0, encodeHeader(DEPLOYMENT));
    await file.writeAt(4096, encodeCell(DEPLOYMENT, at + 1, root.slice()));
    await file.sync();
    await file.close();
    await realDisk.rename(draft, `${image.folder}/root`);
    await realDisk.syncFolder(image.folder);
  }
  assert.equal(await image.search(roots), EPOCHS);
});

interface Image {
  readonly why: string | null;
  readonly folder: string;
  /** Unmounts, and counts how many of these the raw image holds. */
  search(values: readonly Bytes[]): Promise<number>;
}

/** An ext4 file system in a file, mounted; `why` says why not. */
async function mountImage(t: TestContext): Promise<Image> {
  const directory = await mkdtemp(join(tmpdir(), 'strongroom-residue-'));
  const image = join(directory, 'image');
  const folder = join(directory, 'mounted');
  let isMounted = false;
  const unmount = (): void => {
    if (isMounted) assert.equal(spawnSync('umount', [folder]).status, 0);
    isMounted = false;
  };
  t.after(async () => {
    unmount();
    await rm(directory, { recursive: true, force: true });
  });
  await mkdir(folder);
  await writeFile(image, '');
  await truncate(image, IMAGE_BYTES);
  const why = failure('mkfs.ext4', '-q', '-F', image) ?? failure('mount', '-o', 'loop', image, folder);
  isMounted = why === null;
  const search = async (values: readonly Bytes[]): Promise<number> => {
    unmount();
    const raw = await readFile(image);
    return values.filter((value) => raw.includes(value)).length;
  };
  return { why, folder, search };
}

function failure(command: string, ...given: string[]): string | null {
  const { status, error, stderr } = spawnSync(command, given, { encoding: 'utf8' });
  if (error !== undefined) return `${command} is not available`;
  return status === 0 ? null : `${command} is not possible here: ${stderr.trim().split('\n')[0]}`;
}
