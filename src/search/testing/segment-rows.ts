/** A segment's bytes read whole, record by record, as `encodeSegment` was given it. */
import type { SegmentContent, SegmentRow } from '../segment.ts';
import { SegmentPart } from '../segment-part.ts';
import { rowBytesFor, paddedLength } from '../vectors/rows.ts';
import type { StoredVector } from '../vectors/vector-index.ts';

/** Throws `box.damaged` on bytes that no `encodeSegment` has made. */
export function decodeSegment(bytes: Uint8Array): SegmentContent & { readonly rows: readonly SegmentRow[] } {
  const part = SegmentPart.open(bytes);
  const { leaf, metric, dimensions, analyzerVersion } = part;
  const vectors = vectorsOf(part);
  const counts = countsOf(part);
  const rows = Array.from({ length: part.count }, (_, row): SegmentRow => ({
    slot: part.slots[row] as number,
    record: part.record(row),
    counts: counts[row] as ReadonlyMap<string, number>,
    vector: vectors.get(row) ?? null,
  }));
  return { leaf, metric, dimensions, analyzerVersion, rows };
}

function countsOf({ count, terms }: SegmentPart): readonly ReadonlyMap<string, number>[] {
  const counts = Array.from({ length: count }, () => new Map<string, number>());
  for (let term = 0; term < terms.count; term++)
    for (let at = terms.fromOf(term); at < terms.endOf(term); at++)
      counts[terms.rows[at] as number]?.set(terms.nameOf(term), terms.counts[at] as number);
  return counts;
}

function vectorsOf({ dimensions, rows, numbers }: SegmentPart): ReadonlyMap<number, StoredVector> {
  const vectors = new Map<number, StoredVector>();
  numbers.records.forEach((record, at) =>
    vectors.set(record, { form: 'numbers', numbers: numbers.vectors[at] as Float32Array }),
  );
  for (const { lowBits, records, bytes } of rows) {
    const size = rowBytesFor(paddedLength(dimensions ?? 0), lowBits);
    records.forEach((record, at) =>
      vectors.set(record, { form: 'row', bytes: bytes.subarray(at * size, (at + 1) * size) }),
    );
  }
  return vectors;
}
