/**
 * A keystore that is older than its database, or has lost what lies beside its root: every replica that knew better is
 * gone. Opening refuses it; this is what an operator can still do, having seen what it costs (docs/keyring.md).
 *
 *     found                                                     answer
 *     a root of this database's history that opens whole        examined; `commit` makes it the truth by one full epoch
 *     the newest root opens and so does what lies beside it     conflict: there is nothing to recover
 *     no root of this history opens in any replica              keyring.damaged
 *     the ledger does not go on from the witness                store.older: it is the database that was put back
 *
 * What the database has recorded since that root is done again: every slot that was ordered to die dies, derived ones
 * too. Leaves that were made since never existed here: what was sealed under them is lost, and they are dead from the
 * start, so that no box opens under a key that is not its own. Before the epoch the intents say that it is coming, so that
 * whoever opens next takes out the rows of what was lost.
 */
import { StrongroomError } from '../errors.ts';
import type { Json } from '../bytes/canonical-json.ts';
import { fileNameOf } from './epoch-file.ts';
import { membersOf, NO_INTENTS, puncturesOf, withIntents, type IntentRecord } from './intents.ts';
import type { PunctureRequest } from './key-journal.ts';
import { Keyring, type PunctureOutcome } from './keyring.ts';
import { forget, Keystore } from './keystore.ts';
import {
  asTarget,
  highestSeen,
  isDamage,
  judgeRestores,
  wipeWhatIsNotTrue,
  type OpenOptions,
} from './open.ts';
import { leafOf } from './slot.ts';
import { SlotKeys } from './slot-keys.ts';
import {
  isKnown,
  newestSides,
  readableRoots,
  readSides,
  replicasAt,
  RootOpener,
  surveyReplicas,
  type OpenedRoot,
  type Sides,
  type Surveyed,
} from './survey.ts';
import { compareLedger } from './witness.ts';

/** Kept beside the root until the rows of what was lost have been taken out. */
export const RECOVERY_NOTE = 'recovery';

export interface Recovery {
  /** The epoch that can be gone on from, and the newest one that the database knows. */
  readonly epoch: number;
  readonly newestEpoch: number;
  /** Requests that are done again, and how many slots they name. */
  readonly requests: number;
  readonly slots: number;
  /** Leaves whose keys are gone. */
  readonly lostLeaves: readonly number[];
  /** What is not certain any more, in words. */
  readonly doubts: readonly string[];
  /** Ends the state of before: resolves with a keyring that can be written. */
  commit(): Promise<{ readonly keyring: Keyring; readonly outcome: PunctureOutcome }>;
  /** Forgets the keys that were read. */
  close(): void;
}

/** Reads, and writes nothing before `commit`. */
export async function examineKeystore(options: OpenOptions): Promise<Recovery> {
  const { deployment, environment, journal } = options;
  const keystore = new Keystore(deployment, replicasAt(options.replicas, options.disk), environment.random);
  const survey = await surveyReplicas(keystore);
  const rows = await journal.epochs();
  const opener = new RootOpener(keystore, survey);
  const truth = await newestThatOpens(survey, rows, opener);
  const keys = new SlotKeys(truth.tree);
  const sideKeys = { deployment, key: keys.key.bind(keys) };
  const generation = (await journal.ledgerHead())?.generation ?? 0;
  const found = await sidesOf(survey, keystore, { ...sideKeys, generation });
  const newestEpoch = rows.reduce(
    (max, { epoch, state }) => (state === 'complete' ? Math.max(max, epoch) : max),
    0,
  );
  if (truth.cell.epoch >= newestEpoch && found.doubts.length === 0)
    throw new StrongroomError(
      'conflict',
      'The keystore is as new as the database: there is nothing to recover.',
    );
  const { sides } = found;
  const restored = judgeRestores(sides, truth, survey);
  if (restored.generation === null) await compareLedger(sides.witness, journal);
  const leaves = await journal.leaves();
  const lostLeaves = leaves.map(({ leaf }) => leaf).filter((leaf) => leaf >= truth.tree.leafCount);
  const asked = [
    ...(await journal.requestsAfter(truth.cell.epoch)),
    ...(await journal.pending()),
    ...puncturesOf(sides.intents),
  ];
  const again = undoneAmong(asked, truth, keys);
  const lost = Math.max(0, ...lostLeaves.map((leaf) => leaf + 1 - truth.tree.leafCount));
  return {
    epoch: truth.cell.epoch,
    newestEpoch,
    requests: again.requests,
    slots: again.slots.length,
    lostLeaves: lostLeaves.sort((left, right) => left - right),
    doubts: [...found.doubts, ...givenUp(survey, truth)],
    close: () => survey.forEach(({ root }) => forget(root)),
    commit: async () => {
      environment.fault('recover.intents');
      const records = recordsOf(survey, sides, {
        from: truth.cell.epoch,
        newest: newestEpoch,
        requests: again.requests,
        leaves: lostLeaves.length,
      });
      keystore.adopt(sides.intents, sides.witness);
      const members = membersOf(withIntents(sides.intents, records));
      const present = survey.filter(({ replica }) => members.has(replica.name));
      await keystore.writeIntents(withIntents(sides.intents, records), sideKeys, present.map(asTarget));
      await wipeWhatIsNotTrue(keystore, survey, truth, environment);
      const seenEpoch = highestSeen(survey, rows, sides);
      for (const { root } of survey) forget(root);
      const keyring = new Keyring({
        keystore,
        tree: truth.tree,
        epoch: truth.cell.epoch,
        fileName: truth.fileName,
        seenEpoch,
        isRestoring: false,
        abandoned: [],
        leaves,
        pending: [],
        options,
      });
      environment.fault('recover.epoch');
      const request: PunctureRequest = {
        id: `recover_${seenEpoch + 1}`,
        slots: again.slots,
        reason: 'keystore.recover',
      };
      const outcome = await keyring.recover(again.slots.length === 0 ? [] : [request], lost);
      return { keyring, outcome };
    },
  };
}

