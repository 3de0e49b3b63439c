/** A process of the benchmark: asked one thing at a time over the channel that `fork` opens, it answers in kind. */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';

/** What is asked, by name, and what it takes and answers. */
export type Questions<Q> = { readonly [Name in keyof Q]: { takes: unknown; answers: unknown } };

type Handlers<Q extends Questions<Q>> = {
  readonly [Name in keyof Q]: (takes: Q[Name]['takes']) => Promise<Q[Name]['answers']> | Q[Name]['answers'];
};

interface Answer {
  readonly value: unknown;
  readonly error?: string;
}

export class Child<Q extends Questions<Q>> {
  readonly #process: ChildProcess;
  readonly #ended: Promise<unknown>;
  #onAnswer: ((answer: Answer) => void) | null = null;

  /** `file` lies beside this one; the child runs with the flags of this process. Its errors go to `log`, a file. */
  constructor(file: string, args: readonly string[], log: string) {
    const errors = openSync(log, 'a');
    this.#process = fork(new URL(file, import.meta.url), args, {
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', errors, 'ipc'],
    });
    closeSync(errors);
    this.#process.on('message', (answer: Answer) => this.#onAnswer?.(answer));
    this.#ended = once(this.#process, 'exit').then(() =>
      this.#onAnswer?.({ value: null, error: 'the process ended' }),
    );
  }

  async ask<Name extends keyof Q & string>(name: Name, takes: Q[Name]['takes']): Promise<Q[Name]['answers']> {
    const answer = await new Promise<Answer>((resolve) => {
      this.#onAnswer = resolve;
      this.#process.send({ name, takes });
    });
    if (answer.error !== undefined) throw new Error(`${name}: ${answer.error}`);
    return answer.value;
  }

  /** Hangs up, at which the child ends by itself. */
  async end(): Promise<void> {
    this.#process.disconnect();
    await this.#ended;
  }
}

/** The child's side: answers until the parent hangs up. */
export function answerParent<Q extends Questions<Q>>(handlers: Handlers<Q>): void {
  // Whatever is open: a parent that failed leaves nobody behind.
  process.on('disconnect', () => process.exit());
  process.on('message', (message: { name: keyof Q; takes: never }) => {
    Promise.resolve()
      .then(() => handlers[message.name](message.takes))
      .then(
        (value) => process.send?.({ value }),
        (error: unknown) =>
          process.send?.({
            value: null,
            error: error instanceof Error ? (error.stack ?? error.message) : String(error),
          }),
      );
  });
}
