/** Every check is shown able to fail: each sabotage, on a scratch instance of its own, turns exactly its claims red. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CHECKS } from '../../src/assurance/checks.ts';
import { trySabotage } from '../../src/assurance/sabotage.ts';
import { CLAIMS } from '../../src/assurance/table/claims.ts';
import { realEnvironment } from '../../src/environment.ts';
import { scratchWorlds } from '../../src/worlds.ts';
import { settingsOf } from '../deployment.ts';

const claims = new Map(CLAIMS.map((claim) => [claim.id, claim]));
const openScratch = scratchWorlds({
  settings: settingsOf({ tls: 'on', rateLimit: 'on' }),
  environment: realEnvironment,
  version: '0.0.0',
});

for (const check of CHECKS)
  for (const sabotage of check.sabotages)
    test(`${check.name}: ${sabotage.name} turns ${sabotage.turns.join(' and ')} red and nothing else`, async () => {
      const outcome = await trySabotage({ check, sabotage }, claims, openScratch);
      assert.deepEqual(outcome.turned.toSorted(), [...sabotage.turns].sort(), outcome.faults.join('\n'));
      assert.ok(outcome.faults.length > 0);
    });
