/** Vaults for canaries: made for one check, gone after it. What is put in them expires, so that it is erased as well. */
import type { VaultHandle, VaultInput } from '@strongroom/client';
import { encodeHex } from '../bytes/encoding.ts';
import { HOUR_MS } from '../durations.ts';
import type { Tenant, World } from './world.ts';

/** When canaries end, for `expiresAt`. */
export const canaryEnd = ({ clock }: World): string => new Date(clock.now() + HOUR_MS).toISOString();

/** A word that occurs nowhere else. */
export const canaryWord = ({ random }: World): string => `cnry${encodeHex(random(8))}`;

export async function withVault<T>(
  world: World,
  tenant: Tenant,
  input: Omit<VaultInput, 'name'>,
  work: (vault: VaultHandle, id: string) => Promise<T>,
): Promise<T> {
  const { client } = tenant;
  const { id } = await client.vaults.create({
    deletion: { mode: 'immediate' },
    ...input,
    name: `canary ${encodeHex(world.random(8))}`,
  });
  try {
    return await work(client.vault(id), id);
  } finally {
    await client.vaults.delete(id);
  }
}

/** A vector of length one in a random direction. */
export function canaryVector({ random }: World, dimensions: number): number[] {
  const bytes = random(dimensions * 4);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values = Array.from({ length: dimensions }, (_, at) => view.getInt32(at * 4) / 2 ** 31);
  const length = Math.hypot(...values);
  return values.map((value) => Math.fround(value / length));
}
