/** Finds the nearest of some lists for each of many rows, four at a time, whatever kind of code they have. */
import type { Lists } from './lists.ts';
import type { VectorRoom } from './room.ts';

/** The rows that ask, and how a kind of code compares them with centroids. */
export interface Asked {
  readonly rows: readonly number[];
  /** Numbers in what is compared. */
  readonly width: number;
  /** Writes a row in seven bits; answers what one unit of that is worth. */
  write(row: number, at: number): number;
  /** Where the form of a list's centroid lies that rows are compared with. */
  shadowOf(list: number): number;
}

export interface SomeLists {
  readonly lists: Lists;
  readonly first: number;
  readonly count: number;
}

export function nearestLists(
  room: VectorRoom,
  { rows, width, write, shadowOf }: Asked,
  { lists, first, count }: SomeLists,
  found: (row: number, list: number) => void,
): void {
  const { kernel, scratch } = room;
  for (let at = 0; at < rows.length; at += 4) {
    const { words, floats } = room;
    for (let i = 0; i < 4; i++) {
      const row = rows[Math.min(at + i, rows.length - 1)] as number;
      floats[scratch.scales / 4 + i] = write(row, scratch.four + i * width);
      words[scratch.best / 4 + i] = first;
      floats[scratch.best / 4 + 4 + i] = Number.NEGATIVE_INFINITY;
    }
    lists.eachChunk(first, count, (_, here, list) =>
      kernel.nearestFour(scratch.four, scratch.scales, width, shadowOf(list), here, list, scratch.best),
    );
    // Read before anything moves, because a list that grows may grow the memory.
    const best = Array.from(words.subarray(scratch.best / 4, scratch.best / 4 + 4));
    for (let i = 0; i < 4 && at + i < rows.length; i++) found(rows[at + i] as number, best[i] as number);
  }
}
