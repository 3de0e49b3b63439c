/**
 * Routes whose work takes long answer the whole result as JSON once it has ended or, asked for `application/jsonl` alone, an event a
 * line while it goes on, the result being the last. Silence in between is filled with empty lines. What is refused at the
 * beginning has a status of its own: nothing is sent before the first event.
 */
import type { RequestContext } from '../access/context.ts';
import { keptAlive } from './kept-alive.ts';
import type { RawRequest, Route } from './route.ts';

const LINES = 'application/jsonl';

/** The route, and beside it the same as events. `prepare` has checked the input by then. */
export const withEvents = (
  whole: Route,
  eventsOf: (context: RequestContext, raw: RawRequest) => AsyncIterable<object>,
): Route => ({
  ...whole,
  prepare: (raw: RawRequest) => {
    const run = whole.prepare(raw);
    if (!wantsLines(raw.accept)) return run;
    return (context) =>
      Promise.resolve({
        type: LINES,
        isPrompt: true,
        lines: keptAlive(linesOf(eventsOf(context, raw))),
      });
  },
});

/**
 * Work that reports how far it has come, as events: of reports that nobody has taken yet only the newest is kept. The work goes on
 * to its end though the reader goes away.
 */
export async function* reported<Progress, Event>(
  work: (report: (progress: Progress) => void) => Promise<Event>,
): AsyncGenerator<Progress | Event> {
  let newest: Progress | null = null;
  let isOver = false;
  let wake = (): void => undefined;
  const end = work((progress) => {
    newest = progress;
    wake();
  });
  const over = (): void => {
    isOver = true;
    wake();
  };
  end.then(over, over);
  for (;;) {
    const progress: Progress | null = newest;
    newest = null;
    if (progress !== null) yield progress;
    else if (isOver) break;
    else await new Promise<void>((resolve) => (wake = resolve));
  }
  yield await end;
}

/** Only where no other form would do: most clients accept everything. */
const wantsLines = (accept: string | undefined): boolean =>
  accept !== undefined && accept.includes(LINES) && !/application\/json\s*(?:[,;]|$)|\*\/\*/.test(accept);

async function* linesOf(events: AsyncIterable<object>): AsyncGenerator<string> {
  for await (const event of events) yield `${JSON.stringify(event)}\n`;
}
