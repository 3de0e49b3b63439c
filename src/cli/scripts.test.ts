import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { play } from './testing/script.ts';
import { TestBench } from './testing/test-io.ts';

const folder = new URL('scripts/', import.meta.url);

describe('the command line does what its scripts show', () => {
  for (const name of readdirSync(folder)) {
    it(name, async (t) => {
      const script = readFileSync(new URL(name, folder), 'utf8');
      assert.equal(await play(script, new TestBench(t)), script);
    });
  }

  it('a script that shows something else is found', async (t) => {
    const bench = new TestBench(t);
    assert.notEqual(await play('$ strongroom add x\nmem_1\n', bench), '$ strongroom add x\nmem_1\n');
  });
});
