/** Emphasis, for terminals whose user has not asked for none (https://no-color.org). */
export interface Paint {
  readonly strong: (text: string) => string;
  readonly faint: (text: string) => string;
}

const sgr = (on: number, off: number) => (text: string) => `\u001b[${on}m${text}\u001b[${off}m`;
const same = (text: string): string => text;

export function paintFor(
  columns: number | null,
  variables: Readonly<Record<string, string | undefined>>,
): Paint {
  const plain = columns === null || (variables['NO_COLOR'] ?? '') !== '' || variables['TERM'] === 'dumb';
  return plain ? { strong: same, faint: same } : { strong: sgr(1, 22), faint: sgr(2, 22) };
}
