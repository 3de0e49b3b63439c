import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { encodeUtf8 } from '../bytes/encoding.ts';
import { Crash } from '../environment.ts';
import { realDisk, type Disk } from '../keys/disk.ts';
import { FileBlobs } from './blobs.ts';
import { FatalStoreError } from './connection.ts';
import { temporaryFolder, testEnvironment } from './testing/engines.ts';

const OLD = encodeUtf8('old');
const NEW = encodeUtf8('new and longer');

const openBlobs = (
  root: string,
  fault: (name: string) => void = () => undefined,
  disk?: Disk,
): Promise<FileBlobs> =>
  FileBlobs.open(root, {
    environment: testEnvironment(fault),
    onFatal: (error) => assert.fail(String(error)),
    ...(disk === undefined ? {} : { disk }),
  });

test('a blob comes back byte for byte, is listed, replaced and deleted', async (t) => {
  const blobs = await openBlobs(join(await temporaryFolder(t), 'blobs'));
  await blobs.put('segments/seg_1', OLD);
  await blobs.put('segments/seg_2', new Uint8Array(0));
  await blobs.put('plain', OLD);
  assert.deepEqual(await blobs.list(''), ['plain', 'segments/seg_1', 'segments/seg_2']);
  assert.deepEqual(await blobs.list('segments/'), ['segments/seg_1', 'segments/seg_2']);
  assert.deepEqual(await blobs.list('nothing/'), []);
  await blobs.put('segments/seg_1', NEW);
  assert.deepEqual(await blobs.get('segments/seg_1'), NEW);
  assert.deepEqual(await blobs.stat('segments/seg_1'), { sizeBytes: NEW.length });
  await blobs.delete('segments/seg_1');
  await blobs.delete('segments/seg_1');
  assert.equal(await blobs.stat('segments/seg_1'), null);
  await assert.rejects(blobs.get('segments/seg_1'), { code: 'not_found' });
});

test('a blob is read into memory that is given for it, of which it takes the beginning', async (t) => {
  const blobs = await openBlobs(join(await temporaryFolder(t), 'blobs'));
  await blobs.put('seg_1', OLD);
  const room = new Uint8Array(new SharedArrayBuffer(OLD.length + 3)).fill(7);
  const asked: number[] = [];
  const read = await blobs.getInto('seg_1', (sizeBytes) => {
    asked.push(sizeBytes);
    return room;
  });
  assert.deepEqual(asked, [OLD.length]);
  assert.equal(read.buffer, room.buffer);
  assert.deepEqual(Buffer.from(read), Buffer.from(OLD));
  assert.deepEqual(Array.from(room.subarray(OLD.length)), [7, 7, 7]);
  await assert.rejects(
    blobs.getInto('seg_2', () => room),
    { code: 'not_found' },
  );
});

test('a name that climbs, hides or is not ours is refused', async (t) => {
  const blobs = await openBlobs(join(await temporaryFolder(t), 'blobs'));
  for (const name of [
    '',
    '.',
    '..',
    '../x',
    'a/../b',
    '/etc/passwd',
    '.passing/x',
    'a//b',
    'a/',
    'A',
    'a\0',
    'a/b/c/d/e',
    'x'.repeat(101),
  ]) {
    await assert.rejects(blobs.put(name, OLD), RangeError, name);
    await assert.rejects(blobs.get(name), RangeError, name);
    await assert.rejects(blobs.delete(name), RangeError, name);
  }
  await assert.rejects(blobs.list('../'), RangeError);
});

test('nobody else can read a blob', async (t) => {
  const root = join(await temporaryFolder(t), 'blobs');
  await (await openBlobs(root)).put('segments/seg_1', OLD);
  const modes = await Promise.all(
    [root, join(root, 'segments'), join(root, 'segments/seg_1')].map((path) => stat(path)),
  );
  assert.deepEqual(
    modes.map(({ mode }) => mode & 0o777),
    [0o700, 0o700, 0o600],
  );
});

test('a crash at any step leaves the old blob whole or the new one, and nothing else after opening', async (t) => {
  const folder = await temporaryFolder(t);
  const found: Record<string, string> = {};
  for (const point of ['blob.write', 'blob.sync', 'blob.rename', 'blob.folder']) {
    const root = join(folder, point);
    await (await openBlobs(root)).put('seg_1', OLD);
    const crashing = await openBlobs(root, (name) => {
      if (name === point) throw new Crash(name);
    });
    await assert.rejects(crashing.put('seg_1', NEW), Crash);
    const reopened = await openBlobs(root);
    assert.deepEqual(await reopened.list(''), ['seg_1']);
    assert.deepEqual(await readdir(join(root, '.passing')), [], point);
    found[point] = Buffer.from(await reopened.get('seg_1')).toString();
  }
  const [old, whole] = ['old', 'new and longer'];
  assert.deepEqual(found, { 'blob.write': old, 'blob.sync': old, 'blob.rename': old, 'blob.folder': whole });
});

