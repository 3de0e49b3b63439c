/**
 * The rules of the house that a compiler does not know: layers, banned calls, dead files, documents that lead nowhere.
 * Each rule is a pure function over the tree and is shown to fail on a tree that breaks it.
 */
import assert from 'node:assert/strict';
import { readFile, readdir } from 'node:fs/promises';
import { dirname, join, normalize, relative } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Lowest first. A file imports from its own layer and from those before it. Names without a slash are files in src/. */
const LAYERS = [
  ['client'],
  [
    'bytes',
    'errors.ts',
    'environment.ts',
    'timer.ts',
    'ids.ts',
    'limits.ts',
    'config.ts',
    'closing.ts',
    'durations.ts',
    'version.ts',
  ],
  ['crypto'],
  ['keys'],
  ['store'],
  ['ledger'],
  ['egress'],
  ['search'],
  ['access'],
  ['vaults'],
  ['lifecycle'],
  ['recovery'],
  ['http'],
  ['assurance'],
  ['composition'],
  [
    'strongroom.ts',
    'initialise.ts',
    'housekeeping.ts',
    'http-parts.ts',
    'keystore-health.ts',
    'worlds.ts',
    'doctor.ts',
    'restoring.ts',
    'recovering.ts',
    'recover.ts',
    'deployment.ts',
  ],
  ['cli'],
  ['mcp'],
];

