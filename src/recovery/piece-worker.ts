/** The thread behind `PieceCrypt`: one piece after the other, in the order they come. */
import { parentPort } from 'node:worker_threads';
import { runPieceJob, type PieceAnswer, type PieceJob } from './piece-job.ts';

parentPort?.on('message', ({ number, job }: { readonly number: number; readonly job: PieceJob }) => {
  const answer: PieceAnswer = runPieceJob(job);
  const bytes = 'bytes' in answer ? answer.bytes : null;
  parentPort?.postMessage({ number, answer }, bytes === null ? [] : [bytes.buffer]);
});
