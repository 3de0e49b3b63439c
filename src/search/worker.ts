/**
 * A search worker: the indexes of some vaults, in one thread with one WebAssembly memory.
 *
 * Calls are done one after the other, in the order they come. An error with a code is answered. Any other error in a
 * change may have left an index half changed: it ends the worker, and the pool fills a new one. In a mere question it
 * is answered as `internal`.
 */
import { parentPort, type MessagePort } from 'node:worker_threads';
import { StrongroomError } from '../errors.ts';
import { Engine, type EngineRoom } from './engine.ts';
import { openEngineRoom } from './engine-room.ts';
import {
  errorToSent,
  unpackRecords,
  type Answer,
  type Call,
  type Operation,
  type Operations,
} from './protocol.ts';

const QUESTIONS: ReadonlySet<Operation> = new Set<Operation>(['search', 'stats', 'leaves', 'exportSegment']);

class SearchWorker {
  readonly #room: EngineRoom = openEngineRoom();
  readonly #engines = new Map<string, Engine>();

  answer(call: Call): Answer {
    try {
      return { number: call.number, value: this.#run(call) };
    } catch (error) {
      if (error instanceof StrongroomError) return { number: call.number, error: errorToSent(error) };
      if (!QUESTIONS.has(call.operation)) throw error;
      return { number: call.number, error: errorToSent(new StrongroomError('internal', { cause: error })) };
    }
  }

  #run(call: Call): Operations[Operation]['answers'] {
    if (call.operation === 'open') {
      this.#engines.get(call.vault)?.close();
      this.#engines.set(call.vault, new Engine(call.argument, this.#room));
      return null;
    }
    const engine = this.#engines.get(call.vault);
    if (engine === undefined) throw new StrongroomError('search.unavailable', 'the vault is not open here');
    switch (call.operation) {
      case 'add':
        engine.add(unpackRecords(call.argument));
        return null;
      case 'remove':
        engine.remove(call.argument);
        return null;
      case 'search':
        return engine.search(call.argument);
      case 'stats':
        return engine.stats();
      case 'leaves':
        return engine.leaves();
      case 'exportSegment':
        return engine.exportSegment(call.argument);
      case 'loadSegment':
        return engine.loadSegment(call.argument);
      case 'close':
        engine.close();
        this.#engines.delete(call.vault);
        return null;
    }
  }
}

function serve(port: MessagePort): void {
  const worker = new SearchWorker();
  port.on('message', (call: Call) => {
    const answer = worker.answer(call);
    const isSegment = call.operation === 'exportSegment' && 'value' in answer;
    const bytes = isSegment ? (answer.value as Operations['exportSegment']['answers']).bytes : null;
    port.postMessage(answer, bytes === null ? [] : [bytes.buffer]);
  });
}

if (parentPort !== null) serve(parentPort);
