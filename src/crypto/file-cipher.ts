/** Whole files as Cobblestone-256 (cobblestone.ts). A port, so that a sabotage can show what a check finds without it. */
import { concat, type Bytes } from '../bytes/encoding.ts';
import type { Random } from '../environment.ts';
import { decryptStream, encryptStream, type CobblestoneKey } from './cobblestone.ts';

export interface FileCipher {
  encrypt(to: CobblestoneKey, plaintext: Uint8Array): Promise<Bytes>;
  /** Throws `box.damaged` for a file that is not whole, as it was written, for this key and this context. */
  decrypt(from: CobblestoneKey, file: Uint8Array): Promise<Bytes>;
}

export const cobblestoneCipher = (random: Random): FileCipher => ({
  encrypt: async (to, plaintext) =>
    concat(...(await Array.fromAsync(encryptStream(to, [plaintext], random)))),
  decrypt: async (from, file) => concat(...(await Array.fromAsync(decryptStream(from, [file])))),
});
