/** The speakers of a vault, as numbers: found by any word of their name, forgotten with their last message. */
import { nameWords } from './analyzer.ts';

interface Voice {
  readonly name: string;
  messages: number;
}

export class Voices {
  readonly #numbers = new Map<string, number>();
  readonly #voices: (Voice | undefined)[] = [];
  readonly #free: number[] = [];
  readonly #byWord = new Map<string, Set<number>>();

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
    for (const word of nameWords(voice.name)) {
      const numbers = this.#byWord.get(word);
      numbers?.delete(number);
      if (numbers?.size === 0) this.#byWord.delete(word);
    }
    this.#voices[number] = undefined;
    this.#free.push(number);
  }

  /** A 1 for each speaker one of whose words is among these; null if there is none. */
  named(words: readonly string[]): Uint8Array | null {
    const numbers = words.flatMap((word) => [...(this.#byWord.get(word) ?? [])]);
    if (numbers.length === 0) return null;
    const isNamed = new Uint8Array(this.#voices.length);
    for (const number of numbers) isNamed[number] = 1;
    return isNamed;
  }

  #enter(name: string): number {
    const number = this.#free.pop() ?? this.#voices.length;
    this.#voices[number] = { name, messages: 0 };
    this.#numbers.set(name, number);
    for (const word of nameWords(name)) {
      const numbers = this.#byWord.get(word) ?? new Set();
      this.#byWord.set(word, numbers.add(number));
    }
    return number;
  }
}
