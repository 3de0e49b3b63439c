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
import { realEnvironment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { openEngineRoom } from './engine-room.ts';
import {
  errorToSent,
  unpackRecords,
  type Answer,
  type Call,
  type Operation,
  type Operations,
} from './protocol.ts';
import { Residence } from './residence.ts';
import { Turns } from './turns.ts';
import type { SegmentStep } from './types.ts';

/** What changes nothing: where it fails for no reason of ours, the index is still what it was. */
const IS_QUESTION: { readonly [O in Operation]: boolean } = {
  open: false,
  add: false,
  remove: false,
  forget: false,
  search: true,
  answer: true,
  stats: true,
  leaves: true,
  changedLeaves: true,
  beginSegment: true,
  continueSegment: true,
  loadSegment: false,
  close: false,
};

const { clock } = realEnvironment;
const elapsed = clock.elapsed ?? clock.now;

class SearchWorker {
  readonly #residence = new Residence(openEngineRoom());
  readonly #turns = new Turns(elapsed);

  answer(call: Call): Answer {
    try {
      return { number: call.number, value: this.#run(call) };
    } catch (error) {
      if (error instanceof StrongroomError) return { number: call.number, error: errorToSent(error) };
      if (!IS_QUESTION[call.operation]) throw error;
      return { number: call.number, error: errorToSent(new StrongroomError('internal', { cause: error })) };
    }
  }

  work(): boolean {
    return this.#turns.work(() => this.#residence.work());
  }

  #run(call: Call): Operations[Operation]['answers'] {
    const { vault } = call;
    const residence = this.#residence;
    switch (call.operation) {
      case 'open':
        residence.open(call.argument);
        return null;
      case 'add':
        residence.changing(vault).add(unpackRecords(call.argument));
        return null;
      case 'remove':
        residence.changing(vault).remove(call.argument);
        return null;
      case 'forget':
        return residence.changing(vault).forget(call.argument);
      case 'search':
        return this.#turns.search(() => residence.asked(vault).search(call.argument));
      case 'answer':
        return this.#turns.search(() => residence.asked(vault).answer(call.argument));
      case 'stats':
        return residence.stats(vault);
      case 'leaves':
        return residence.asked(vault).leaves();
      case 'changedLeaves':
        return residence.asked(vault).changedLeaves();
      case 'beginSegment':
        return residence.changing(vault).beginSegment(call.argument);
      case 'continueSegment':
        return residence.asked(vault).continueSegment(call.argument);
      case 'loadSegment':
        return residence.changing(vault, true).loadSegment(call.argument);
      case 'close':
        residence.close(vault);
        return null;
    }
  }
}

/** A segment's bytes are nobody's here any more. */
function handedOver({ operation }: Call, answer: Answer): ArrayBuffer[] {
  if (!('value' in answer) || (operation !== 'beginSegment' && operation !== 'continueSegment')) return [];
  const step = answer.value as SegmentStep;
  return 'writing' in step ? [] : [step.bytes.buffer];
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
    port.postMessage(answer, handedOver(call, answer));
  });
}

if (parentPort !== null) serve(parentPort);
