/** The speakers of a vault, as numbers: found by any word of their name, forgotten with their last message. */
import type { Analyzer } from './analyzer.ts';

interface Voice {
  readonly name: string;
  messages: number;
}

export class Voices {
  readonly #analyzer: Analyzer;
  readonly #numbers = new Map<string, number>();
  readonly #voices: (Voice | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #byTerm = new Map<string, Set<number>>();

  constructor(analyzer: Analyzer) {
    this.#analyzer = analyzer;
  }

  /** Counts one more message of the speaker. */
  join(name: string): number {
    const number = this.#numbers.get(name) ?? this.#enter(name);
    (this.#voices[number] as Voice).messages++;
    return number;
  }

  leave(number: number): void {
    const voice = this.#voices[number] as Voice;
    if (--voice.messages > 0) return;
    this.#numbers.delete(voice.name);
    for (const term of this.#analyzer.terms(voice.name)) {
      const numbers = this.#byTerm.get(term);
      numbers?.delete(number);
      if (numbers?.size === 0) this.#byTerm.delete(term);
    }
    this.#voices[number] = undefined;
    this.#free.push(number);
  }

  /** A 1 for each speaker one of whose words is among the terms; null if there is none. */
  named(terms: readonly string[]): Uint8Array | null {
    const numbers = terms.flatMap((term) => [...(this.#byTerm.get(term) ?? [])]);
    if (numbers.length === 0) return null;
    const isNamed = new Uint8Array(this.#voices.length);
    for (const number of numbers) isNamed[number] = 1;
    return isNamed;
  }

  #enter(name: string): number {
    const number = this.#free.pop() ?? this.#voices.length;
    this.#voices[number] = { name, messages: 0 };
    this.#numbers.set(name, number);
    for (const term of this.#analyzer.terms(name)) {
      const numbers = this.#byTerm.get(term) ?? new Set();
      this.#byTerm.set(term, numbers.add(number));
    }
    return number;
  }
}
