/**
 * Sealing and the ledger, left out: what protection costs is measured against this. In the benchmark only.
 *
 * `open`: boxes are the content itself and nothing is appended to any log; a search still passes through the write path,
 * which commits nothing but its change number. `bare`: nor does a search or any other read write anything, although an
 * entry of each, durable before the answer, is what the ledger is for. What stays in both is what any server needs:
 * authentication by the key's row, durable commits of additions, TLS.
 */
import { Recorder } from '../src/access/recorder.ts';
import type { RecordSealer } from '../src/keys/record-sealer.ts';
import type { Ledger } from '../src/ledger/ledger.ts';
import type { Substitutes } from '../src/strongroom.ts';

const plainSealer: RecordSealer = {
  at: () => ({
    seal: (_column, content) => new Uint8Array(content),
    open: (_column, box) => new Uint8Array(box),
    openInPlace: (_column, box) => box,
  }),
};

const withoutEntries = (ledger: Ledger): Ledger => Object.assign(ledger, { append: () => undefined });

export type Exposure = 'open' | 'bare';

/** For this whole process, and for good. */
export function leaveOutProtection(exposure: Exposure): Substitutes {
  if (exposure === 'bare')
    Recorder.prototype.record = (context) => {
      context.recorded = true;
      return Promise.resolve();
    };
  return { sealer: () => plainSealer, ledger: withoutEntries };
}