/** The highest root of this database's history that opens whole, from whichever replicas. */
async function newestThatOpens(
  survey: readonly Surveyed[],
  rows: Parameters<typeof isKnown>[1],
  opener: RootOpener,
): Promise<OpenedRoot> {
  let damage: StrongroomError | null = null;
  for (const cell of readableRoots(survey).filter((one) => isKnown(one, rows))) {
    try {
      return await opener.open(cell);
    } catch (error) {
      if (!isDamage(error)) throw error;
      damage ??= error;
    }
  }
  throw new StrongroomError('keyring.damaged', {
    detail:
      'No root of this database opens whole in any replica: put a replica in place that has one, however old' +
      (damage === null ? '.' : `; ${damage.message}.`),
    ...(damage === null ? {} : { cause: damage }),
  });
}

/** What lies beside the root; where it does not open in any replica, what can be said without it. */
async function sidesOf(
  survey: readonly Surveyed[],
  keystore: Keystore,
  { generation, ...keys }: Parameters<typeof readSides>[2] & { readonly generation: number },
): Promise<{ readonly sides: Sides; readonly doubts: readonly string[] }> {
  try {
    return { sides: await readSides(survey, keystore, keys), doubts: [] };
  } catch (error) {
    if (!isDamage(error)) throw error;
    const { intents, witness } = await newestSides(survey, keystore, keys);
    const doubts = [
      ...(intents === null
        ? [
            'The intents are lost: every replica that is here counts as a member, and what was noted beside the root alone is gone.',
          ]
        : []),
      ...(witness === null
        ? ['The witness is lost: that the database was not put back cannot be told.']
        : []),
      ...(intents !== null && witness !== null ? [error.message] : []),
    ];
    const seen = witness ?? { epoch: 0, intents: 0, generation, ledger: null, backup: null };
    const { revision, records } = intents ?? NO_INTENTS;
    // Whatever is written from here on is newer than what the witness has seen.
    const kept = { revision: Math.max(revision, seen.intents), records };
    return { sides: { intents: kept, witness: seen }, doubts };
  }
}

/** Slots that were ordered to die and are alive here. Those of lost leaves need no order: they never had a key. */
function undoneAmong(
  asked: readonly PunctureRequest[],
  { tree }: OpenedRoot,
  keys: SlotKeys,
): { readonly requests: number; readonly slots: PunctureRequest['slots'] } {
  const isDead = keys.deadAmong();
  const alive = new Map(
    asked.map(({ id, slots }) => [
      id,
      slots.filter((slot) => leafOf(slot) < tree.leafCount && !isDead(slot)),
    ]),
  );
  const undone = [...alive.values()].filter((slots) => slots.length > 0);
  return { requests: undone.length, slots: [...new Set(undone.flat())] };
}

/** Newer roots whose pages open nowhere: the commit overwrites them. */
const givenUp = (survey: readonly Surveyed[], { cell }: OpenedRoot): readonly string[] =>
  survey.flatMap(({ replica, root }) =>
    root.cells
      .filter((held) => held.epoch > cell.epoch)
      .map(
        (held) =>
          `Replica ${replica.name} holds a root of epoch ${held.epoch} (pages/${fileNameOf(held.root)}) that does not open; it is given up.`,
      ),
  );

function recordsOf(survey: readonly Surveyed[], { intents }: Sides, facts: Json): readonly IntentRecord[] {
  const note: IntentRecord = { kind: 'note', id: RECOVERY_NOTE, body: facts };
  if (intents.records.some(({ kind }) => kind === 'member')) return [note];
  return [...survey.map(({ replica }): IntentRecord => ({ kind: 'member', replica: replica.name })), note];
}
