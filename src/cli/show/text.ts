/**
 * Text of others on a terminal. A memory may hold anything, an escape sequence that rewrites the screen or the
 * clipboard included: control characters never get through, and neither do those that turn the direction of writing.
 */

const CONTROL = /[\p{Cc}\u2028\u2029]/gu;
/** Marks that reorder or hide what is shown around them. */
const BIDI = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;
const WHITE_SPACE = /[\t\r\n\v\f\u0085\u2028\u2029]+/gu;
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;
const ZERO = /^(?:\p{Mn}|\p{Me}|\p{Cf})$/u;
const PLAIN = /^[\x20-\x7e]*$/;

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

/** The text in one line, or in its own lines, with nothing in it that a terminal would obey. */
export function printable(text: string, options: { readonly keepBreaks?: boolean } = {}): string {
  const whole = text.toWellFormed().replaceAll('\r\n', '\n');
  if (options.keepBreaks === true)
    return whole
      .split('\n')
      .map((line) => line.replaceAll('\t', '  ').replaceAll(CONTROL, '�').replaceAll(BIDI, ''))
      .join('\n');
  return whole.replaceAll(WHITE_SPACE, ' ').replaceAll(CONTROL, '�').replaceAll(BIDI, '');
}

/** Columns that a printable text takes. */
export function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const { segment } of segmenter.segment(text)) width += widthOfSegment(segment);
  return width;
}

const widthOfSegment = (segment: string): number => (ZERO.test(segment) ? 0 : WIDE.test(segment) ? 2 : 1);

/** The text, or as much of it as fits with an ellipsis. */
export function fit(text: string, columns: number): string {
  if (widthOf(text) <= columns) return text;
  let width = 1;
  let cut = '';
  for (const { segment } of segmenter.segment(text)) {
    width += widthOfSegment(segment);
    if (width > columns) break;
    cut += segment;
  }
  return `${cut.trimEnd()}…`;
}

export const padEnd = (text: string, columns: number): string =>
  text + ' '.repeat(Math.max(0, columns - widthOf(text)));
export const padStart = (text: string, columns: number): string =>
  ' '.repeat(Math.max(0, columns - widthOf(text))) + text;

/** With each command of ours as it is called here: `strongroom verify` may be `npm run -s strongroom -- verify`. */
export const called = (text: string, command: string): string =>
  text.replaceAll(/\bstrongroom(?= [a-z])/g, command);

/** The text in lines of at most `columns`, broken between words where there are any. */
export function wrap(text: string, columns: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`;
    if (widthOf(longer) <= columns) {
      line = longer;
      continue;
    }
    if (line !== '') lines.push(line);
    const pieces = piecesOf(word, columns);
    line = pieces.pop() ?? '';
    lines.push(...pieces);
  }
  return [...lines, line];
}

function piecesOf(word: string, columns: number): string[] {
  const pieces: string[] = [];
  let piece = '';
  let width = 0;
  for (const { segment } of segmenter.segment(word)) {
    const wider = width + widthOfSegment(segment);
    if (wider > columns && piece !== '') {
      pieces.push(piece);
      piece = segment;
      width = widthOfSegment(segment);
    } else {
      piece += segment;
      width = wider;
    }
  }
  return [...pieces, piece];
}
