/** How much each part of a text's score counts; the formula is in text-index.ts. */
export const RANKING = {
  k1: 1.2,
  b: 0.4,
  contextSteps: 3,
  contextDecay: 0.6,
  answer: 0.9,
  speaker: 3,
  date: 3,
  trait: 2,
  phrase: 100,
} as const;
