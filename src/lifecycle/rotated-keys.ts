/**
 * The keys of the service that replace each other, each with what has to be done when one does: the key that signs the
 * ledger, the pepper of API keys, the key of cursors, those that sign backups and certificates. How it is done, and in which order, is `rotations.ts`.
 */
import type { RotationKey } from '@strongroom/client';
import type { Pepper } from '../access/pepper.ts';
import { isEqual } from '../bytes/equal.ts';
import { SigningKey } from '../crypto/signature.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import type { Keyring } from '../keys/keyring.ts';
import { serviceKey } from '../keys/service-key.ts';
import type { Slot } from '../keys/slot.ts';
import { openCheckpoint } from '../ledger/checkpoint.ts';
import { DEPLOYMENT_LOG } from '../ledger/entry.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { verifierKey } from '../ledger/note.ts';
import type { Signers } from '../ledger/signers.ts';
import type { Store, Tx } from '../store/store.ts';

/** Names of service slots. */
export const SLOT_NAMES = {
  ledger: 'ledger signing',
  'api-keys': 'pepper',
  cursors: 'cursors',
  backups: 'backup signing',
  certificates: 'certificate signing',
} as const satisfies Partial<Record<RotationKey, string>>;

export type ServiceKeyName = keyof typeof SLOT_NAMES;

export const isServiceKey = (key: RotationKey): key is ServiceKeyName => Object.hasOwn(SLOT_NAMES, key);

/** What one kind of key does when another takes its place. */
export interface RotatedKey {
  /** In the transaction from whose commit on the next key is the one in use. */
  readonly switchTo: (tx: Tx, next: Slot) => Promise<void>;
  /** After that commit, also when a process finds it done. */
  readonly switched: () => Promise<void>;
  /** What lies under the old key comes under the next; done again from the start after a crash. */
  readonly rewrap: (old: Slot, next: Slot) => Promise<void>;
  /** Throws unless everything holds without the old key. */
  readonly verify: (next: Slot) => Promise<void>;
  /** Whether something still lies under the old key: it must not be destroyed then. */
  readonly isNeeded: (tx: Tx, old: Slot) => Promise<boolean>;
}

export interface RotatedKeysParts {
  readonly store: Store;
  readonly keyring: Keyring;
  readonly ledger: Ledger;
  readonly signers: Signers;
  readonly certificateSigners: Signers;
  readonly pepper: Pepper;
  readonly environment: Environment;
}

export const rotatedKeys = (parts: RotatedKeysParts): Readonly<Record<ServiceKeyName, RotatedKey>> => ({
  ledger: ledgerKey(parts),
  'api-keys': pepperKey(parts),
  cursors: passingKey,
  backups: passingKey,
  certificates: certificateKey(parts),
});

/** What was signed stays signed; each log says from where on the next key signs. */
function ledgerKey({ store, keyring, ledger, signers, environment }: RotatedKeysParts): RotatedKey {
  return {
    switchTo: async (tx, next) => {
      const signer = new SigningKey(serviceKey(keyring, next, SLOT_NAMES.ledger));
      const key = await signers.replace(tx, signer, environment.clock.now());
      ledger.appendRekey(tx, DEPLOYMENT_LOG, key);
    },
    switched: () => signers.replaced(store),
    rewrap: () => ledger.announceKey(),
    verify: async (next) => {
      const { publicKey } = new SigningKey(serviceKey(keyring, next, SLOT_NAMES.ledger));
      const { note, root } = await ledger.checkpoint(DEPLOYMENT_LOG);
      const key = verifierKey(ledger.originOf(DEPLOYMENT_LOG), publicKey);
      if (!isEqual(openCheckpoint(note, key).root, root))
        throw new StrongroomError('internal', 'what the new key signed does not verify');
    },
    isNeeded: () => Promise.resolve(false),
  };
}

/** What was signed stays signed, and verifies with the key of its day, which introduces the next. */
function certificateKey({ store, keyring, certificateSigners, environment }: RotatedKeysParts): RotatedKey {
  const keyAt = (slot: Slot): SigningKey =>
    new SigningKey(serviceKey(keyring, slot, SLOT_NAMES.certificates));
  return {
    ...passingKey,
    switchTo: async (tx, next) =>
      void (await certificateSigners.replace(tx, keyAt(next), environment.clock.now())),
    switched: () => certificateSigners.replaced(store),
    verify: (next) => {
      const { publicKey } = keyAt(next);
      return isEqual(certificateSigners.current.publicKey, publicKey) && certificateSigners.canSign
        ? Promise.resolve()
        : Promise.reject(new StrongroomError('internal', 'certificates are not signed with the next key'));
    },
  };
}

function pepperKey({ pepper, environment }: RotatedKeysParts): RotatedKey {
  return {
    switchTo: () => Promise.resolve(),
    switched: () => Promise.resolve(),
    rewrap: async (old, next) => {
      for (let last: string | null = ''; last !== null;) {
        last = await pepper.resealSome(old, next, last);
        environment.fault('rotation.rewrap');
      }
    },
    verify: async (next) => void (await pepper.verify(next)),
    isNeeded: (tx, old) => pepper.isNeeded(tx, old),
  };
}

/** Nothing is brought over: cursors end by themselves, and a manifest stays as it was signed. */
const passingKey: RotatedKey = {
  switchTo: () => Promise.resolve(),
  switched: () => Promise.resolve(),
  rewrap: () => Promise.resolve(),
  verify: () => Promise.resolve(),
  isNeeded: () => Promise.resolve(false),
};
