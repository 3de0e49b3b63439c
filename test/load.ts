/**
 * Clients that write until the server dies under them, and know afterwards what must be there.
 *
 * Each client changes only what it added, one request after another, so that at any moment there is one request per
 * client whose outcome is open: done whole, or not at all. Contents are made from the client, the memory and the version,
 * so that whatever is found can be told from what was never written.
 */
import { Agent } from 'node:http';
import { exchange, type Answer } from './deployment.ts';

/** What a memory may be: its text, with its place; null: gone. */
type State = { readonly text: string; readonly state: 'live' | 'trashed' } | null;

interface Known {
  readonly id: string;
  readonly text: string;
  state: State;
}

/** A request under way when the server died. */
interface OpenRequest {
  /** What it would make of one known memory. */
  readonly change?: { readonly id: string; readonly to: State };
  /** Texts that it would add: all or none. */
  readonly added?: readonly string[];
}

export interface Found {
  readonly id: string;
  readonly text: string;
  readonly state: 'live' | 'trashed';
}

export class Client {
  readonly #name: string;
  readonly #random: () => number;
  readonly #vault: string;
  readonly #known: Known[] = [];
  #count = 0;
  #open: OpenRequest | null = null;
  /** Of every request that was answered. */
  readonly acknowledged: { readonly request: string; readonly status: number }[] = [];

  constructor(name: string, vault: string, random: () => number) {
    this.#name = name;
    this.#vault = vault;
    this.#random = random;
  }

  /** Sends one request after another until one is not answered. */
  async run(url: string, apiKey: string): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      for (;;)
        await this.#step((method, path, body) =>
          exchange(url, method, `/v1/vaults/${this.#vault}${path}`, { key: apiKey, body, agent }),
        );
    } catch (error) {
      // The server died: what was asked last is open. A fault of the test itself is none of that.
      if (!(error instanceof Error) || !('code' in error)) throw error;
    } finally {
      agent.destroy();
    }
  }

  /** Sends so many requests, all of which are answered. */
  async steps(url: string, apiKey: string, count: number): Promise<void> {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    try {
      for (let step = 0; step < count; step++)
        await this.#step((method, path, body) =>
          exchange(url, method, `/v1/vaults/${this.#vault}${path}`, { key: apiKey, body, agent }),
        );
    } finally {
      agent.destroy();
    }
  }

  /** What this client knows at this moment, as one that died now would have left it. */
  asOfNow(): Client {
    const copy = new Client(this.#name, this.#vault, this.#random);
    copy.#known.push(...this.#known.map((known) => ({ ...known })));
    copy.#open = this.#open;
    copy.acknowledged.push(...this.acknowledged);
    return copy;
  }

  /** What is wrong with what was found, for this client's memories; takes what was open for what it has become. */
  settle(found: readonly Found[]): string[] {
    const faults: string[] = [];
    const open = this.#open;
    this.#open = null;
    const byId = new Map(found.map((memory) => [memory.id, memory]));
    for (const known of this.#known) {
      const here = byId.get(known.id);
      byId.delete(known.id);
      const allowed = [known.state, ...(open?.change?.id === known.id ? [open.change.to] : [])];
      const match = allowed.find((state) =>
        state === null ? here === undefined : here?.text === state.text && here.state === state.state,
      );
      if (match === undefined)
        faults.push(
          `${known.id} is ${JSON.stringify(here ?? null)}, expected one of ${JSON.stringify(allowed)}`,
        );
      else known.state = match;
    }
    const strangers = [...byId.values()].filter(({ text }) => text.startsWith(`${this.#name} `));
    const added = open?.added ?? [];
    const texts = strangers.map(({ text }) => text);
    const isWhole =
      texts.length === 0 || (texts.length === added.length && added.every((text) => texts.includes(text)));
    if (!isWhole) faults.push(`an open addition of ${added.length} left ${JSON.stringify(texts)}`);
    else for (const { id, text, state } of strangers) this.#known.push({ id, text, state: { text, state } });
    return faults;
  }

  async #step(send: (method: string, path: string, body?: unknown) => Promise<Answer>): Promise<void> {
    const live = this.#known.filter(({ state }) => state?.state === 'live');
    const trashed = this.#known.filter(({ state }) => state?.state === 'trashed');
    const dice = this.#random();
    const one = live[Math.floor(this.#random() * live.length)];
    const old = trashed[Math.floor(this.#random() * trashed.length)];
    if (one === undefined || dice < 0.45) return this.#add(send, dice < 0.15 ? 20 : 1);
    const text = `${one.text} changed ${this.#count++}`;
    if (dice < 0.65)
      return this.#change(one, { text, state: 'live' }, () => send('PATCH', `/memories/${one.id}`, { text }));
    if (dice < 0.75)
      return this.#change(one, { text: one.state?.text ?? '', state: 'trashed' }, () =>
        send('DELETE', `/memories/${one.id}`),
      );
    if (dice < 0.8 && old !== undefined)
      return this.#change(old, { text: old.state?.text ?? '', state: 'live' }, () =>
        send('POST', `/memories/${old.id}/restore`),
      );
    if (dice < 0.95) return this.#change(one, null, () => send('DELETE', `/memories/${one.id}?mode=erase`));
    this.#acknowledge(await send('POST', '/search', { query: one.text, limit: 3 }));
  }

  async #add(
    send: (method: string, path: string, body?: unknown) => Promise<Answer>,
    count: number,
  ): Promise<void> {
    const texts = Array.from(
      { length: count },
      () => `${this.#name} memory ${this.#count++} ${'and so on '.repeat(Math.floor(this.#random() * 40))}`,
    );
    const memories = texts.map((text) => ({
      text,
      subject: `${this.#name} person ${this.#count % 5}`,
      conversation: `${this.#name} talk`,
    }));
    this.#open = { added: texts };
    const answer = await send('POST', '/memories', count === 1 ? memories[0] : { memories });
    if (this.#acknowledge(answer)) {
      const made = count === 1 ? [answer.json] : (answer.json['memories'] as { id: string }[]);
      made.forEach(({ id }, at) => {
        const text = texts[at] ?? '';
        this.#known.push({ id: String(id), text, state: { text, state: 'live' } });
      });
    }
    this.#open = null;
  }

  async #change(known: Known, to: State, send: () => Promise<Answer>): Promise<void> {
    this.#open = { change: { id: known.id, to } };
    if (this.#acknowledge(await send())) known.state = to;
    this.#open = null;
  }

  #acknowledge(answer: Answer): boolean {
    this.acknowledged.push({ request: String(answer.headers['x-request-id']), status: answer.status });
    if (answer.status < 300) return true;
    // Refused for a moment (keys change, the server is busy): nothing was done.
    if (answer.status === 503 && answer.json['code'] !== 'internal') return false;
    throw new Error(`${this.#name}: ${answer.status} ${answer.text}`);
  }
}

/** Numbers from 0 to 1, the same for the same seed (xorshift32). */
export function seeded(seed: number): () => number {
  let state = (seed * 2_654_435_761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state / 2 ** 32;
  };
}
