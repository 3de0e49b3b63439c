/**
 * A log as a file: JSON Lines, which verify offline, and CSV, to be read by people and spreadsheets.
 *
 * JSON Lines, one object each:
 *
 *     header      {"type": "strongroom-ledger", "version": 1, "log", "origin", "vkey", "from", "frontier", "size", "exportedAt"}
 *       from        number of the first entry; the ones before it are summed up in `frontier` (base64, 32 bytes per peak)
 *       keys        [{"generation", "publicKey", "introduction"}], oldest first; only where more than one key has signed the
 *                   logs (ledger-keys.ts). `vkey` is of the last one
 *       size        entries of the log at the moment of the export: the last one is size - 1
 *     entry       {"type": "entry", "n", "leaf", "box"?, "details"?}
 *       leaf        the hashed text itself (canonical JSON); {"hash"} (base64) instead, where the entry was pruned
 *       box         the sealed details, base64
 *       details     what is in the box, where it could be opened: a courtesy, which nothing proves
 *     checkpoint  {"type": "checkpoint", "size", "note"}, right behind entry size - 1; the last line but one is of `size`
 *     end         {"type": "end", "entries", "checkpoints"}
 *
 * Several logs follow one another in one file. Unknown members and types are refused.
 */
import { decodeUtf8, encodeBase64, encodeHex } from '../bytes/encoding.ts';
import { decodeStoredLeaf, parseLeaf, type Details, type LedgerEntry, type LogId } from './entry.ts';
import type { PublishedKey } from './ledger-keys.ts';

export const EXPORT_TYPE = 'strongroom-ledger';
export const EXPORT_VERSION = 1;

export interface ExportHeader {
  readonly log: LogId;
  readonly origin: string;
  readonly vkey: string;
  readonly from: number;
  readonly frontier: Uint8Array;
  readonly size: number;
  readonly exportedAt: number;
  /** Every key that has signed, oldest first. */
  readonly keys: readonly PublishedKey[];
}

export interface ExportedEntry {
  readonly n: number;
  /** Leaf hash and leaf. */
  readonly stored: Uint8Array;
  readonly box: Uint8Array | null;
  readonly details: Details | null;
}

export interface ExportedCheckpoint {
  readonly size: number;
  readonly note: string;
}

/** What is exported: entries ascending from the header's `from`, each checkpoint behind its last entry. */
export interface LogContents {
  readonly header: ExportHeader;
  readonly records: AsyncIterable<ExportedEntry | ExportedCheckpoint>;
}

export const isExportedEntry = (record: ExportedEntry | ExportedCheckpoint): record is ExportedEntry =>
  'stored' in record;

/** Lines with their newlines. */
export async function* exportJsonLines({ header, records }: LogContents): AsyncGenerator<string> {
  const { keys, ...rest } = header;
  yield line({
    type: EXPORT_TYPE,
    version: EXPORT_VERSION,
    ...rest,
    frontier: encodeBase64(header.frontier),
    ...(keys.length < 2 ? {} : { keys: keys.map(keyMembers) }),
  });
  let entries = 0;
  let checkpoints = 0;
  for await (const record of records) {
    if (isExportedEntry(record)) {
      entries++;
      yield line({ type: 'entry', n: record.n, ...leafMembers(record) });
    } else {
      checkpoints++;
      yield line({ type: 'checkpoint', ...record });
    }
  }
  yield line({ type: 'end', entries, checkpoints });
}

const keyMembers = ({ generation, publicKey, introduction }: PublishedKey): object => ({
  generation,
  publicKey: encodeBase64(publicKey),
  introduction,
});

function leafMembers({ stored, box, details }: ExportedEntry): object {
  const { hash, leaf } = decodeStoredLeaf(stored);
  return {
    ...(leaf === null ? { hash: encodeBase64(hash) } : { leaf: decodeUtf8(leaf) }),
    ...(box === null ? {} : { box: encodeBase64(box) }),
    ...(details === null ? {} : { details }),
  };
}

const line = (value: object): string => `${JSON.stringify(value)}\n`;

const COLUMNS: readonly (readonly [
  string,
  (entry: LedgerEntry, details: Details) => string | number | undefined,
])[] = [
  ['n', ({ n }) => n],
  ['at', ({ at }) => new Date(at).toISOString()],
  ['principal', ({ principal }) => principal],
  ['action', ({ action }) => action],
  ['target', ({ target }) => target],
  ['targets', ({ targets }) => targets?.join(' ')],
  ['outcome', ({ outcome }) => outcome],
  ['code', ({ code }) => code],
  ['count', ({ count }) => count],
  ['request', ({ request }) => request],
  ['facts', ({ facts }) => facts && JSON.stringify(facts)],
  ['purpose', (_, { purpose }) => purpose],
  ['address', (_, { address }) => address],
];

/** Rows after RFC 4180 with a header row; the last column is the leaf hash, in hex. Pruned entries have only that. */
export async function* exportCsv({ records }: LogContents): AsyncGenerator<string> {
  yield csvRow([...COLUMNS.map(([name]) => name), 'leafHash']);
  for await (const record of records) {
    if (!isExportedEntry(record)) continue;
    const { hash, leaf } = decodeStoredLeaf(record.stored);
    const entry = leaf === null ? null : parseLeaf(leaf);
    const cells = COLUMNS.map(([name, cell]) =>
      entry === null ? (name === 'n' ? record.n : undefined) : cell(entry, record.details ?? {}),
    );
    yield csvRow([...cells, encodeHex(hash)]);
  }
}

const csvRow = (cells: readonly (string | number | undefined)[]): string =>
  `${cells.map(csvCell).join(',')}\r\n`;

/** Quoted where needed. A spreadsheet would run what begins like a formula, and people type purposes: an apostrophe stops it. */
function csvCell(cell: string | number | undefined): string {
  if (cell === undefined) return '';
  const text = typeof cell === 'string' && /^[=+\-@\t\r]/.test(cell) ? `'${cell}` : String(cell);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
