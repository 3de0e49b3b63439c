/**
 * Builds what is published: the client first, because the server resolves it as a package, then the server with its
 * kernel, and the package.json that goes with it. Node refuses to strip types inside node_modules, so both are built.
 */
import { execFileSync } from 'node:child_process';
import { cp, readFile, rm, writeFile } from 'node:fs/promises';

const run = (...command) => execFileSync('npx', command, { stdio: 'inherit' });

await rm('dist', { recursive: true, force: true });
run('npm', 'run', 'build', '-w', 'client');
run('tsc', '-p', 'tsconfig.build.json');
await cp('src/search/kernel/kernel.wasm', 'dist/search/kernel/kernel.wasm');

const { name, version, description, license, type, dependencies } = JSON.parse(
  await readFile('package.json', 'utf8'),
);
const published = {
  name,
  version,
  description,
  license,
  type,
  engines: { node: '>=26' },
  bin: { strongroom: './cli/main.js' },
  exports: { '.': './deployment.js' },
  dependencies,
};
await writeFile('dist/package.json', `${JSON.stringify(published, null, 2)}\n`);
await cp('README.md', 'dist/README.md');
await cp('LICENSE', 'dist/LICENSE');
