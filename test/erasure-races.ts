/**
 * Writers with a person in hand against that person's erasure, in an order that a seed chooses: each write is refused, or
 * it came before the erasure, or it can be read. None is acknowledged and dead.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { StrongroomError } from '../src/errors.ts';
import { SYSTEM } from '../src/store/store.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { systemContext, type Context } from './afterwards.ts';
import { seeded } from './load.ts';

interface Written {
  readonly what: string;
  readonly request: string;
  readonly ids: readonly string[];
}

interface Raced {
  /** Writes that came after the erasure, were acknowledged, and cannot be read. */
  readonly faults: readonly string[];
  readonly acknowledged: number;
  readonly refused: number;
}

/** How many turns of the event loop an actor waits at most before it begins. */
const TURNS_MAX = 6;

export async function race(open: Strongroom, rounds: number, seed: number): Promise<Raced> {
  const random = seeded(seed);
  const context = await systemContext(open);
  const { organization } = context;
  const asking = (): Context => ({ ...context, requestId: open.newId('request'), recorded: false });
  const faults: string[] = [];
  const counts = { acknowledged: 0, refused: 0 };
  for (let round = 0; round < rounds; round++) {
    const subject = `person ${seed} ${round}`;
    const { size } = await open.ledger.head(organization);
    const known = await oneOf({ open, asking }, { text: 'known before', subject });
    const other = await oneOf({ open, asking }, { text: 'about nobody' });
    const written: Written[] = [];
    let erasure = '';
    const actors: (() => Promise<void>)[] = [
      async () => {
        const context = asking();
        erasure = context.requestId;
        await open.erasureRequests.request(context, { target: { subject }, reason: 'a race' });
      },
      ...writers({ open, asking }, { subject, known, other }, written, counts),
    ];
    await Promise.all(
      shuffled(actors, random).map(async (actor) => {
        for (let wait = Math.floor(random() * TURNS_MAX); wait > 0; wait--) await turn();
        await actor();
      }),
    );
    faults.push(...(await deadAfter({ open, asking }, size, erasure, written)));
  }
  return { faults, ...counts };
}

interface Stage {
  readonly open: Strongroom;
  /** As a request of its own. */
  readonly asking: () => Context;
}

interface Scene {
  readonly subject: string;
  readonly known: string;
  readonly other: string;
}

/** Each tries once and says what it was told. */
function writers(
  { open, asking }: Stage,
  { subject, known, other }: Scene,
  written: Written[],
  counts: { acknowledged: number; refused: number },
): (() => Promise<void>)[] {
  const act = (what: string, work: (context: Context) => Promise<readonly string[]>) => async () => {
    const context = asking();
    try {
      written.push({ what, request: context.requestId, ids: await work(context) });
      counts.acknowledged++;
    } catch (error) {
      if (!(error instanceof StrongroomError) || error.status >= 500) throw error;
      counts.refused++;
    }
  };
  const { memories } = open;
  const place = (memory: string) => ({ vault: 'default', memory });
  return [
    act('an addition', async (context) => [
      (await memories.addMemory(context, 'default', { text: 'new', subject })).id,
    ]),
    act('a derived addition', async (context) => [
      (await memories.addMemory(context, 'default', { text: 'derived', derivedFrom: [known] })).id,
    ]),
    act('a batch', async (context) => {
      const batch = [{ text: 'one', subject }, { text: 'two', derivedFrom: [known] }, { text: 'three' }];
      return (await memories.addMemories(context, 'default', batch)).memories.map(({ id }) => id);
    }),
    act('a change of what is known', async (context) => [
      (await memories.updateMemory(context, place(known), { text: 'changed' }, null)).id,
    ]),
    act('a person named later', async (context) => [
      (await memories.updateMemory(context, place(other), { subject }, null)).id,
    ]),
  ];
}

async function deadAfter(
  { open, asking }: Stage,
  from: number,
  erasure: string,
  written: readonly Written[],
): Promise<string[]> {
  const numbers = await entryNumbers(open, from);
  const erased = numbers.get(erasure) ?? Number.POSITIVE_INFINITY;
  const faults: string[] = [];
  for (const { what, request, ids } of written) {
    if ((numbers.get(request) ?? 0) < erased) continue;
    for (const memory of ids) {
      try {
        await open.memories.getMemory(asking(), { vault: 'default', memory }, {});
      } catch (error) {
        if (!(error instanceof StrongroomError)) throw error;
        faults.push(`${what} was acknowledged and is ${error.code}`);
      }
    }
  }
  return faults;
}

/** By request, the number of its first entry from `from` on: the order in which they were committed. */
async function entryNumbers({ store }: Strongroom, from: number): Promise<ReadonlyMap<string, number>> {
  const numbers = new Map<string, number>();
  const rows = await store.read(SYSTEM, (db) =>
    db
      .selectFrom('ledger_entries')
      .select(['n', 'leaf'])
      .where('log', '!=', 'deployment')
      .where('n', '>=', from)
      .orderBy('n')
      .execute(),
  );
  for (const { n, leaf } of rows) {
    const { request } = JSON.parse(Buffer.from(leaf.subarray(32)).toString()) as { request: string };
    if (!numbers.has(request)) numbers.set(request, n);
  }
  return numbers;
}

const oneOf = async ({ open, asking }: Stage, input: { text: string; subject?: string }): Promise<string> =>
  (await open.memories.addMemory(asking(), 'default', input)).id;

function shuffled<T>(values: readonly T[], random: () => number): T[] {
  const left = [...values];
  const order: T[] = [];
  while (left.length > 0) order.push(...left.splice(Math.floor(random() * left.length), 1));
  return order;
}
