/**
 * Lines of a stream that is long in coming: an empty line whenever nothing has come for a while, so that nobody on the way
 * (client, proxy) takes the silence for the end. Readers of JSON Lines pass over empty lines.
 */
const SILENT_MS_MAX = 10_000;

export async function* keptAlive(
  lines: AsyncIterable<string>,
  silentMsMax: number = SILENT_MS_MAX,
): AsyncGenerator<string> {
  const iterator = lines[Symbol.asyncIterator]();
  try {
    for (;;) {
      const coming = iterator.next();
      let next = await orSilence(coming, silentMsMax);
      while (next === null) {
        yield '\n';
        next = await orSilence(coming, silentMsMax);
      }
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not waited for: whoever went away need not see the end of what is under way.
    iterator.return?.().catch(() => undefined);
  }
}

/** Null after that time. */
async function orSilence<T>(coming: Promise<T>, silentMsMax: number): Promise<T | null> {
  const silence = Promise.withResolvers<null>();
  const timer = setTimeout(() => silence.resolve(null), silentMsMax);
  try {
    return await Promise.race([coming, silence.promise]);
  } finally {
    clearTimeout(timer);
  }
}
