/** What is read back from a deployment that has been opened again: entries by request, and all memories of a vault. */
import type { Slot } from '../src/keys/slot.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { readRows } from './boxes.ts';
import type { Found } from './load.ts';

/** How many entries each request has. */
export async function countRequests(open: Strongroom): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>();
  for (const { leaf } of (await readRows(open)).ledger_entries) {
    const { request } = JSON.parse(Buffer.from(leaf.subarray(32)).toString()) as { request: string };
    counts.set(request, (counts.get(request) ?? 0) + 1);
  }
  return counts;
}

export type Context = Parameters<Strongroom['memories']['listMemories']>[0];

/** The system itself as who acts, with all rights on the first organization. */
export async function systemContext(open: Strongroom): Promise<Context> {
  const [row] = (await readRows(open)).organizations;
  if (row === undefined) throw new Error('there is no organization');
  const organization = row.id as Context['organization'];
  return {
    requestId: open.newId('request'),
    principal: {
      id: 'system',
      organization,
      environment: 'production',
      scope: [['organization', row.slot as Slot]],
      grants: [{ actions: ['*'], vaults: ['*'] }],
      networks: [],
      expiresAt: null,
    },
    organization,
    purpose: null,
    address: null,
    recorded: false,
  };
}

/** Through the functions that the server itself answers from. */
export async function readMemories(open: Strongroom): Promise<Found[]> {
  const found: Found[] = [];
  for (const state of ['live', 'trashed'] as const)
    for (let cursor: string | undefined; ;) {
      // One context is one request, and has one entry.
      const page = await open.memories.listMemories(await systemContext(open), 'default', {
        limit: 1000,
        state,
        ...(cursor === undefined ? {} : { cursor }),
      });
      found.push(...page.memories.map(({ id, text = '' }) => ({ id, text, state })));
      if (page.next === null) break;
      cursor = page.next;
    }
  return found;
}
