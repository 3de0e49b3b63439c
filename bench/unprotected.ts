/**
 * Sealing and the ledger, left out: what protection costs is measured against this. In the benchmark only.
 *
 * The comparison is a hard one. Boxes are the content itself; nothing is appended to any log; and a read or a search
 * writes nothing at all, while the protected server makes an entry of each durable before it answers. What stays is what
 * any server would need: authentication by the key's row, durable commits of additions, TLS.
 */
import { Recorder } from '../src/access/recorder.ts';
import type { RecordSealer } from '../src/keys/record-sealer.ts';
import type { Ledger } from '../src/ledger/ledger.ts';
import type { Substitutes } from '../src/strongroom.ts';

const plainSealer: RecordSealer = {
  at: () => ({
    seal: (_column, content) => new Uint8Array(content),
    open: (_column, box) => new Uint8Array(box),
  }),
};

const withoutEntries = (ledger: Ledger): Ledger => Object.assign(ledger, { append: () => undefined });

/** Takes entries out of this whole process, for good. */
export function leaveOutProtection(): Substitutes {
  Recorder.prototype.record = (context) => {
    context.recorded = true;
    return Promise.resolve();
  };
  return { sealer: () => plainSealer, ledger: withoutEntries };
}
