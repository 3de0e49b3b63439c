/**
 * Every log of the deployment against what was signed of it: the deployment's own log remembers each checkpoint of the
 * others with its root, so one that was cut back or grew differently since is told apart, whoever signed it again.
 *
 * Roots are compared by consistency proofs over the tiles (RFC 6962, 2.1.2); entries are not hashed anew, which is for
 * `strongroom ledger verify`. Nothing here says whose log it is: the result is shown to whoever may verify.
 */
import { parseHash } from '../ledger/checkpoint.ts';
import type { CheckpointClock } from '../ledger/checkpoint-clock.ts';
import { DEPLOYMENT_LOG, type LogId } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { verifyConsistency, type TreeHead } from '../ledger/merkle.ts';
import { StrongroomError } from '../errors.ts';
import { SYSTEM, type Store } from '../store/store.ts';

/** So many take a second or two; beyond that, those that were signed last. */
const LOGS_MAX = 2000;
/** Checkpoints of each that are looked at. */
const SIGNED = 2;

export interface LogHeads {
  readonly logs: number;
  readonly looked: number;
  /** Why a log does not go on from what was signed, one each. */
  readonly faults: readonly string[];
}

interface Looking {
  readonly store: Pick<Store, 'read'>;
  readonly ledger: Pick<Ledger, 'head' | 'entries' | 'consistencyProof'>;
  readonly checkpoints: Pick<CheckpointClock, 'tick'>;
}

/** Signs what has grown, as once a minute, and then looks. */
export async function logHeads({ store, ledger, checkpoints }: Looking): Promise<LogHeads> {
  await checkpoints.tick();
  const rows = await store.read(SYSTEM, (db) =>
    db
      .selectFrom('ledger_heads')
      .select('log')
      .where('log', '!=', DEPLOYMENT_LOG)
      .orderBy('change', 'desc')
      .execute(),
  );
  const faults: string[] = [];
  const looked = rows.slice(0, LOGS_MAX);
  for (const [at, { log }] of looked.entries()) {
    const fault = await faultOf(ledger, log);
    if (fault !== null) faults.push(`log ${at + 1} of ${rows.length}: ${fault}`);
  }
  return { logs: rows.length, looked: looked.length, faults };
}

async function faultOf(ledger: Looking['ledger'], log: LogId): Promise<string | null> {
  const { entries } = await ledger.entries(DEPLOYMENT_LOG, {
    action: 'log.checkpoint',
    target: log,
    limit: SIGNED,
  });
  if (entries.length === 0) return 'has never been signed';
  let to: TreeHead = await ledger.head(log);
  for (const { facts } of entries) {
    const from = { size: Number(facts?.['size']), root: parseHash(String(facts?.['root'])) };
    if (from.size > to.size) return `had ${from.size} entries when it was signed, and has ${to.size}`;
    if (!(await isContinued(ledger, log, from, to)))
      return `does not go on from the ${from.size} entries that were signed`;
    to = from;
  }
  return null;
}

/** Tiles that give no proof are no evidence. */
async function isContinued(
  ledger: Looking['ledger'],
  log: LogId,
  from: TreeHead,
  to: TreeHead,
): Promise<boolean> {
  try {
    return verifyConsistency(from, to, await ledger.consistencyProof(log, from.size, to.size));
  } catch (error) {
    if (error instanceof RangeError || error instanceof StrongroomError) return false;
    throw error;
  }
}
