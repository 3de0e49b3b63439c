/** What is opened later than whoever asks for it: nobody may ask before. */
export class Late<T> {
  readonly #what: string;
  #value: T | undefined;

  constructor(what: string) {
    this.#what = what;
  }

  get value(): T {
    if (this.#value === undefined) throw new RangeError(`${this.#what} is not open yet`);
    return this.#value;
  }

  set(value: T): void {
    this.#value = value;
  }
}
