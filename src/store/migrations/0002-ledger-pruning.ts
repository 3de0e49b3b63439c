/**
 * What the engines allow of append-only tables from migration 0003 on: an entry of the ledger that is older than seven years
 * by the database's own clock may shrink to its leaf's hash, and what lists such an entry may go. Nothing else.
 *
 * The rule stands in the database, so that no mistake of ours above it ends an entry sooner or changes one.
 */
import type { Statements } from '../table.ts';

/** Seven years of 365.25 days. */
export const LEDGER_KEPT_S = 7 * 365.25 * 24 * 60 * 60;
const HASH_BYTES = 32;

const shrinks = (leafHash: string): string =>
  [
    `new.leaf = ${leafHash}`,
    'new.box is null',
    "new.principal = ''",
    "new.action = ''",
    'new.log = old.log',
    'new.n = old.n',
    'new.organization = old.organization',
    'new.at = old.at',
  ].join(' and ');

const pruned = (length: string): string =>
  `exists (select 1 from ledger_entries e where e.log = old.log and e.n = old.n and ${length}(e.leaf) = ${HASH_BYTES})`;

const functionOf = (name: string, allowed: string, row: 'new' | 'old', table: string): string =>
  `create function ${name}() returns trigger language plpgsql as $$ begin ` +
  `if ${allowed} then return ${row}; end if; ` +
  `raise exception 'permission denied: ${table} is append-only' using errcode = 'insufficient_privilege'; end $$`;

export const ledgerPruning: Statements = {
  sqlite: [
    'drop trigger ledger_entries_no_update',
    'create trigger ledger_entries_no_update before update on ledger_entries when not (' +
      `old.at < (unixepoch() - ${LEDGER_KEPT_S}) * 1000 and ${shrinks(`substr(old.leaf, 1, ${HASH_BYTES})`)}) ` +
      "begin select raise(abort, 'ledger_entries is append-only'); end",
    'drop trigger ledger_targets_no_delete',
    `create trigger ledger_targets_no_delete before delete on ledger_targets when not ${pruned('length')} ` +
      "begin select raise(abort, 'ledger_targets is append-only'); end",
  ],
  postgres: (role) => [
    functionOf(
      'ledger_entries_shrink_only',
      `old.at < (extract(epoch from clock_timestamp())::bigint - ${LEDGER_KEPT_S}) * 1000 and ` +
        shrinks(`substring(old.leaf from 1 for ${HASH_BYTES})`),
      'new',
      'ledger_entries',
    ),
    'create trigger ledger_entries_shrink_only before update on ledger_entries ' +
      'for each row execute function ledger_entries_shrink_only()',
    functionOf('ledger_targets_pruned_only', pruned('octet_length'), 'old', 'ledger_targets'),
    'create trigger ledger_targets_pruned_only before delete on ledger_targets ' +
      'for each row execute function ledger_targets_pruned_only()',
    `grant update (leaf, box, principal, action, change) on ledger_entries to ${role}`,
    `grant delete on ledger_targets to ${role}`,
  ],
};
