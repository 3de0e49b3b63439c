/** Opens what the vaults of one worker share: one memory, one kernel, one set of score arrays. */
import { Analyzer } from './analyzer.ts';
import { Arena } from './arena.ts';
import type { EngineRoom } from './engine.ts';
import { openKernel } from './kernel/kernel.ts';
import { ScoreRoom } from './text-index.ts';
import { openRoom } from './vectors/room.ts';

/**
 * @param vectorBytesMax what the vectors of all its vaults may take; at most 4 GiB.
 * @param exactBytesMax up to which size a vault's vectors are all compared, instead of coded.
 */
export function openEngineRoom(vectorBytesMax?: number, exactBytesMax?: number): EngineRoom {
  const arena = new Arena(vectorBytesMax);
  return {
    analyzer: new Analyzer(),
    scores: new ScoreRoom(),
    vectors: openRoom(arena, openKernel(arena.memory), exactBytesMax),
  };
}