test('a crash while deleting leaves the blob or nothing', async (t) => {
  const root = join(await temporaryFolder(t), 'blobs');
  for (const [point, left] of [
    ['blob.delete', 1],
    ['blob.deleted', 0],
  ] as const) {
    await (await openBlobs(root)).put('seg_1', OLD);
    const crashing = await openBlobs(root, (name) => {
      if (name === point) throw new Crash(name);
    });
    await assert.rejects(crashing.delete('seg_1'), Crash);
    assert.equal((await (await openBlobs(root)).list('')).length, left);
  }
});

test('the file is synced before it has its name, and its folder after', async (t) => {
  const root = join(await temporaryFolder(t), 'blobs');
  const steps: string[] = [];
  const disk: Disk = {
    ...realDisk,
    user: realDisk.user,
    open: async (path, access) => {
      const file = await realDisk.open(path, access);
      return {
        read: () => file.read(),
        readInto: (room) => file.readInto(room),
        writeAt: (offset, bytes) => file.writeAt(offset, bytes),
        close: () => file.close(),
        sync: async () => {
          await file.sync();
          steps.push('file');
        },
      };
    },
    rename: async (from, to) => {
      await realDisk.rename(from, to);
      steps.push('rename');
    },
    syncFolder: async (path) => {
      await realDisk.syncFolder(path);
      steps.push(path === root ? 'root' : 'folder');
    },
  };
  const blobs = await openBlobs(root, () => undefined, disk);
  steps.length = 0;
  await blobs.put('segments/seg_1', OLD);
  assert.deepEqual(steps, ['root', 'file', 'rename', 'folder']);
});

test('a failed sync ends the process and the blob is not acknowledged', async (t) => {
  const root = join(await temporaryFolder(t), 'blobs');
  const fatal: unknown[] = [];
  const failing: Disk = {
    ...realDisk,
    user: realDisk.user,
    syncFolder: () => Promise.reject(new Error('EIO')),
  };
  await openBlobs(root);
  const opening = FileBlobs.open(root, {
    environment: testEnvironment(),
    onFatal: (e) => fatal.push(e),
    disk: failing,
  });
  await assert.rejects(opening, { code: 'store.unavailable' });
  assert.ok(fatal[0] instanceof FatalStoreError);
});

test('a write that fails leaves the old blob and no half of the new', async (t) => {
  const root = join(await temporaryFolder(t), 'blobs');
  const full: Disk = {
    ...realDisk,
    user: realDisk.user,
    open: async (path, access) => {
      const file = await realDisk.open(path, access);
      return access !== 'create'
        ? file
        : {
            read: () => file.read(),
            readInto: (room) => file.readInto(room),
            sync: () => file.sync(),
            close: () => file.close(),
            writeAt: () => Promise.reject(new Error('ENOSPC')),
          };
    },
  };
  await (await openBlobs(root)).put('seg_1', OLD);
  const blobs = await openBlobs(root, () => undefined, full);
  await assert.rejects(blobs.put('seg_1', NEW), { code: 'store.unavailable' });
  assert.deepEqual(await blobs.get('seg_1'), OLD);
  assert.deepEqual(await readdir(join(root, '.passing')), []);
});

test('what a crash left half-written is removed when opening', async (t) => {
  const root = join(await temporaryFolder(t), 'blobs');
  await mkdir(join(root, '.passing'), { recursive: true });
  await writeFile(join(root, '.passing', 'half'), 'half');
  await openBlobs(root);
  assert.deepEqual(await readdir(join(root, '.passing')), []);
});

test('a blob that was damaged on disk comes back as it is: finding it is the business of its box', async (t) => {
  const root = join(await temporaryFolder(t), 'blobs');
  const blobs = await openBlobs(root);
  await blobs.put('seg_1', OLD);
  await writeFile(join(root, 'seg_1'), 'oLd');
  assert.deepEqual(await blobs.get('seg_1'), new Uint8Array(await readFile(join(root, 'seg_1'))));
});
