/**
 * Runs checks one after another and says how far it is. A check that throws, or does not end in time, has an error; the
 * others go on. Worlds are opened when a check first needs one and closed at the end, also when nobody listens any more.
 */
import { errorText } from './error-text.ts';
import type { Check } from './check.ts';
import type { Claim, ClaimId } from './claim.ts';
import { valuesOf } from './claim.ts';
import { combine, type Finding, type Place, type Said } from './standing.ts';
import type { World } from './world.ts';

export interface Progress {
  readonly type: 'progress';
  readonly check: string;
  readonly place: World['place'];
  readonly number: number;
  readonly of: number;
  readonly claims: readonly ClaimId[];
}

export interface Worlds {
  readonly live: () => Promise<World>;
  readonly scratch: () => Promise<World>;
}

export interface Run {
  readonly checks: readonly Check[];
  readonly claims: readonly Claim[];
  readonly worlds: Worlds;
  readonly nowMs: () => number;
  readonly build: string;
  /** Ends the run: what was found until then is not kept. */
  readonly signal?: AbortSignal;
  /** In place of how long one check may take. */
  readonly checkMsMax?: number;
}

type Limits = Pick<Run, 'signal' | 'checkMsMax'>;

/** Longer than any check takes; one that hangs must not keep the next from running for ever. */
const CHECK_MS_MAX = 60_000;

/** Gives progress before each check, and returns what was found, by claim. */
export async function* runChecks(run: Run): AsyncGenerator<Progress, readonly Finding[]> {
  const wanted = new Map(run.claims.map((claim) => [claim.id, claim]));
  const checks = run.checks.filter(({ claims }) => claims.some((id) => wanted.has(id)));
  const said = new Map<ClaimId, { place: World['place']; said: Said }[]>();
  for (const [index, check] of checks.entries()) {
    const claims = check.claims.filter((id) => wanted.has(id));
    yield {
      type: 'progress',
      check: check.name,
      place: check.place,
      number: index + 1,
      of: checks.length,
      claims,
    };
    run.signal?.throwIfAborted();
    const judge = await observe(check, run.worlds, run);
    for (const id of claims) {
      const claim = wanted.get(id);
      if (claim === undefined) continue;
      const list = said.get(id) ?? [];
      list.push({ place: check.place, said: judge(claim) });
      said.set(id, list);
    }
  }
  return [...said].flatMap(([id, list]) => {
    const claim = wanted.get(id);
    return claim === undefined ? [] : [findingOf(claim, list, run)];
  });
}

/** Observes once; what comes back judges and never throws. Rejects only where the run is ended. */
export async function observe(
  check: Check,
  worlds: Worlds,
  limits: Limits = {},
): Promise<(claim: Claim) => Said> {
  try {
    const judge = await inTime(
      worlds[check.place]().then((world) => check.run(world)),
      limits,
    );
    return (claim) => {
      try {
        return { judgement: judge(claim.id, valuesOf(claim)) };
      } catch (error) {
        return { error: `${check.name}: ${errorText(error)}` };
      }
    };
  } catch (error) {
    limits.signal?.throwIfAborted();
    const text = `${check.name}: ${errorText(error)}`;
    return () => ({ error: text });
  }
}

function findingOf(claim: Claim, list: readonly { place: World['place']; said: Said }[], run: Run): Finding {
  const places = new Set(list.map(({ place }) => place));
  const [only] = places;
  const place: Place = places.size > 1 || only === undefined ? 'both' : only;
  const { build } = run;
  return {
    claim: claim.id,
    atMs: run.nowMs(),
    place,
    build,
    values: valuesOf(claim),
    ...combine(list.map(({ said }) => said)),
  };
}

async function inTime<T>(work: Promise<T>, { signal, checkMsMax = CHECK_MS_MAX }: Limits): Promise<T> {
  const late = Promise.withResolvers<never>();
  const stop = (): void => late.reject(new RangeError('the run was ended'));
  signal?.addEventListener('abort', stop, { once: true });
  const timer = setTimeout(() => {
    late.reject(new RangeError(`did not end within ${checkMsMax / 1000} s`));
  }, checkMsMax);
  try {
    return await Promise.race([work, late.promise]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}
