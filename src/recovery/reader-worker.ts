/** The thread behind `openReaderThread`: opens its snapshot, says where that stands, and reads when it is told to. */
import { once } from 'node:events';
import { parentPort, workerData } from 'node:worker_threads';
import { StrongroomError } from '../errors.ts';
import { openSnapshot } from '../store/snapshot.ts';
import type { FromReader, ReaderStart, ToReader } from './reader-thread.ts';
import { readRows } from './row-reader.ts';

const port = parentPort;

if (port !== null) {
  const send = (message: FromReader, bytes?: Uint8Array): void =>
    port.postMessage(message, bytes === undefined ? [] : [bytes.buffer as ArrayBuffer]);
  const answered = async (): Promise<ToReader> => ((await once(port, 'message')) as [ToReader])[0];
  const { target, order } = workerData as ReaderStart;
  try {
    const snapshot = await openSnapshot(target);
    // Listened for before it is asked for, so that no answer is missed.
    let answer = answered();
    send({ kind: 'open', change: snapshot.change });
    await answer;
    const ask = async (message: FromReader, bytes?: Uint8Array): Promise<ToReader> => {
      answer = answered();
      send(message, bytes);
      return answer;
    };
    let spare: ArrayBuffer | null = null;
    const read = await readRows(snapshot, order, {
      add: async ({ bytes, rows }) => {
        const message = await ask({ kind: 'piece', bytes, rows }, bytes);
        spare = message.kind === 'more' ? message.spare : null;
      },
      spare: () => spare,
      blob: async (name) => {
        const message = await ask({ kind: 'blob', name });
        return message.kind === 'bytes' ? message.bytes : null;
      },
    });
    await snapshot.close();
    send({ kind: 'done', read });
  } catch (error) {
    const isOurs = error instanceof StrongroomError;
    send({
      kind: 'failed',
      code: isOurs ? error.code : 'internal',
      detail: isOurs ? error.message : String(error),
    });
  }
}
