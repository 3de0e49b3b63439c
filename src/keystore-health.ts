/**
 * Whether the keystore can forget: an erasure is done once every replica has, so one that is away makes all of them wait, while
 * everything else goes on. Who asks without a key learns how many, and not which.
 */
import type { Gauge, HealthCheck } from './http/parts.ts';
import type { Strongroom } from './strongroom.ts';

type Parts = Pick<Strongroom, 'keyring' | 'erasures'>;

export interface KeystoreHealth {
  readonly members: readonly string[];
  readonly away: readonly string[];
  /** Erasures that are not destroyed yet; null where the store cannot say. */
  readonly waiting: number | null;
}

export async function keystoreHealth({ keyring, erasures }: Parts): Promise<KeystoreHealth> {
  // A store that cannot be read is told by its own check.
  const waiting = await erasures.waiting().catch(() => null);
  return { members: keyring.members, away: await keyring.away(), waiting };
}

export async function keystoreCheck(parts: Parts): Promise<HealthCheck> {
  const health = await keystoreHealth(parts);
  const { away, members } = health;
  if (away.length === 0) return { name: 'keystore', ok: true };
  const detail = `${away.length} of ${members.length} replicas away; ${waitingText(health)}`;
  return { name: 'keystore', ok: true, degraded: 'keystore.away', detail };
}

export async function keystoreGauges(parts: Parts): Promise<readonly Gauge[]> {
  const { away, waiting } = await keystoreHealth(parts);
  const gauges: Gauge[] = [
    {
      name: 'strongroom_keystore_away_replicas',
      help: 'Replicas of the keystore that cannot be reached: erasures wait for them.',
      value: away.length,
    },
  ];
  if (waiting !== null)
    gauges.push({
      name: 'strongroom_waiting_erasures',
      help: 'Erasures that are hidden and whose keys are not destroyed in every replica yet.',
      value: waiting,
    });
  return gauges;
}

export function waitingText({ waiting }: KeystoreHealth): string {
  if (waiting === null || waiting === 0) return 'every erasure will wait';
  return waiting === 1 ? '1 erasure waits' : `${waiting} erasures wait`;
}