/** Calls that have a replacement, and who may use them all the same. */
const BANNED: readonly { pattern: RegExp; instead: string; allowed: readonly string[] }[] = [
  {
    pattern: /\bDate\.now\(|new Date\(\)/,
    instead: 'environment.clock',
    allowed: ['src/environment.ts', 'src/cli/', 'client/src/'],
  },
  { pattern: /\bMath\.random\(/, instead: 'environment.random', allowed: ['client/src/'] },
  {
    pattern: /\brandomBytes\(|\brandomUUID\(|\brandomFillSync\(/,
    instead: 'environment.random',
    allowed: ['src/environment.ts'],
  },
  { pattern: /\bprocess\.env\b/, instead: 'settings handed in', allowed: ['src/cli/', 'client/src/node.ts'] },
  {
    pattern: /\bprocess\.exit\(/,
    instead: 'process.exitCode or onFatal',
    allowed: ['src/cli/process-io.ts'],
  },
  {
    pattern: /\bconsole\.(log|error|warn)\(/,
    instead: 'the logger or the command line’s streams',
    allowed: [],
  },
  {
    pattern: /\bfrom '(node:)?(net|http|https|dgram|dns)'|\bfetch\(/,
    instead: 'egress/',
    allowed: [
      'src/egress/',
      'src/http/',
      'src/cli/',
      'client/src/',
      'src/config.ts',
      'src/access/',
      'src/assurance/probe.ts',
      'src/assurance/ask.ts',
    ],
  },
  { pattern: /\bas any\b|: any\b|<any>/, instead: 'unknown, parsed', allowed: [] },
  {
    pattern: /\b(TODO|FIXME|XXX)\b|coming soon|not implemented/i,
    instead: 'doing it, or leaving it out',
    allowed: [],
  },
];

/** What is built and tested, and not yet called by the product, with who will. */
const WAITING: Readonly<Record<string, string>> = {
  'src/store/sealed-rows.ts':
    'every sealed column with its place: damage tests today, export and verification',
  'src/keys/replica-set.ts': 'moving a replica of the keystore',
  'src/search/kernel/twin.ts': 'the readable form that tests hold the kernel equal to',
};

interface SourceFile {
  readonly path: string;
  readonly text: string;
}

test('every import goes to the same layer or to one below', async () => {
  assert.deepEqual(layerFaults(await sourceFiles()), []);
});

test('a file that imports from a layer above is found', () => {
  const upward = [
    { path: 'src/keys/a.ts', text: "import { x } from '../store/b.ts';" },
    { path: 'src/nowhere/c.ts', text: '' },
  ];
  assert.equal(layerFaults(upward).length, 2);
});

test('no file calls what has a replacement', async () => {
  assert.deepEqual(bannedFaults(await sourceFiles()), []);
});

test('a banned call is found', () => {
  const files = BANNED.map((_, index) => ({
    path: `src/vaults/${index}.ts`,
    text: bannedExamples[index] ?? '',
  }));
  assert.equal(new Set(bannedFaults(files).map((fault) => fault.split(':')[0])).size, BANNED.length);
});

test('every source file is reached from an entry', async () => {
  assert.deepEqual(deadFiles(await sourceFiles()), []);
});

test('a file that nothing imports is found', () => {
  const files = [
    { path: 'src/cli/main.ts', text: "import './a.ts';" },
    { path: 'src/cli/a.ts', text: '' },
    { path: 'src/cli/b.ts', text: '' },
  ];
  assert.deepEqual(deadFiles(files), ['src/cli/b.ts']);
});

test('every link in the documents leads somewhere', async () => {
  const documents = await filesBelow(root, /\.md$/);
  assert.ok(documents.length > 5);
  assert.deepEqual(await linkFaults(documents), []);
});

test('a link that leads nowhere is found', async () => {
  const faults = await linkFaults([
    { path: 'docs/x.md', text: '[a](./no-such-file.md) [b](https://example.org)' },
  ]);
  assert.deepEqual(faults, ['docs/x.md: ./no-such-file.md']);
});

const bannedExamples = [
  'Date.now()',
  'Math.random()',
  'randomBytes(1)',
  'process.env',
  'process.exit(1)',
  "console.log('x')",
  "await fetch('x')",
  'x as any',
  '// TODO later',
];

function layerFaults(files: readonly SourceFile[]): string[] {
  const faults: string[] = [];
  for (const file of files) {
    const own = layerOf(file.path);
    if (own === -1) faults.push(`${file.path}: in no layer`);
    for (const target of importsOf(file)) {
      const layer = layerOf(target);
      if (layer > own) faults.push(`${file.path}: imports ${target} from above`);
    }
  }
  return faults;
}

const bannedFaults = (files: readonly SourceFile[]): string[] =>
  files.flatMap((file) =>
    BANNED.filter(({ allowed }) => !allowed.some((prefix) => file.path.startsWith(prefix)))
      .filter(({ pattern }) => pattern.test(withoutComments(file.text)))
      .map(({ pattern, instead }) => `${file.path}: ${pattern} — use ${instead}`),
  );

function deadFiles(files: readonly SourceFile[]): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const isEntry = (path: string): boolean =>
    path === 'src/cli/main.ts' ||
    path.startsWith('client/src/') ||
    path in WAITING ||
    /-worker\.ts$|\/worker\.ts$/.test(path);
  const reached = new Set<string>();
  const queue = [...byPath.keys()].filter(isEntry);
  for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
    const file = byPath.get(path);
    if (file === undefined || reached.has(path)) continue;
    reached.add(path);
    queue.push(...importsOf(file));
  }
  return [...byPath.keys()].filter((path) => !reached.has(path));
}

async function linkFaults(documents: readonly SourceFile[]): Promise<string[]> {
  const faults: string[] = [];
  for (const { path, text } of documents) {
    for (const [, target] of text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (target === undefined || /^[a-z]+:/.test(target)) continue;
      const exists = await readdir(dirname(join(root, dirname(path), target))).then(
        (names) => names.includes(target.replace(/\/$/, '').split('/').at(-1) ?? ''),
        () => false,
      );
      if (!exists) faults.push(`${path}: ${target}`);
    }
  }
  return faults;
}

function layerOf(path: string): number {
  if (path.startsWith('client/')) return 0;
  const name = path.replace(/^src\//, '').split('/')[0] ?? '';
  return LAYERS.findIndex((layer) => layer.includes(name));
}

function importsOf(file: SourceFile): string[] {
  const targets: string[] = [];
  for (const [, target] of file.text.matchAll(/(?:from|import|import\()\s*'([^']+)'/g)) {
    if (target === '@strongroom/client') targets.push('client/src/index.ts');
    else if (target?.startsWith('.')) targets.push(normalize(join(dirname(file.path), target)));
  }
  return targets;
}

const withoutComments = (text: string): string =>
  /TODO|FIXME|XXX/.test(text) ? text : text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '');

/** Source files of the product, without tests and the AssemblyScript sources. */
async function sourceFiles(): Promise<SourceFile[]> {
  const files = [
    ...(await filesBelow(join(root, 'src'), /\.ts$/)),
    ...(await filesBelow(join(root, 'client/src'), /\.ts$/)),
  ];
  return files.filter(({ path }) => !/\.test\.ts$|\.d\.ts$|\/testing\/|\/assembly\//.test(path));
}

async function filesBelow(folder: string, name: RegExp): Promise<SourceFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|\/)(node_modules|dist|strongroom-data|\.git)\//.test(path));
  return Promise.all(paths.map(async (path) => ({ path, text: await readFile(join(root, path), 'utf8') })));
}
