/** No sentence for readers promises protection that no claim stands for: what is said is what `strongroom verify` checks. */
import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { claimWith } from '../src/assurance/table/claims.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** Specifications and measurements: they say how something is done, and others say what it is good for. */
const NOT_PROMISES = ['format.md', 'keyring.md', 'performance.md'];

const PROMISE =
  /\b(sealed|encrypted|tamper\S*|erasable|erased|legal hold|TLS 1|reads nothing|nothing leaves|nothing connects|hashed|one-way hash|every look)\b/i;
const CLAIM = /\b[A-Z]{3}-\d\d\b/g;
/** Under such a heading stands what is not promised. */
const DISCLAIMER = /\bnot\b|known limits/i;

test('whatever README, SECURITY.md and the guides promise of protection names the claim that is checked for it', async () => {
  const guides = (await readdir(join(root, 'docs'))).filter(
    (name) => name.endsWith('.md') && !NOT_PROMISES.includes(name),
  );
  const files = ['README.md', 'SECURITY.md', ...guides.map((name) => `docs/${name}`)];
  assert.ok(files.length > 3);
  const faults: string[] = [];
  let promises = 0;
  for (const file of files) {
    const found = promisesIn(await readFile(join(root, file), 'utf8'));
    promises += found.length;
    faults.push(...found.flatMap((promise) => faultsOf(promise).map((fault) => `${file}: ${fault}`)));
  }
  assert.ok(promises >= 10, `only ${promises} promises were found`);
  assert.deepEqual(faults, []);
});

test('a promise without a claim, or with one that is not built, is found', () => {
  const text =
    '# X\n\n- Texts are sealed.\n- Keys are hashed (KEY-01).\n\n## What it does not do\n\nIt is not encrypted.\n';
  const found = promisesIn(text);
  assert.equal(found.length, 2);
  assert.deepEqual(
    found.map((promise) => faultsOf(promise).length),
    [1, 0],
  );
  assert.deepEqual(faultsOf('Everything is encrypted (CRY-05).'), [
    'CRY-05 is not built: Everything is encrypted (CRY-05).',
  ]);
  assert.equal(faultsOf('Everything is encrypted (XXX-01).').length, 1);
});

/** Paragraphs, points, and rows of tables, outside of code. */
function promisesIn(text: string): readonly string[] {
  const found: string[] = [];
  let isDisclaimed = false;
  for (const block of text.replaceAll(/^```[^]*?^```$/gm, '').split(/\n\s*\n|\n(?=#|- |\d+\. |\|)/)) {
    const unit = block.trim();
    if (unit.startsWith('#')) isDisclaimed = DISCLAIMER.test(unit);
    else if (!isDisclaimed && PROMISE.test(unit)) found.push(unit);
  }
  return found;
}

function faultsOf(promise: string): readonly string[] {
  const ids = promise.match(CLAIM) ?? [];
  const shown = promise.replaceAll(/\s+/g, ' ').slice(0, 120);
  if (ids.length === 0) return [`names no claim: ${shown}`];
  return ids
    .filter((id) => (claimWith(id)?.state.kind ?? 'not_claimed') === 'not_claimed')
    .map((id) => `${id} is not built: ${shown}`);
}
