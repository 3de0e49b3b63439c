import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Crash } from '../environment.ts';
import { walkCrashes, scenarios } from './testing/crash-walk.ts';

for (const scenario of scenarios) {
  test(`a crash at any step of ${scenario.name} leaves the old state or the new one, whichever replica is missing or torn`, async () => {
    const walked = await walkCrashes(scenario);
    assert.ok(walked.crashes >= scenario.stepsMin, `only ${walked.crashes} crashes`);
    assert.equal(new Crash('').name, 'Crash');
  });
}
