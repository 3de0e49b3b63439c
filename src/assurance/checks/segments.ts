/**
 * Segments of the search index from the inside of a scratch instance: every segment that was written while a canary lived is kept,
 * and after its deletion opened with every key that can still be derived, by another way than the server's. The twin, which
 * nobody deleted, must be in what opens.
 */
import type { OrganizationId } from '../../ids.ts';
import { canaryEnd, canaryVector, canaryWord, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { openBox } from '../../crypto/seal.ts';
import { StrongroomError } from '../../errors.ts';
import { RecordKeys, type Scope } from '../../keys/record-key.ts';
import type { Slot } from '../../keys/slot.ts';
import { NeedleSearch, textNeedles, vectorNeedles, type Needle } from '../needles.ts';
import type { Insides, World } from '../world.ts';

const DIMENSIONS = 32;
const OVERLAP = 64;

interface Kept {
  readonly id: string;
  readonly slot: Slot;
  readonly box: Uint8Array;
}

interface Seen {
  readonly control: boolean;
  /** Segments that held the canary before, and such as still open with it in them. */
  readonly before: number;
  readonly opened: readonly string[];
  readonly twins: number;
  readonly tried: number;
}

export const segmentsCheck = defineCheck<Seen>({
  name: 'segments',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('segments are opened from the inside');
    const tenant = await world.tenant(0);
    return withVault(world, tenant, { dimensions: DIMENSIONS }, async (vault, id) => {
      const make = async () => {
        const [word, vector] = [canaryWord(world), canaryVector(world, DIMENSIONS)];
        const own = { text: `it says ${word}`, vector, speaker: word, conversation: word };
        const { id: memory } = await vault.add({ ...own, expiresAt: canaryEnd(world) });
        return { memory, search: new NeedleSearch(needlesOf(word, vector)) };
      };
      const [canary, twin] = [await make(), await make()];
      await vault.search({ query: 'anything' });
      const kept = await saved(world, insides, tenant.organization, id);
      const open = await openerOf(insides, tenant.organization, id);
      const holds = (search: NeedleSearch, { id: name, ...one }: Kept): boolean =>
        open({ id: name, ...one }).some((bytes) => search.hitsIn({ name, bytes }).length > 0);
      const before = kept.filter((one) => holds(canary.search, one)).length;
      await vault.delete(canary.memory, { mode: 'erase' });
      await vault.search({ query: 'anything' });
      const all = [...kept, ...(await saved(world, insides, tenant.organization, id))];
      return {
        control: canary.search.findsAll,
        before,
        opened: all.filter((one) => holds(canary.search, one)).map((one) => one.id),
        twins: all.filter((one) => holds(twin.search, one)).length,
        tried: all.length,
      };
    });
  },
  judges: {
    'RET-01': ({ control, before, opened, twins, tried }) =>
      judged(
        tried,
        [
          ...(control ? [] : ['the search does not find what is planted']),
          ...(before > 0 ? [] : ['no segment held the canary before, so nothing was learnt']),
          ...(twins > 0 ? [] : ['no segment holds what nobody deleted']),
          ...opened.map((id) => `segment ${id} still gives back what was deleted`),
        ],
        { segments: tried },
      ),
  },
  sabotages: [
    {
      name: 'segments-under-the-vault',
      breaks: 'Segments are sealed under the slot of their vault, which outlives what is in them.',
      turns: ['RET-01'],
      change: {
        sealer: (real) => ({
          at: (record) => {
            const vault = record.scope.find(([role]) => role === 'vault');
            const isSegment = record.table === 'segments' && vault !== undefined;
            return real.at(isSegment ? { ...record, own: vault[1] } : record);
          },
        }),
      },
    },
  ],
});

const needlesOf = (word: string, vector: readonly number[]): readonly Needle[] => [
  ...textNeedles('text', word),
  ...vectorNeedles('vector', vector),
];

/** Brings segments to disk and answers those of the vault. */
async function saved(
  world: World,
  { store }: Insides,
  organization: OrganizationId,
  vault: string,
): Promise<readonly Kept[]> {
  await world.flush();
  const rows = await store.read(organization, (db) =>
    db.selectFrom('segments').select(['id', 'slot']).where('vault', '=', vault).execute(),
  );
  const kept: Kept[] = [];
  for await (const { name, bytes } of world.written(0, OVERLAP)) {
    const row = rows.find(({ id }) => name.endsWith(id));
    if (row !== undefined) kept.push({ id: row.id, slot: row.slot as Slot, box: new Uint8Array(bytes) });
  }
  return kept;
}

/** What a segment's box gives under its own slot, and under those of its vault and organization. */
async function openerOf({ keyring, store }: Insides, organization: OrganizationId, vault: string) {
  const keys = new RecordKeys(keyring);
  const { above, own: vaultSlot } = await store.read(organization, (db) =>
    db
      .selectFrom('vaults')
      .innerJoin('organizations', 'organizations.id', 'vaults.organization')
      .where('vaults.id', '=', vault)
      .select(['organizations.slot as above', 'vaults.slot as own'])
      .executeTakeFirstOrThrow(),
  );
  const scope: Scope = [
    ['organization', above as Slot],
    ['vault', vaultSlot as Slot],
  ];
  return ({ id, slot, box }: Kept): readonly Uint8Array[] =>
    [slot, ...scope.map(([, other]) => other)].flatMap((own) => {
      const place = {
        purpose: 'record',
        table: 'segments',
        column: 'blob',
        organization,
        vault,
        id,
        version: 1,
      };
      try {
        return [openBox(keys.key({ id, version: 1, own, scope }), place, box)];
      } catch (error) {
        if (error instanceof StrongroomError && IS_SHUT.has(error.code)) return [];
        throw error;
      }
    });
}

const IS_SHUT: ReadonlySet<string> = new Set(['erased', 'box.damaged']);
