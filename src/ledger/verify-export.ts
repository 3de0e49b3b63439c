/**
 * Verifies an exported file (JSON Lines, see `export.ts`) on its own.
 *
 * The key in a header is the file's own word: give the key you know the log by, or compare the one that is reported.
 * Bad lines are never a crash: the report names the line.
 */
import { decodeBase64, encodeUtf8, type Bytes } from '../bytes/encoding.ts';
import { parseHash } from './checkpoint.ts';
import { encodeStoredLeaf, isLogId, type LogId } from './entry.ts';
import { EXPORT_TYPE, EXPORT_VERSION } from './export.ts';
import { followKeys, type PublishedKey } from './ledger-keys.ts';
import { leafHash } from './merkle.ts';
import { encodeVkey, parseVkey, verifierKey, type VerifierKey } from './note.ts';
import { LogVerifier, type LogFault, type LogReport } from './verify.ts';

export interface ExportReport {
  readonly logs: readonly (LogReport & {
    /** The key that the checkpoints were verified with. */
    readonly vkey: string;
    /** Whether it was given by the caller and not only by the file. */
    readonly isTrusted: boolean;
  })[];
  /** The first line that is not one of an export, or where the file ends too early. */
  readonly fileFault: { readonly line: number; readonly detail: string } | null;
  readonly faults: readonly LogFault[];
}

/** Keys the caller trusts, by log; null where it knows none, and the file's own is used. */
export type TrustedKey = (log: LogId) => VerifierKey | null;

export async function verifyExport(
  lines: AsyncIterable<string> | Iterable<string>,
  trusted: TrustedKey = () => null,
): Promise<ExportReport> {
  const reader = new ExportReader(trusted);
  let number = 0;
  let fileFault: ExportReport['fileFault'] = null;
  try {
    for await (const text of lines) {
      number++;
      if (text.trim() !== '') reader.line(text);
    }
    reader.end();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    fileFault = { line: number, detail: error.message };
  }
  const logs = reader.reports;
  return { logs, fileFault, faults: logs.flatMap(({ faults }) => faults) };
}

interface OpenLog {
  readonly verifier: LogVerifier;
  readonly size: number;
  readonly key: VerifierKey;
  readonly isTrusted: boolean;
  entries: number;
  checkpoints: number;
}

/** Throws a RangeError at the first line that has no place in an export. */
class ExportReader {
  readonly #trusted: TrustedKey;
  readonly reports: ExportReport['logs'][number][] = [];
  #open: OpenLog | null = null;

  constructor(trusted: TrustedKey) {
    this.#trusted = trusted;
  }

  line(text: string): void {
    const record = parseRecord(text);
    refuseUnknownMembers(record);
    if (record['type'] === EXPORT_TYPE) return this.#begin(record);
    if (this.#open === null) throw new RangeError('the line stands outside of any log');
    if (record['type'] === 'entry') return this.#entry(this.#open, record);
    if (record['type'] === 'checkpoint') return this.#checkpoint(this.#open, record);
    if (record['type'] === 'end') return this.#finish(this.#open, record);
    throw new RangeError('the line is of no known type');
  }

  end(): void {
    if (this.#open === null && this.reports.length > 0) return;
    if (this.#open !== null) this.#report(this.#open);
    throw new RangeError(this.#open === null ? 'the file holds no log' : 'the file ends before its log does');
  }

  #begin(record: JsonRecord): void {
    if (this.#open !== null) throw new RangeError('a log begins before the one before has ended');
    if (record['version'] !== EXPORT_VERSION) throw new RangeError('the version of the export is not known');
    const log = textOf(record, 'log');
    if (!isLogId(log)) throw new RangeError('`log` is not the name of a log');
    const own = parseVkey(textOf(record, 'vkey'));
    const key = this.#trusted(log);
    const keys = followKeys(deploymentOf(own, log), publishedKeys(record), (key ?? own).publicKey);
    const base = { size: countOf(record, 'from'), frontier: decodeBase64(textOf(record, 'frontier')) };
    this.#open = {
      verifier: new LogVerifier(
        log,
        keys.map(({ publicKey }) => verifierKey((key ?? own).name, publicKey)),
        base,
      ),
      size: countOf(record, 'size'),
      key: key ?? own,
      isTrusted: key !== null,
      entries: 0,
      checkpoints: 0,
    };
  }

  #entry(open: OpenLog, record: JsonRecord): void {
    open.entries++;
    const n = countOf(record, 'n');
    // Without tiles a gap cannot be passed over; the verifier says where it is and looks no further.
    if (n > open.verifier.size) open.verifier.missing();
    const box = record['box'] === undefined ? null : decodeBase64(textOf(record, 'box'));
    open.verifier.entry({ n, stored: storedLeaf(record), box });
  }

  #checkpoint(open: OpenLog, record: JsonRecord): void {
    open.checkpoints++;
    const size = countOf(record, 'size');
    // A checkpoint stands right behind its last entry.
    if (size > open.verifier.size) open.verifier.missing();
    open.verifier.checkpoint(size, textOf(record, 'note'));
  }

  #finish(open: OpenLog, record: JsonRecord): void {
    if (countOf(record, 'entries') !== open.entries || countOf(record, 'checkpoints') !== open.checkpoints) {
      this.#report(open);
      throw new RangeError('the log has another number of lines than its last one says');
    }
    this.#report(open);
  }

