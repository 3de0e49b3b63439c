import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { lockDirectory } from '../store/directory-lock.ts';
import { makeScratchFolder, removeScratchFolder, SCRATCH_DATA } from './scratch-folder.ts';

test('what a killed process left behind is taken away, and what somebody works in is not', async (t) => {
  const parent = await mkdtemp(join(tmpdir(), 'strongroom-test-'));
  t.after(() => rm(parent, { recursive: true, force: true }));
  const now = Date.now();
  const [used, left, young] = [
    await makeScratchFolder(now, parent),
    await makeScratchFolder(now, parent),
    await makeScratchFolder(now, parent),
  ];
  await mkdir(join(parent, 'strongroom-other'));
  for (const folder of [used, left]) await mkdir(join(folder, SCRATCH_DATA));
  const lock = lockDirectory(join(used, SCRATCH_DATA));
  t.after(() => lock.release());
  await makeScratchFolder(now, parent);
  assert.equal((await readdir(parent)).length, 5, 'all are young');
  const later = await makeScratchFolder(now + 2 * 3_600_000, parent);
  const names = (await readdir(parent)).map((name) => join(parent, name));
  assert.ok(
    names.includes(used) && names.includes(later) && names.includes(join(parent, 'strongroom-other')),
  );
  assert.ok(!names.includes(left) && !names.includes(young));
  await removeScratchFolder(later);
});
