/**
 * Hears every attempt to reach the outside that is born of a piece of work: connections (TCP and pipes), datagrams, look-ups
 * of names, other programs. It listens where Node.js itself makes them (async_hooks), so no library slips past it, and
 * what other work in the same process does meanwhile is not counted.
 *
 * Worker threads have hooks of their own and are not heard.
 */
import { AsyncLocalStorage, createHook } from 'node:async_hooks';

/** Node's names for what it makes to reach out. */
const KINDS: Readonly<Record<string, string>> = {
  TCPCONNECTWRAP: 'connection',
  PIPECONNECTWRAP: 'pipe',
  UDPWRAP: 'datagram socket',
  GETADDRINFOREQWRAP: 'look-up',
  GETNAMEINFOREQWRAP: 'look-up',
  QUERYWRAP: 'look-up',
  PROCESSWRAP: 'program',
};

/** What Node writes on the thing it made, once it knows. */
interface Reaching {
  readonly address?: unknown;
  readonly port?: unknown;
  readonly hostname?: unknown;
}

export interface Heard<T> {
  readonly result: T;
  /** One line for each attempt: its kind, and where to as far as it is known. */
  readonly attempts: readonly string[];
}

export async function hearOutside<T>(work: () => Promise<T>): Promise<Heard<T>> {
  const ours = new AsyncLocalStorage<true>();
  const made: { readonly kind: string; readonly reaching: Reaching }[] = [];
  const hook = createHook({
    init: (_id, type, _trigger, resource) => {
      const kind = KINDS[type];
      if (kind !== undefined && ours.getStore() === true) made.push({ kind, reaching: resource });
    },
  });
  hook.enable();
  try {
    const result = await ours.run(true, work);
    return { result, attempts: made.map(lineOf) };
  } finally {
    hook.disable();
  }
}

function lineOf({ kind, reaching }: { kind: string; reaching: Reaching }): string {
  const where = [reaching.hostname, reaching.address, reaching.port].filter((part) => part !== undefined);
  return [kind, ...where.map(String)].join(' ');
}
