/** What the server's benchmark stores and asks: the same in each run, told apart by a seed. */

export const DIMENSIONS = 768;
const TEXT_BYTES = 200;
const QUERY_WORDS = 5;
const VOCABULARY_WORDS = 20_000;

export class Corpus {
  readonly #random: () => number;
  readonly #words: readonly string[];

  constructor(seed: number) {
    const wordsRandom = randomFrom(1);
    this.#words = Array.from({ length: VOCABULARY_WORDS }, () => wordFrom(wordsRandom));
    this.#random = randomFrom(seed);
  }

  /** Two hundred bytes of words with Zipf's frequencies. */
  text(): string {
    let text = this.#word();
    while (text.length < TEXT_BYTES) text += ` ${this.#word()}`;
    return text.slice(0, TEXT_BYTES);
  }

  query(): string {
    return Array.from({ length: QUERY_WORDS }, () => this.#word()).join(' ');
  }

  /** Float32 numbers, which JSON writes with up to 17 digits, as clients that convert an array do. */
  vector(): number[] {
    return Array.from(Float32Array.from({ length: DIMENSIONS }, () => this.#random() - 0.5));
  }

  #word(): string {
    return this.#words[Math.floor(VOCABULARY_WORDS ** this.#random()) - 1] ?? 'and';
  }
}

function wordFrom(random: () => number): string {
  const pick = (letters: string): string => letters[Math.floor(random() * letters.length)] ?? '';
  const syllables = 2 + Math.floor(random() * 3);
  return Array.from({ length: syllables }, () => pick('bdfgklmnprstvz') + pick('aeiou')).join('');
}

/** A 32-bit xorshift (Marsaglia 2003). */
function randomFrom(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b9) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
