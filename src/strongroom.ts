/**
 * The composition root: opens everything from a configuration, in order, and closes it in reverse. Its rooms are in composition/.
 *
 * Order matters: the store and the keyring come first, the ledger before whoever acts, and what was left in the middle goes on
 * when everything is there. What fails on the way closes what was open.
 */
import type { IdempotencyParts } from './access/idempotency.ts';
import { Closing } from './closing.ts';
import { openBase, type Base } from './composition/base.ts';
import { openContent, type Content } from './composition/content.ts';
import { openErasing, type Erasing } from './composition/erasing.ts';
import { openKeeping, type Keeping } from './composition/keeping.ts';
import { Late } from './composition/late.ts';
import { logError, type Log, type OpenStrongroom } from './composition/options.ts';
import { openRecovery, type Recovery } from './composition/recovery.ts';
import { openTrust, type LateTrust, type Trust } from './composition/trust.ts';
import { isId } from './ids.ts';
import type { DroppedRows } from './recovery/dead-rows.ts';
import type { RestoreMark } from './recovery/restore-mark.ts';

export type { Log, OpenStrongroom, Substitutes } from './composition/options.ts';

/** What is open, by name. */
export interface Strongroom extends Omit<Base, 'registry'>, Trust, Content, Erasing, Keeping, Recovery {
  /** What was restored and is not committed yet: it can be looked at and not changed. Null in a deployment that lives. */
  readonly restoring: RestoreMark | null;
  /** Rows that were taken out because their keys were lost: null unless the keystore has just been recovered. */
  readonly recovered: DroppedRows | null;
  close(): Promise<void>;
}

/** Opens a deployment that `initialise` made. Refuses weak or foreign state with one clear error. */
export async function openStrongroom(options: OpenStrongroom): Promise<Strongroom> {
  const closing = new Closing();
  try {
    return await openAll(options, closing);
  } catch (error) {
    await closing.run();
    throw error;
  }
}

async function openAll(options: OpenStrongroom, closing: Closing): Promise<Strongroom> {
  const base = await openBase(options, closing);
  const late: LateTrust = {
    current: new Late('what an id stands for'),
    retiredCursors: new Late('rotation'),
    vaults: new Late('the directory of vaults'),
    people: new Late('the directory of people'),
  };
  const trust = await openTrust(options, base, late);
  const content = await openContent(options, base, trust, closing);
  late.vaults.set(content.vaults);
  late.people.set(content.people);
  const erasing = openErasing(options, { base, trust, content }, closing);
  if (trust.signers.canSign) closing.add(() => trust.checkpoints.tick());
  if (base.restoring === null) closing.add(() => content.indexes.saveAll());
  closing.add(() => trust.refusals.flush());
  const keeping = await openKeeping(options, { base, trust, content, erasing });
  late.retiredCursors.set(() => keeping.rotations.retiredCursors);
  const recovery = await openRecovery(options, { base, trust, content });
  late.current.set(currentBy({ erasing, keeping, recovery }));
  closing.add(() => keeping.exports.close());
  closing.add(() => recovery.backups.close());
  closing.add(() => recovery.rewinds.close());
  if (base.restoring === null) await goOn(options.log, keeping, recovery);
  const { registry: _, ...shown } = base;
  return { ...shown, ...trust, ...content, ...erasing, ...keeping, ...recovery, close: () => closing.run() };
}

/** What a repeated request is answered from, by the kind of thing it made. */
function currentBy({
  erasing,
  keeping,
  recovery,
}: {
  readonly erasing: Erasing;
  readonly keeping: Keeping;
  readonly recovery: Recovery;
}): IdempotencyParts['current'] {
  return (context, id) => {
    if (isId('hold', id)) return keeping.holds.current(context, id);
    if (isId('archiveRequest', id)) return keeping.archiveRequests.current(context, id);
    if (isId('export', id)) return keeping.exports.current(context, id);
    if (isId('policy', id)) return keeping.retention.current(context, id);
    if (isId('backup', id) || isId('drill', id)) return recovery.backupDesk.current(id);
    if (isId('erasure', id)) return erasing.erasureRequests.current(context, id);
    if (isId('rewind', id)) return recovery.rewinds.current(context, id);
    return erasing.memories.current(context, id);
  };
}

/** What an earlier process left in the middle, and what has come due since. A failure is told and tried again later. */
async function goOn(log: Log, { lifecycle }: Keeping, { backups, rewinds }: Recovery): Promise<void> {
  await backups.clean();
  await rewinds
    .resume()
    .catch((error: unknown) => logError(log, error, 'a vault on its way back was not finished'));
  await lifecycle
    .run()
    .catch((error: unknown) => logError(log, error, 'not everything that is over was ended'));
}
