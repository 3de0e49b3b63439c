/**
 * How many records of a vault are read, and given to the search worker, at once: few while somebody searches another vault, who
 * waits for a portion each time; many where nobody does, because in small
 * portions a vault takes 1.4 times as long to be read.
 */

export const PORTION = 8;
export const PORTION_ALONE = 128;
/** Nobody has searched for so many portions: then nobody does. */
export const ALONE_PORTIONS = 64;

/** @param asked how often indexes have been asked so far. */
export function portions(asked: () => number): () => number {
  let before = asked();
  let alone = ALONE_PORTIONS;
  return () => {
    const now = asked();
    alone = now === before ? alone + 1 : 0;
    before = now;
    return alone < ALONE_PORTIONS ? PORTION : PORTION_ALONE;
  };
}
