/** The tables of the ledger from the inside of a scratch instance: what was written cannot be changed or taken out. */
import type { Insides, World } from '../world.ts';
import { defineCheck, judged } from '../check.ts';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { SYSTEM } from '../../store/store.ts';

const TABLES = ['ledger_entries', 'ledger_targets', 'ledger_checkpoints'] as const;

interface Tried {
  readonly table: (typeof TABLES)[number];
  readonly verb: 'update' | 'delete';
  readonly rows: number;
  readonly isRefused: boolean;
}

export const appendOnlyCheck = defineCheck<readonly Tried[]>({
  name: 'append-only',
  place: 'scratch',
  observe: async (world: World) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('tables are tried from the inside');
    const { client } = await world.tenant(0);
    await client.ledger.checkpoint();
    const tried: Tried[] = [];
    for (const table of TABLES)
      for (const verb of ['update', 'delete'] as const) tried.push(await attempt(insides, table, verb));
    return tried;
  },
  judges: {
    'AUD-02': (tried) => {
      const looked = tried.filter(({ rows }) => rows > 0);
      const faults = tried.flatMap(({ table, verb, rows, isRefused }) => [
        ...(rows === 0 ? [`${table} is empty, so nothing was tried`] : []),
        ...(isRefused ? [] : [`${table} lets a ${verb} through`]),
      ]);
      return judged(looked.length, faults, { attempts: looked.length });
    },
  },
  sabotages: [
    {
      name: 'no-triggers',
      breaks: 'The database does not refuse to change entries.',
      turns: ['AUD-02'],
      change: {
        parts: (real, { directory }) => {
          const database = new DatabaseSync(join(directory, 'strongroom.db'));
          for (const verb of ['update', 'delete']) database.exec(`drop trigger ledger_entries_no_${verb}`);
          database.close();
          return real;
        },
      },
    },
  ],
});

/** As the server's own role, in a job that is thrown away whatever comes of it. */
async function attempt({ store }: Insides, table: Tried['table'], verb: Tried['verb']): Promise<Tried> {
  const counted = await store.read(SYSTEM, (db) =>
    db
      .selectFrom(table)
      .select((each) => each.fn.countAll().as('rows'))
      .executeTakeFirstOrThrow(),
  );
  const undo = new RangeError('undone');
  const tried = await store
    .write(SYSTEM, async (tx) => {
      if (verb === 'delete') await tx.sql.deleteFrom(table).execute();
      else await tx.sql.updateTable(table).set({ change: tx.change }).execute();
      throw undo;
    })
    .catch((error: unknown) => error);
  return { table, verb, rows: Number(counted.rows), isRefused: tried !== undo };
}
