import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import { describe, it } from 'node:test';

const IMPORT = /\bfrom\s*['"]([^'"]+)['"]|^\s*import\s*['"]([^'"]+)['"]|\bimport\(\s*['"]([^'"]+)['"]/gm;
const STRING = /'[^'\n]*'/g;
/** Globals that Node has and browsers lack. */
const NODE_GLOBALS = /\b(?:process|Buffer|require|__dirname|__filename|setImmediate|global)\b/;

/** What an entry reaches that a browser has not got. Type-only imports are followed too: their files are read all the same. */
function nodeOnly(entry: URL, read: (url: URL) => string): string[] {
  const found: string[] = [];
  const seen = new Set<string>();
  const visit = (url: URL): void => {
    if (seen.has(url.href)) return;
    seen.add(url.href);
    const source = withoutComments(read(url));
    const [global] = NODE_GLOBALS.exec(source.replaceAll(STRING, '')) ?? [];
    if (global !== undefined) found.push(`${url.pathname}: ${global}`);
    for (const [, from, bare, dynamic] of source.matchAll(IMPORT)) {
      const specifier = from ?? bare ?? dynamic ?? '';
      if (specifier.startsWith('.')) visit(new URL(specifier, url));
      else found.push(`${url.pathname}: ${isBuiltin(specifier) ? 'built-in' : 'package'} ${specifier}`);
    }
  };
  visit(entry);
  assert.ok(seen.size > 0);
  return found;
}

const withoutComments = (source: string): string => source.replaceAll(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
const readSource = (url: URL): string => readFileSync(url, 'utf8');

describe('the client in a browser', () => {
  it('its entry reaches no Node built-in, no Node global and no other package', () => {
    assert.deepEqual(nodeOnly(new URL('index.ts', import.meta.url), readSource), []);
  });

  it('the same walk finds what the Node entry reaches', () => {
    const found = nodeOnly(new URL('node.ts', import.meta.url), readSource).join('\n');
    for (const name of ['node:fs', 'node:http', 'node:https', 'process'])
      assert.ok(found.includes(name), name);
  });

  it('it finds imports of every form, through a file that looks harmless', () => {
    const files: Record<string, string> = {
      '/a.ts': "export * from './b.ts';",
      '/b.ts':
        "import 'node:fs';\nimport x,\n { y } from 'lodash';\nconst z = await import('path');\nBuffer.from(z);",
    };
    const found = nodeOnly(new URL('file:///a.ts'), (url) => files[url.pathname] ?? '');
    assert.deepEqual(found, [
      '/b.ts: Buffer',
      '/b.ts: built-in node:fs',
      '/b.ts: package lodash',
      '/b.ts: built-in path',
    ]);
  });
});
