/**
 * A search worker: the indexes of some vaults, in one thread with one WebAssembly memory.
 *
 * Calls are done one after the other, in the order they come. An error with a code is answered. Any other error in a
 * change may have left an index half changed: it ends the worker, and the pool fills a new one. In a mere question it
 * is answered as `internal`.
 *
 * Between calls the worker does what keeps searches fast, a little at a time, so that no call waits long for it.
 */
import { parentPort, type MessagePort } from 'node:worker_threads';
import { StrongroomError } from '../errors.ts';
import { Engine, type EngineRoom } from './engine.ts';
import { openEngineRoom } from './engine-room.ts';
import {
  errorToSent,
  packHits,
  unpackRecords,
  type Answer,
  type Call,
  type Operation,
  type Operations,
} from './protocol.ts';
import type { LoadedSegment } from './types.ts';

const QUESTIONS: ReadonlySet<Operation> = new Set<Operation>([
  'search',
  'stats',
  'leaves',
  'changedLeaves',
  'exportSegment',
]);

class SearchWorker {
  readonly #room: EngineRoom = openEngineRoom();
  readonly #engines = new Map<string, Engine>();
  /** Those that may have work. */
  readonly #changed = new Set<Engine>();

  answer(call: Call): Answer {
    try {
      return { number: call.number, value: this.#run(call) };
    } catch (error) {
      if (error instanceof StrongroomError) return { number: call.number, error: errorToSent(error) };
      if (!QUESTIONS.has(call.operation)) throw error;
      return { number: call.number, error: errorToSent(new StrongroomError('internal', { cause: error })) };
    }
  }

  /** A little of the work that waits in some vault; false when there is none. */
  work(): boolean {
    for (const engine of this.#changed) {
      // To the end of the row, so that a large vault does not keep the others from their turn.
      this.#changed.delete(engine);
      if (!engine.work()) continue;
      this.#changed.add(engine);
      return true;
    }
    return false;
  }

  #close(vault: string): void {
    const engine = this.#engines.get(vault);
    if (engine === undefined) return;
    engine.close();
    this.#changed.delete(engine);
    this.#engines.delete(vault);
  }

  #run(call: Call): Operations[Operation]['answers'] {
    if (call.operation === 'open') {
      this.#close(call.vault);
      this.#engines.set(call.vault, new Engine(call.argument, this.#room));
      return null;
    }
    const engine = this.#engines.get(call.vault);
    if (engine === undefined) throw new StrongroomError('search.unavailable', 'the vault is not open here');
    // One segment follows the other: what can be done with them waits until somebody wants something else of the vault.
    if (call.operation === 'loadSegment') this.#changed.delete(engine);
    else this.#changed.add(engine);
    switch (call.operation) {
      case 'add':
        engine.add(unpackRecords(call.argument));
        return null;
      case 'remove':
        engine.remove(call.argument);
        return null;
      case 'search':
        return packHits(engine.search(call.argument));
      case 'stats':
        return engine.stats();
      case 'leaves':
        return engine.leaves();
      case 'changedLeaves':
        return engine.changedLeaves();
      case 'exportSegment':
        return engine.exportSegment(call.argument);
      case 'loadSegment':
        return loadAndFree(engine, call.argument);
      case 'close':
        this.#close(call.vault);
        return null;
    }
  }
}

/** The bytes were handed over, and nobody looks at them again: the next segment's find their place without waiting for the collector. */
function loadAndFree(engine: Engine, bytes: Uint8Array<ArrayBuffer>): LoadedSegment {
  try {
    return engine.loadSegment(bytes);
  } finally {
    bytes.buffer.transfer(0);
  }
}

function serve(port: MessagePort): void {
  const worker = new SearchWorker();
  let isWorking = false;
  const work = (): void => {
    isWorking = worker.work();
    // Calls that came meanwhile are taken before the next turn.
    if (isWorking) setImmediate(work);
  };
  port.on('message', (call: Call) => {
    if (!isWorking) {
      isWorking = true;
      setImmediate(work);
    }
    const answer = worker.answer(call);
    const isSegment = call.operation === 'exportSegment' && 'value' in answer;
    const bytes = isSegment ? (answer.value as Operations['exportSegment']['answers']).bytes : null;
    port.postMessage(answer, bytes === null ? [] : [bytes.buffer]);
  });
}

if (parentPort !== null) serve(parentPort);
