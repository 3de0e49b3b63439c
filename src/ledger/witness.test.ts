import assert from 'node:assert/strict';
import { SYSTEM } from '../store/store.ts';
import { forEachEngine } from '../store/testing/engines.ts';
import { createLedgerWorld, type LedgerWorld } from './testing/ledger-world.ts';
import { DeploymentWitness } from './witness.ts';

/** Entries of the deployment's own log. */
const grow = ({ store, ledger, draft }: LedgerWorld, count: number): Promise<void> =>
  store.write(SYSTEM, (tx) => {
    for (let at = 0; at < count; at++) ledger.append(tx, draft());
    return Promise.resolve();
  });

forEachEngine('a head of today’s log is recognised for ever, and no other', async (t, engine) => {
  const world = await createLedgerWorld(t, engine);
  const witness = new DeploymentWitness(world.store);
  assert.equal(await witness.ledgerHead(), null);
  await grow(world, 3);
  const head = (await witness.ledgerHead())!;
  assert.equal(head.size, 3);
  assert.ok(await witness.ledgerConsistent(head));
  await grow(world, 300);
  assert.ok(await witness.ledgerConsistent(head), 'the log has grown since');
  const later = (await witness.ledgerHead())!;
  assert.ok(await witness.ledgerConsistent(later));

  assert.ok(!(await witness.ledgerConsistent({ ...later, size: 304 })), 'the log is shorter than it was');
  assert.ok(!(await witness.ledgerConsistent({ ...head, root: later.root })), 'the log forked');
  assert.ok(!(await witness.ledgerConsistent({ ...head, size: 4 })));
  assert.ok(!(await witness.ledgerConsistent({ ...head, generation: 2 })), 'the log was restored since');
});
