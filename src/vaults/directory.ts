/**
 * Names that customers gave (of vaults, people, conversations) and the rows they stand for, held in memory.
 *
 * The store keeps names sealed and has no index over them: anything deterministic under a live key would let whoever
 * holds old bytes and today's keystore test guesses about people who were erased. So each owner's rows are opened
 * once, when first needed, and followed from then on.
 */
export interface Named {
  readonly id: string;
  readonly name: string;
}

export class Directory<Entry extends Named> {
  readonly #load: (owner: string) => Promise<readonly Entry[]>;
  readonly #owners = new Map<string, Promise<Names<Entry>>>();

  /** `load` reads and opens all rows of an owner (an organization, a vault). */
  constructor(load: (owner: string) => Promise<readonly Entry[]>) {
    this.#load = load;
  }

  /** The names of an owner, read once; a failed reading is tried again by the next caller. */
  of(owner: string): Promise<Names<Entry>> {
    const known = this.#owners.get(owner);
    if (known !== undefined) return known;
    const names = this.#load(owner).then((entries) => new Names(entries));
    this.#owners.set(owner, names);
    names.catch(() => this.#owners.delete(owner));
    return names;
  }

  /** Forgets an owner's names; they are read anew when next needed. */
  drop(owner: string): void {
    this.#owners.delete(owner);
  }
}

export class Names<Entry extends Named> {
  readonly #byId = new Map<string, Entry>();
  readonly #byName = new Map<string, Entry>();

  constructor(entries: Iterable<Entry>) {
    for (const entry of entries) this.put(entry);
  }

  withId(id: string): Entry | undefined {
    return this.#byId.get(id);
  }

  withName(name: string): Entry | undefined {
    return this.#byName.get(name);
  }

  all(): Iterable<Entry> {
    return this.#byId.values();
  }

  /** Adds or replaces an entry. */
  put(entry: Entry): void {
    this.remove(entry.id);
    this.#byId.set(entry.id, entry);
    this.#byName.set(entry.name, entry);
  }

  remove(id: string): void {
    const entry = this.#byId.get(id);
    if (entry === undefined) return;
    this.#byId.delete(id);
    if (this.#byName.get(entry.name) === entry) this.#byName.delete(entry.name);
  }
}
