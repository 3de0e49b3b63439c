/** The journal of a keyring that is opened without any database, to read backups with: it knows nothing and keeps nothing. */
import { StrongroomError } from '../errors.ts';
import type { KeyJournal } from '../keys/key-journal.ts';

const nothing = (): Promise<never[]> => Promise.resolve([]);
const refused = (): Promise<never> =>
  Promise.reject(new StrongroomError('internal', 'a keyring without a database writes nothing'));

export const NO_JOURNAL: KeyJournal = {
  epochs: nothing,
  leaves: nothing,
  pending: nothing,
  requestsAfter: nothing,
  accept: refused,
  prepare: refused,
  complete: refused,
  ledgerHead: () => Promise.resolve(null),
  ledgerConsistent: () => Promise.resolve(false),
};
