/** How the ledger counts the refusals of strangers from one address, for the check that asks it. */
import { DEPLOYMENT_LOG, type LedgerEntry } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { OTHERS, type RefusalCounts } from '../ledger/refusal-counts.ts';
import type { Strangers } from './world.ts';

const PAGE = 1000;

interface Counting {
  readonly ledger: Pick<Ledger, 'head' | 'entries' | 'details'>;
  readonly refusals: Pick<RefusalCounts, 'flush'>;
}

/** From now on; what the answer answers is what was counted since. */
export async function countStrangers(open: Counting, address: string): Promise<() => Promise<Strangers>> {
  await open.refusals.flush();
  const { size } = await open.ledger.head(DEPLOYMENT_LOG);
  return async () => {
    await open.refusals.flush();
    return sum(open, address, size);
  };
}

async function sum({ ledger }: Counting, address: string, from: number): Promise<Strangers> {
  const counted = new Map<string, number>();
  let together = 0;
  for await (const entry of countsFrom(ledger, from)) {
    const details = await ledger.details(entry);
    const { method = '', template = '' } = entry.facts ?? {};
    const name = `${method} ${template}`;
    const count = entry.count ?? 0;
    if (details?.['address'] === address) counted.set(name, (counted.get(name) ?? 0) + count);
    else if (details?.['address'] === OTHERS) together += count;
  }
  return { counted, together };
}

async function* countsFrom(ledger: Counting['ledger'], from: number): AsyncGenerator<LedgerEntry> {
  let before: number | undefined;
  for (;;) {
    const { entries, next } = await ledger.entries(DEPLOYMENT_LOG, {
      action: 'refusals.counted',
      limit: PAGE,
      ...(before === undefined ? {} : { before }),
    });
    for (const entry of entries) {
      if (entry.n < from) return;
      yield entry;
    }
    if (next === null) return;
    before = next;
  }
}
