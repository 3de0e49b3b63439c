import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { lockDirectory } from './directory-lock.ts';
import { temporaryFolder } from './testing/engines.ts';

test('a directory is locked once, in this process too, until it is released', async (t) => {
  const folder = await temporaryFolder(t);
  const lock = lockDirectory(folder);
  assert.throws(() => lockDirectory(folder), { code: 'data.in_use' });
  lock.release();
  lock.release();
  lockDirectory(folder).release();
});

test('a lock dies with its process, however that ends', async (t) => {
  const folder = await temporaryFolder(t);
  const module = new URL('directory-lock.ts', import.meta.url).href;
  const program = `
    const { lockDirectory } = await import(${JSON.stringify(module)});
    lockDirectory(${JSON.stringify(folder)});
    process.stdout.write('locked');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--conditions=source', '--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  assert.throws(() => lockDirectory(folder), { code: 'data.in_use' });
  child.kill('SIGKILL');
  await once(child, 'exit');
  lockDirectory(folder).release();
});
