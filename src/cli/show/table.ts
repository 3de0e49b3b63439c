/** Tables: as wide as their content, the last column taking what the terminal leaves. */
import type { Paint } from './paint.ts';
import { fit, padEnd, padStart, printable, widthOf } from './text.ts';

export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

const GAP = '  ';
const LAST_MIN = 20;

/** Lines, each ended; what does not fit on a terminal is cut, in a file nothing is. */
export function tableText(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  place: { readonly columns: number | null; readonly paint: Paint },
): string {
  const cells = rows.map((row) => row.map((cell) => printable(cell)));
  const widths = columns.map((column, i) =>
    Math.max(widthOf(column.title), ...cells.map((row) => widthOf(row[i] ?? ''))),
  );
  if (place.columns !== null) {
    const others = widths.slice(0, -1).reduce((sum, width) => sum + width + GAP.length, 0);
    const last = Math.max(LAST_MIN, place.columns - others);
    widths[widths.length - 1] = Math.min(widths.at(-1) ?? 0, last);
  }
  const line = (row: readonly string[]): string =>
    columns
      .map((column, i) => {
        const width = widths[i] ?? 0;
        const text = fit(row[i] ?? '', width);
        return column.right === true ? padStart(text, width) : padEnd(text, width);
      })
      .join(GAP)
      .trimEnd();
  const title = place.paint.faint(line(columns.map((column) => column.title)));
  return [title, ...cells.map(line)].map((text) => `${text}\n`).join('');
}
