/**
 * The intents log beside the root: what was accepted, or decided about the keystore itself, and must hold whatever
 * becomes of the database. A restore from an older backup applies it; a replica that was dropped stays dropped.
 *
 * Content of the file `intents` (sealed-side.ts): {"records": […], "revision": n}. The revision grows with each
 * change, and the witness remembers it, so that an older log put back is noticed. Everything in it is ids, slots and
 * names of replicas: content-free.
 */
import { z } from 'zod';
import type { Json } from '../bytes/canonical-json.ts';
import type { PunctureRequest } from './key-journal.ts';
import { parseSlot } from './slot.ts';

const slot = z.number().transform(parseSlot);
const replica = z.string();

const record = z.discriminatedUnion('kind', [
  /** A configured replica: an erasure is done once each of these holds nothing older. */
  z.strictObject({ kind: z.literal('member'), replica }),
  /** No longer one: its root was wiped, or it was declared lost. */
  z.strictObject({
    kind: z.literal('dropped'),
    replica,
    how: z.enum(['wiped', 'lost']),
    reason: z.string(),
    at: z.number(),
  }),
  /** Slots that are to die, accepted when there were too few replicas for an epoch. */
  z.strictObject({ kind: z.literal('puncture'), id: z.string(), slots: z.array(slot), reason: z.string() }),
  /** The epoch by which a restore is about to be committed, written before its root. */
  z.strictObject({ kind: z.literal('restore'), epoch: z.number(), file: z.string(), generation: z.number() }),
  /** An epoch that must never be taken for the truth: its restore was not committed. */
  z.strictObject({ kind: z.literal('abandoned'), file: z.string() }),
  /** What a capability above wants kept (a hold, for one), by its own id. */
  z.strictObject({ kind: z.literal('note'), id: z.string(), body: z.json().transform((body): Json => body) }),
]);

const content = z.strictObject({ revision: z.number(), records: z.array(record) });

export type IntentRecord = z.infer<typeof record>;
export type RestoreIntent = Extract<IntentRecord, { kind: 'restore' }>;
export type DroppedReplica = Extract<IntentRecord, { kind: 'dropped' }>;

export interface Intents {
  readonly revision: number;
  readonly records: readonly IntentRecord[];
}

export const NO_INTENTS: Intents = { revision: 0, records: [] };

/** Null where it is no intents log. */
export function matchIntents(value: unknown): Intents | null {
  return content.safeParse(value).data ?? null;
}

export const intentsToJson = (intents: Intents): Json => intents as unknown as Json;

/** The log with more records; a later note replaces an earlier one of its id. */
export function withIntents(intents: Intents, added: readonly IntentRecord[]): Intents {
  const replaced = new Set(added.flatMap((entry) => (entry.kind === 'note' ? [entry.id] : [])));
  const kept = intents.records.filter((entry) => entry.kind !== 'note' || !replaced.has(entry.id));
  return { revision: intents.revision + 1, records: [...kept, ...added] };
}

export const withoutIntents = (intents: Intents, gone: (record: IntentRecord) => boolean): Intents =>
  intents.records.some(gone)
    ? { revision: intents.revision + 1, records: intents.records.filter((entry) => !gone(entry)) }
    : intents;

/** Names of the replicas that are configured: added and not dropped since. */
export function membersOf(intents: Intents): ReadonlySet<string> {
  const members = new Set<string>();
  for (const entry of intents.records) {
    if (entry.kind === 'member') members.add(entry.replica);
    if (entry.kind === 'dropped') members.delete(entry.replica);
  }
  return members;
}

/** Replicas that were dropped and not added again. */
export function droppedOf(intents: Intents): readonly DroppedReplica[] {
  const dropped = new Map<string, DroppedReplica>();
  for (const entry of intents.records) {
    if (entry.kind === 'member') dropped.delete(entry.replica);
    if (entry.kind === 'dropped') dropped.set(entry.replica, entry);
  }
  return [...dropped.values()];
}

export const puncturesOf = (intents: Intents): PunctureRequest[] =>
  intents.records.flatMap((entry) =>
    entry.kind === 'puncture' ? [{ id: entry.id, slots: entry.slots, reason: entry.reason }] : [],
  );

/** Restores that were begun and not abandoned, oldest first. */
export function restoresOf(intents: Intents): readonly RestoreIntent[] {
  const abandoned = abandonedOf(intents);
  return intents.records.flatMap((entry) =>
    entry.kind === 'restore' && !abandoned.has(entry.file) ? [entry] : [],
  );
}

/** Names of files of epochs that must never be taken for the truth. */
export const abandonedOf = (intents: Intents): ReadonlySet<string> =>
  new Set(intents.records.flatMap((entry) => (entry.kind === 'abandoned' ? [entry.file] : [])));
