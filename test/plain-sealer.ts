/** Sealing switched off: what a search for plain bytes must find, or it proves nothing. */
import type { RecordSealer } from '../src/keys/record-sealer.ts';

export const plainSealer: RecordSealer = {
  at: () => ({
    seal: (_column, content) => new Uint8Array(content),
    open: (_column, box) => new Uint8Array(box),
    openInPlace: (_column, box) => box,
  }),
};
