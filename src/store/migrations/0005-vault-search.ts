/** How a vault is searched, where that is not the default: a row of its own, so that the first migration stays as it is. */
import { columnsOf, nullable, type Migration } from '../table.ts';

const vault = columnsOf('vault', 'record', 'row');

export const vaultSearch = {
  name: '0005-vault-search',
  creates: {
    vault_search: {
      columns: {
        vault: vault.id(),
        organization: vault.id(),
        language: vault.setting(),
        weights: vault.setting(),
        embedder: nullable(vault.setting()),
        change: vault.count(),
      },
      key: ['vault'],
      indexes: [{ columns: ['change'] }],
    },
  },
} as const satisfies Migration;
