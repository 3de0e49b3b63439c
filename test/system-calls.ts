/**
 * What `strace -f -y` wrote down, read as calls with a beginning and an end, and the question put to it: did an answer
 * begin to leave before the log of the store was on disk?
 *
 * Lines are in the order of time. A call that another thread interrupts takes two of them, `<unfinished ...>` and
 * `<... resumed>`; a call counts as done only where its result stands.
 */

export interface SystemCall {
  readonly name: string;
  /** Arguments as strace shows them, paths of descriptors with them. */
  readonly text: string;
  /** Numbers of the lines at which it was made and at which it returned. */
  readonly begun: number;
  readonly ended: number;
  readonly result: number;
}

const WHOLE = /^(\d+)\s+(\w+)\((.*)\)\s+= (-?\d+)/;
const UNFINISHED = /^(\d+)\s+(\w+)\((.*) <unfinished \.\.\.>$/;
const RESUMED = /^(\d+)\s+<\.\.\. (\w+) resumed>(.*)\)\s+= (-?\d+)/;

export function parseTrace(trace: string): SystemCall[] {
  const open = new Map<string, { name: string; text: string; begun: number }>();
  return trace.split('\n').flatMap((line, at): SystemCall[] => {
    const whole = WHOLE.exec(line);
    if (whole !== null)
      return [{ name: whole[2] ?? '', text: whole[3] ?? '', begun: at, ended: at, result: Number(whole[4]) }];
    const begun = UNFINISHED.exec(line);
    if (begun !== null) open.set(begun[1] ?? '', { name: begun[2] ?? '', text: begun[3] ?? '', begun: at });
    const ended = RESUMED.exec(line);
    const call = open.get(ended?.[1] ?? '');
    if (ended === null || call === undefined) return [];
    open.delete(ended[1] ?? '');
    return [{ ...call, text: call.text + (ended[3] ?? ''), ended: at, result: Number(ended[4]) }];
  });
}

export interface Exchanged {
  /** In the request's path or headers, once. */
  readonly asked: string;
  /** In the answer's headers, once. */
  readonly answered: string;
  /** Each of these files must have been synced between the two. */
  readonly files: readonly RegExp[];
}

const SENDS = new Set(['write', 'writev', 'sendto', 'sendmsg']);
const SYNCS = new Set(['fsync', 'fdatasync']);

/** The exchanges whose answer began to leave before a sync, begun after the request was read, had returned. */
export function unsynced(calls: readonly SystemCall[], exchanges: readonly Exchanged[]): string[] {
  return exchanges.flatMap(({ asked, answered, files }) => {
    const read = calls.find(
      ({ name, text, result }) => name === 'read' && result > 0 && text.includes(asked),
    );
    const sent = calls.find(
      ({ name, text }) => SENDS.has(name) && text.includes(answered) && text.includes('HTTP/1.1'),
    );
    if (read === undefined || sent === undefined)
      return [`${asked}: the ${read === undefined ? 'request' : 'answer'} is not in the trace`];
    return files.flatMap((file) => {
      const isSynced = calls.some(
        ({ name, text, begun, ended, result }) =>
          SYNCS.has(name) && file.test(text) && result === 0 && begun > read.ended && ended < sent.begun,
      );
      return isSynced ? [] : [`${asked}: the answer left before ${file} was synced`];
    });
  });
}
