/**
 * Who may do what, under which keys, and what is written down of it: sealing, the ledger, organizations, API keys.
 *
 * The ledger comes before whoever acts. What was recovered is recorded before anything else is.
 */
import { Access } from '../access/access.ts';
import { ApiKeys } from '../access/api-keys.ts';
import { Cursors } from '../access/cursors.ts';
import { Idempotency, type IdempotencyParts } from '../access/idempotency.ts';
import { LedgerReads } from '../access/ledger-reads.ts';
import { Organizations } from '../access/organizations.ts';
import { Pepper } from '../access/pepper.ts';
import { Receipts } from '../access/receipts.ts';
import { Recorder } from '../access/recorder.ts';
import { ServiceSlots } from '../access/service-slots.ts';
import { SigningKey } from '../crypto/signature.ts';
import type { Environment } from '../environment.ts';
import { createIdSource } from '../ids.ts';
import { RecordKeys } from '../keys/record-key.ts';
import { KeyedSealer } from '../keys/record-sealer.ts';
import { RECOVERY_NOTE } from '../keys/recover.ts';
import { serviceKey } from '../keys/service-key.ts';
import type { Slot } from '../keys/slot.ts';
import { CheckpointClock } from '../ledger/checkpoint-clock.ts';
import { Ledger } from '../ledger/ledger.ts';
import { LedgerPeriods } from '../ledger/periods.ts';
import { RefusalCounts } from '../ledger/refusal-counts.ts';
import { type SignedAs, Signers } from '../ledger/signers.ts';
import { certificateKeyName } from '../lifecycle/certificates.ts';
import { SLOT_NAMES } from '../lifecycle/rotated-keys.ts';
import { Destruction } from '../store/destruction.ts';
import { SYSTEM } from '../store/store.ts';
import { People } from '../vaults/people.ts';
import { Vaults } from '../vaults/vaults.ts';
import { type Base, deploymentName } from './base.ts';
import { Late } from './late.ts';
import type { OpenStrongroom } from './options.ts';

/** What is asked of trust before it is open: by requests only, which come when everything is. */
export interface LateTrust {
  readonly current: Late<IdempotencyParts['current']>;
  /** Slots of keys for cursors that were replaced and still open. */
  readonly retiredCursors: Late<() => readonly Slot[]>;
  readonly vaults: Late<Vaults>;
  readonly people: Late<People>;
}

export type Trust = Awaited<ReturnType<typeof openTrust>>;

