/**
 * The closed catalogue of what can be done here: every ledger entry carries one of these, every route names one.
 *
 * A name is never reused for something else and never removed, because entries live for years. Adding actions raises
 * `CATALOGUE_VERSION`, which each entry carries, so that a reader knows whether an unknown name is newer or forged.
 */

export const CATALOGUE_VERSION = 3;

interface ActionKind {
  /** Whether it only looks: nothing but the ledger changes. */
  readonly reads: boolean;
  /** Whether people and programs ask for it, or the system does it of itself. */
  readonly by: 'caller' | 'system';
}

const read: ActionKind = { reads: true, by: 'caller' };
const change: ActionKind = { reads: false, by: 'caller' };
const event: ActionKind = { reads: false, by: 'system' };

export const ACTIONS = {
  'memory.add': change,
  'memory.get': read,
  'memory.list': read,
  'memory.search': read,
  'memory.update': change,
  'memory.delete': change,
  'memory.restore': change,
  'memory.history': read,
  'memory.approve': change,
  'memory.reject': change,
  'memory.export': read,
  'vault.create': change,
  'vault.get': read,
  'vault.list': read,
  'vault.update': change,
  'vault.delete': change,
  'vault.restore': change,
  'key.create': change,
  'key.list': read,
  'key.rotate': change,
  'key.revoke': change,
  'ledger.read': read,
  'ledger.checkpoint': read,
  'ledger.proof': read,
  'ledger.export': read,
  'ledger.keys': read,
  'verification.run': change,
  'rotation.run': change,
  'rotation.list': read,
  'session.start': change,
  'session.end': change,
  'organization.create': change,
  'project.create': change,
  'erasure.request': change,
  'erasure.get': read,
  'erasure.list': read,
  'erasure.cancel': change,
  'erasure.certificate': read,
  'backup.create': change,
  'backup.restore': change,
  'retention.get': read,
  'retention.update': change,
  'retention.simulate': read,
  'retention.explain': read,
  'hold.place': change,
  'hold.list': read,
  'hold.get': read,
  'hold.read': read,
  'hold.release': change,
  'archive.request': change,
  'archive.list': read,
  'archive.get': read,
  'archive.approve': change,
  'archive.refuse': change,
  'archive.read': read,
  'export.create': change,
  'export.list': read,
  'export.get': read,
  'export.read': read,
  'export.delete': change,
  'backup.list': read,
  'backup.drill': change,
  'vault.rewind': change,
  'rewind.list': read,
  // Of the system itself
  'server.start': event,
  'server.stop': event,
  'epoch.complete': event,
  'erasure.complete': event,
  'log.checkpoint': event,
  'ledger.recover': event,
  'ledger.rekey': event,
  'rotation.begin': event,
  'rotation.end': event,
  'memory.expire': event,
  'memory.purge': event,
  'memory.archive': event,
  'archive.copy': event,
  'archive.expire': event,
  'export.end': event,
  'hold.restore': event,
  'ledger.prune': event,
  'vault.purge': event,
  'refusals.counted': event,
  'backup.expire': event,
  'keystore.recover': event,
  'egress.send': event,
  'egress.answer': event,
} as const satisfies Record<string, ActionKind>;

export type Action = keyof typeof ACTIONS;

export const isAction = (text: unknown): text is Action =>
  typeof text === 'string' && Object.hasOwn(ACTIONS, text);

export const isReadAction = (action: Action): boolean => ACTIONS[action].reads;

/** `memory` of `memory.add`. */
export const nounOf = (action: Action): string => action.slice(0, action.indexOf('.'));
