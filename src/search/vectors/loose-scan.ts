/** The scan of rows without a code: a quarter of the numbers of each, and all of them if these let it through. */
import type { Finalists } from './finalists.ts';
import type { LooseRows } from './loose-rows.ts';
import type { Neighbours } from './neighbours.ts';
import { deviationsFor } from './numbers.ts';
import { BATCH_CODES, type VectorRoom } from './room.ts';
import type { Rows } from './rows.ts';

/** Rows are gathered by so many, and looked at in part first where that is a few of their cache lines. */
const PIECE_ROWS = 1024;
const GLANCE_PADDED_MIN = 256;
/** How much of what may be missed is for that, and how many of the rows may pass it before it is left. */
const GLANCE_SHARE = 0.1;
const GLANCE_PART = 0.7;

/** Hands all to the finalists that may be among them; the query must be prepared. Answers how many were compared whole. */
export function scanLoose(
  room: VectorRoom,
  rows: Rows,
  loose: LooseRows,
  finalists: Finalists,
  wanted: Neighbours,
): number {
  const { kernel, scratch, floats } = room;
  const { query, bounds } = scratch;
  const deviations = deviationsFor((1 - wanted.recall) * GLANCE_SHARE);
  let isTelling = rows.padded >= GLANCE_PADDED_MIN;
  let waiting = 0;
  let scored = 0;
  const take = (): void => {
    if (isTelling) {
      kernel.glance(query, rows.padded, rows.lowBits, deviations, scratch.rows, waiting, bounds);
      finalists.putBestFirst(waiting, wanted);
    } else {
      floats.fill(Number.POSITIVE_INFINITY, bounds / 4, bounds / 4 + waiting);
    }
    const taken = finalists.take(waiting, wanted);
    isTelling &&= taken.scored < waiting * GLANCE_PART;
    scored += taken.scored;
    waiting = 0;
  };
  for (const { from, to } of loose.runs)
    rows.eachPiece(from, to, PIECE_ROWS, (address, count) => {
      waiting += kernel.rowsWithoutCode(address, rows.rowBytes, count, scratch.rows + 4 * waiting);
      if (waiting + PIECE_ROWS > BATCH_CODES) take();
    });
  take();
  return scored;
}