export async function openTrust(options: OpenStrongroom, base: Base, late: LateTrust) {
  const { environment, log, substitutes = {} } = options;
  const { store, keyring, journal, slots } = base;
  const newId = createIdSource(environment.clock, environment.random);
  const realDestruction = new Destruction({ store, keyring, journal, newId });
  const destruction = substitutes.destruction?.(realDestruction) ?? realDestruction;
  const recordKeys = new RecordKeys(keyring);
  const keyed = new KeyedSealer(recordKeys, environment.random);
  const sealer = substitutes.sealer?.(keyed) ?? keyed;
  const services = new ServiceSlots(store, slots, environment.clock);
  const periods = await LedgerPeriods.open(store, slots, environment.clock.now());
  const { signers, certificateSigners } = await openSigners(base, services, environment);
  const realLedger = new Ledger({ store, environment, sealer, signers, periods, keyring });
  const ledger = substitutes.ledger?.(realLedger) ?? realLedger;
  if (base.recovered !== null) await recordRecovery(base, ledger);
  const cursorSlots = (): readonly Slot[] => [
    services.current(SLOT_NAMES.cursors),
    ...late.retiredCursors.value(),
  ];
  const cursors = new Cursors(
    () => cursorSlots().map((slot) => serviceKey(keyring, slot, SLOT_NAMES.cursors)),
    environment.random,
  );
  const organizations = new Organizations({ store, slots, sealer, newId, environment });
  const receiptSlot = await services.get('receipts');
  const receipts = new Receipts(store, () => serviceKey(keyring, receiptSlot, 'receipts'));
  const access = new Access({
    store,
    keys: recordKeys,
    sealer,
    organizations,
    isErased: (slot) => keyring.isErased(slot),
    receipts,
    environment,
  });
  const idempotency = new Idempotency({
    store,
    keys: recordKeys,
    environment,
    serviceSlot: (name) => services.get(name),
    current: (context, id) => late.current.value(context, id),
  });
  const recorder = new Recorder(store, ledger, idempotency);
  const apiKeys = new ApiKeys({
    store,
    destruction,
    keys: recordKeys,
    sealer,
    slots,
    organizations,
    access,
    recorder,
    pepper: () => services.current(SLOT_NAMES['api-keys']),
    newId,
    environment,
    vaultOf: async (organization, reference) =>
      (await late.vaults.value.find(organization, reference))?.id ?? null,
  });
  const ledgerReads = new LedgerReads({
    ledger,
    access,
    recorder,
    cursors,
    subjectOf: async (organization, name) =>
      (await late.people.value.subjects(organization)).withName(name)?.id ?? null,
  });
  const pepper = new Pepper({
    store,
    sealer,
    organizations,
    onDamage: (key) => log.error({ key }, 'the hash of an API key is damaged'),
  });
  const refusals = new RefusalCounts(ledger, store, environment.clock);
  const checkpoints = new CheckpointClock(ledger);
  return {
    newId,
    destruction,
    recordKeys,
    sealer,
    services,
    periods,
    signers,
    certificateSigners,
    ledger,
    cursors,
    organizations,
    access,
    idempotency,
    recorder,
    apiKeys,
    ledgerReads,
    pepper,
    refusals,
    checkpoints,
  };
}

/** The service keys that rotations replace, and whom the ledger and certificates are signed by. */
async function openSigners(
  base: Base,
  services: ServiceSlots,
  { clock }: Environment,
): Promise<{ readonly signers: Signers; readonly certificateSigners: Signers }> {
  const { keyring } = base;
  const isErased = (slot: Slot): boolean => keyring.isErased(slot);
  for (const name of Object.values(SLOT_NAMES)) await services.open(name, isErased);
  const name = deploymentName(keyring.deployment);
  const opened = (as: SignedAs): Promise<Signers> =>
    openSigner(base, as, { slot: services.known(SLOT_NAMES[as.role]), nowMs: clock.now() });
  return {
    signers: await opened({ role: 'ledger', name }),
    certificateSigners: await opened({ role: 'certificates', name: certificateKeyName(name) }),
  };
}

async function openSigner(
  { store, keyring, restoring }: Base,
  as: SignedAs,
  { slot, nowMs }: { readonly slot: Slot | null; readonly nowMs: number },
): Promise<Signers> {
  const signer = slot === null ? null : new SigningKey(serviceKey(keyring, slot, SLOT_NAMES[as.role]));
  return restoring === null && signer !== null
    ? Signers.open(store, as, signer, nowMs)
    : Signers.look(store, as, signer);
}

/** The entry of a recovery; then it is over. */
async function recordRecovery({ store, keyring, recovered }: Base, ledger: Ledger): Promise<void> {
  const rows = Object.values(recovered ?? {}).reduce((sum, count) => sum + count, 0);
  const body = keyring.notes.get(RECOVERY_NOTE) as Readonly<Record<string, number>> | undefined;
  await store.write(SYSTEM, (tx) => {
    const entry = { principal: 'system', outcome: 'done', request: '', scope: [], target: '' } as const;
    const facts = { ...body, epoch: keyring.epoch, rows };
    ledger.append(tx, { ...entry, action: 'keystore.recover', facts });
    return Promise.resolve();
  });
  await keyring.keepNote(RECOVERY_NOTE, null);
}
