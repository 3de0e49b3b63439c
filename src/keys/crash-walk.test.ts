import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BLOCK_BYTES, decodeRootFile } from './root-file.ts';
import { scenarios, walkCrashes, type Scenario } from './testing/crash-walk.ts';
import type { World } from './testing/world.ts';

for (const scenario of scenarios) {
  test(`a crash at any step of ${scenario.name} leaves the old state or the new one, whichever replica is missing or torn`, async () => {
    const { crashes } = await walkCrashes(scenario);
    assert.ok(crashes >= scenario.stepsMin, `only ${crashes} crashes`);
  });
}

const epoch = scenarios.find(({ name }) => name === 'an epoch') as Scenario;

const sabotages: { name: string; sabotage: (world: World) => void; found: RegExp }[] = [
  {
    name: 'an older root that is not wiped',
    sabotage: (world) => {
      world.steps = { wipe: async () => undefined, reopen: async () => undefined };
    },
    found: /cells left|the root of epoch \d+ is left/,
  },
  {
    name: 'a second barrier that one replica does not take part in',
    sabotage: (world) => {
      const wipe = async (
        replica: { name: string; wipeOtherCells(keep: number): Promise<void> },
        keep: number,
      ): Promise<void> => {
        if (replica.name === 'a') await replica.wipeOtherCells(keep);
      };
      world.steps = { wipe, reopen: async () => undefined };
    },
    found: /cells left|the root of epoch \d+ is left/,
  },
  {
    name: 'older roots wiped before the new one is durable',
    sabotage: (world) => {
      world.onFault = (name) => {
        if (name === 'epoch.journal') wipeBehind(world);
      };
    },
    found: /readable root|is damaged|older than the database/,
  },
  {
    name: 'a request on record that is not done again',
    sabotage: (world) => {
      world.journal.pending = async () => [];
    },
    found: /is on record and derives/,
  },
];

function wipeBehind(world: World): void {
  for (const path of world.disk.paths().filter((name) => name.endsWith('/root'))) {
    world.disk.poke(path, (bytes) => {
      for (const { cell } of decodeRootFile(bytes.slice()).cells)
        bytes.fill(0, BLOCK_BYTES * (1 + cell), BLOCK_BYTES * (2 + cell));
    });
  }
}

for (const { name, sabotage, found } of sabotages) {
  test(`the crash walk finds ${name}`, async () => {
    const error: unknown = await walkCrashes(epoch, { sabotage }).then(
      () => assert.fail('not found'),
      (reason: unknown) => reason,
    );
    assert.match(String((error as Error).cause), found);
  });
}
