/**
 * The witness beside the root: the newest state of everything else that the keystore has seen. A database that is
 * older than its witness was put back, whoever did it, and must not be served before a restore has been committed.
 *
 * Content of the file `witness` (sealed-side.ts): {"backup": string | null, "epoch": n, "generation": n, "intents": n,
 * "ledger": {"root": hex, "size": n} | null}. Written at each epoch and once a minute.
 */
import { z } from 'zod';
import type { Json } from '../bytes/canonical-json.ts';
import { decodeHex, encodeHex } from '../bytes/encoding.ts';
import { StrongroomError } from '../errors.ts';
import type { KeyJournal, LedgerHead } from './key-journal.ts';

const content = z.strictObject({
  epoch: z.number(),
  /** Revision of the intents. */
  intents: z.number(),
  /** Generation of the ledger: each committed restore starts a new one. */
  generation: z.number(),
  ledger: z.nullable(z.strictObject({ size: z.number(), root: z.string() })),
  /** Name of the newest backup's manifest. */
  backup: z.nullable(z.string()),
});

export type Witness = z.infer<typeof content>;

export const matchWitness = (value: unknown): Witness | null => content.safeParse(value).data ?? null;

export const witnessToJson = (witness: Witness): Json => witness;

export function witnessedLedger(head: LedgerHead | null): Witness['ledger'] {
  return head === null ? null : { size: head.size, root: encodeHex(head.root) };
}

/** Of several, the one that has seen most. */
export function newestWitness(witnesses: readonly Witness[]): Witness | null {
  const order = (a: Witness, b: Witness): number =>
    b.generation - a.generation ||
    b.epoch - a.epoch ||
    b.intents - a.intents ||
    (b.ledger?.size ?? 0) - (a.ledger?.size ?? 0);
  return [...witnesses].sort(order)[0] ?? null;
}

/** Throws `store.older` where the ledger is shorter than the witness, forked from it, or of another generation. */
export async function compareLedger(witness: Witness, journal: KeyJournal): Promise<void> {
  const head = await journal.ledgerHead();
  if (witness.ledger === null) {
    // Nothing was seen in this generation yet; an older one would still be told by its number.
    if (head !== null && head.generation < witness.generation) throw olderGeneration(head, witness);
    return;
  }
  const { size, root } = witness.ledger;
  if (head === null) throw older(`its ledger is gone; the keystore has seen ${size} entries`);
  if (head.generation !== witness.generation) throw olderGeneration(head, witness);
  if (head.size < size) throw older(`its ledger has ${head.size} entries, the keystore has seen ${size}`);
  if (!(await journal.ledgerConsistent({ size, root: decodeHex(root), generation: witness.generation }))) {
    throw older(`its ledger is not the one that the keystore has seen (forked at or before entry ${size})`);
  }
}

const olderGeneration = (head: LedgerHead, witness: Witness): StrongroomError =>
  older(`its ledger is of generation ${head.generation}, the keystore has seen ${witness.generation}`);

const older = (what: string): StrongroomError =>
  new StrongroomError('store.older', `The database is older than the keystore: ${what}. It needs a restore.`);