  #report(open: OpenLog): void {
    const { verifier, key, isTrusted, size } = open;
    const report = verifier.finish(null);
    const faults = [...report.faults];
    const add = (kind: LogFault['kind'], n: number, detail: string): void => {
      faults.push({ log: report.log, n, kind, detail });
    };
    if (faults.length === 0 && verifier.size < size)
      add('missing', verifier.size, 'the export ends before its last entry');
    else if (faults.length === 0 && verifier.confirmed < verifier.size) {
      add('checkpoint-missing', verifier.confirmed, 'no signed checkpoint covers the entries from here on');
    }
    this.reports.push({ ...report, faults, vkey: encodeVkey(key), isTrusted });
    this.#open = null;
  }
}

/** The name that introductions are signed under: what is before the log's own in its origin. */
const deploymentOf = ({ name }: VerifierKey, log: LogId): string =>
  name.endsWith(`/${log}`) ? name.slice(0, -log.length - 1) : name;

function publishedKeys(record: JsonRecord): readonly PublishedKey[] {
  const keys = record['keys'];
  if (keys === undefined) return [];
  if (!Array.isArray(keys)) throw new RangeError('`keys` is not a list');
  return keys.map((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null)
      throw new RangeError('`keys` holds something that is no key');
    const key = entry as JsonRecord;
    const introduction = key['introduction'] === null ? null : textOf(key, 'introduction');
    return {
      generation: countOf(key, 'generation'),
      publicKey: decodeBase64(textOf(key, 'publicKey')),
      introduction,
    };
  });
}

type JsonRecord = Readonly<Record<string, unknown>>;

function parseRecord(text: string): JsonRecord {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new RangeError('the line is not JSON', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new RangeError('the line is no object');
  return value as JsonRecord;
}

function textOf(record: JsonRecord, name: string): string {
  const text = record[name];
  if (typeof text !== 'string') throw new RangeError(`\`${name}\` is not a text`);
  return text;
}

function countOf(record: JsonRecord, name: string): number {
  const count = record[name];
  if (!Number.isSafeInteger(count) || (count as number) < 0)
    throw new RangeError(`\`${name}\` is not a count`);
  return count as number;
}

/** In an export the leaf stands alone: its hash is what the checkpoints cover. */
function storedLeaf(record: JsonRecord): Bytes {
  if (record['leaf'] === undefined) return parseHash(textOf(record, 'hash'));
  const leaf = encodeUtf8(textOf(record, 'leaf'));
  return encodeStoredLeaf(leaf, leafHash(leaf));
}

/** By type of line; a member that is not known could be one that is, misspelt on purpose. */
const MEMBERS: Readonly<Record<string, ReadonlySet<string>>> = {
  [EXPORT_TYPE]: new Set([
    'type',
    'version',
    'log',
    'origin',
    'vkey',
    'from',
    'frontier',
    'size',
    'exportedAt',
    'keys',
  ]),
  entry: new Set(['type', 'n', 'leaf', 'hash', 'box', 'details']),
  checkpoint: new Set(['type', 'size', 'note']),
  end: new Set(['type', 'entries', 'checkpoints']),
};

function refuseUnknownMembers(record: JsonRecord): void {
  const { type } = record;
  const known = typeof type === 'string' && Object.hasOwn(MEMBERS, type) ? MEMBERS[type] : undefined;
  const unknown = known === undefined ? undefined : Object.keys(record).find((name) => !known.has(name));
  if (unknown !== undefined) throw new RangeError(`\`${unknown}\` is no member of the line`);
}
