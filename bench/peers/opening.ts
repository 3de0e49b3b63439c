/** How long a vault takes to open: from its sealed segments, and from its records alone. */
import { Child } from '../child.ts';
import { median } from '../figures.ts';
import type { ColdQuestions } from '../cold-process.ts';

export interface OpeningFigures {
  readonly memories: number;
  /** From segments: bytes decrypted per second until the index is full, and what AES-256-GCM alone does. */
  readonly openedBytesPerSecond: number;
  readonly aesBytesPerSecond: number;
  /** From records alone: until the index is full. */
  readonly rebuiltPerSecond: number;
}

const ROUNDS = 2;

export async function measureOpening(
  directory: string,
  vault: string,
  log: (line: string) => void,
): Promise<OpeningFigures> {
  const opened: number[] = [];
  const alone: number[] = [];
  const rebuilt: number[] = [];
  let memories = 0;
  const rounds = [
    ...Array.from({ length: ROUNDS }, () => true),
    ...Array.from({ length: ROUNDS }, () => false),
  ];
  for (const withSegments of rounds) {
    const child = new Child<ColdQuestions>('./cold-process.ts', [directory, vault], `${directory}.log`);
    const cold = await child.ask('open', { withSegments });
    memories = cold.memories;
    if (withSegments) {
      const { bytes, ms } = await child.ask('decrypt', null);
      opened.push((bytes / cold.vaultMs) * 1000);
      alone.push((bytes / ms) * 1000);
    } else rebuilt.push((memories / cold.vaultMs) * 1000);
    log(
      `  opened ${withSegments ? `from ${cold.segments} segments` : 'from records alone'}: ${memories} memories in ${Math.round(cold.vaultMs)} ms`,
    );
    // One that closes in good order writes its segments again.
    await child.ask('close', null);
    await child.end();
  }
  return {
    memories,
    openedBytesPerSecond: median(opened),
    aesBytesPerSecond: median(alone),
    rebuiltPerSecond: median(rebuilt),
  };
}
