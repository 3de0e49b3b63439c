/** How a vault is searched: its language, how lists count in hybrid search, and which model its vectors come from. */
import type { Language, SearchWeights } from '@strongroom/client';
import type { VaultSearchRow } from '../store/schema.ts';
import type { Tx } from '../store/store.ts';
import { invalid } from './memory-input.ts';
import type { Vault } from './vault.ts';

export interface VaultSearch {
  readonly language: Language;
  readonly weights: Readonly<SearchWeights>;
  /** The model that makes the vectors the callers do not bring; null: none. */
  readonly embedder: string | null;
}

export const DEFAULT_SEARCH: VaultSearch = {
  language: 'auto',
  weights: { text: 1, vector: 1 },
  embedder: null,
};

/** As a join has them: all null for a vault without a row. */
export type VaultSearchColumns = {
  [K in keyof Pick<VaultSearchRow, 'language' | 'weights' | 'embedder'>]: VaultSearchRow[K] | null;
};

/** From the row's columns, or from the nulls of a vault without a row. */
export function vaultSearchOf({ language, weights, embedder }: VaultSearchColumns): VaultSearch {
  if (language === null || weights === null) return DEFAULT_SEARCH;
  const [text, vector] = JSON.parse(weights) as [number, number];
  return { language: language as Language, weights: { text, vector }, embedder };
}

/** Throws `request.invalid` for a model that this server does not have. */
export function requireModel(model: string | null | undefined, models: readonly string[]): void {
  if (model === null || model === undefined || models.includes(model)) return;
  const known = models.length === 0 ? 'it has none' : `it has ${models.join(', ')}`;
  throw invalid('/embedder', `is no embedding model of this server; ${known}`);
}

export async function writeVaultSearch(tx: Tx, vault: Vault): Promise<void> {
  const { language, weights, embedder } = vault;
  const columns = {
    language,
    weights: JSON.stringify([weights.text, weights.vector]),
    embedder,
    change: tx.change,
  };
  await tx.sql
    .insertInto('vault_search')
    .values({ vault: vault.id, organization: vault.organization.id, ...columns })
    .onConflict((conflict) => conflict.column('vault').doUpdateSet(columns))
    .execute();
}
