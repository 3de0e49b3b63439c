import assert from 'node:assert/strict';
import { test } from 'node:test';
import { realEnvironment } from '../environment.ts';
import { RecordKeys } from '../keys/record-key.ts';
import { KeyedSealer } from '../keys/record-sealer.ts';
import { slotOf, type Slot } from '../keys/slot.ts';
import { DetailsSealer } from './details.ts';
import { DEPLOYMENT_LOG, type EntryDraft, type LogId } from './entry.ts';
import { TestKeyring } from './testing/ledger-world.ts';

const LOG = 'org_01k000000000000000000000zz' as LogId;
const OWN = slotOf(1, 3);
const DRAFT: EntryDraft = {
  principal: 'system',
  action: 'memory.get',
  target: '',
  outcome: 'done',
  request: 'req_01k000000000000000000000zz',
  details: { purpose: 'ticket 4711' },
  scope: [['principal', slotOf(1, 1)]],
};

test('a box serves again in the same log and period, for the same scope and details, and nowhere else', () => {
  const keyring = new TestKeyring();
  const sealer = new KeyedSealer(new RecordKeys(keyring), realEnvironment.random);
  const details = new DetailsSealer({ sealer, clock: { now: () => 1000 }, keyring });
  const hashOf = (over: Partial<EntryDraft> = {}, log: LogId = LOG, own: Slot = OWN): string | undefined =>
    details.seal({ ...DRAFT, ...over }, log, own)?.reference.hash;
  const first = hashOf();
  assert.equal(hashOf(), first);
  const others = [
    hashOf({}, DEPLOYMENT_LOG),
    hashOf({}, LOG, slotOf(1, 4)),
    hashOf({ scope: [['principal', slotOf(1, 2)]] }),
    hashOf({ details: { purpose: 'ticket 4712' } }),
    hashOf({ details: { reason: 'ticket 4711' } }),
  ];
  assert.equal(new Set([first, ...others]).size, 6);
});
