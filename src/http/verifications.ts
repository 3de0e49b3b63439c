/**
 * `/v1/verifications`: checks the server's promises on the server itself. Answers the whole result as JSON once all
 * checks have ended, or, asked for `application/jsonl` alone, an event a line while they run, the result being the last. A check
 * may take a minute of silence, which empty lines fill.
 */
import type { Verification, VerificationEvent } from '@strongroom/client';
import { StrongroomError } from '../errors.ts';
import { keptAlive } from './kept-alive.ts';
import type { Verifications } from './parts.ts';
import { defineRoute, type Route } from './route.ts';
import { nothing } from './schema-parts.ts';
import { verification, verificationInput } from './verification-schemas.ts';

const LINES = 'application/jsonl';

export const verificationRoutes = (verifications: Verifications): readonly Route[] => {
  const whole = defineRoute({
    name: 'runVerification',
    method: 'POST',
    url: '/v1/verifications',
    action: 'verification.run',
    summary: 'Check claims on this server, or show how they stand; JSON Lines with progress on request',
    params: nothing,
    query: nothing,
    body: verificationInput.optional(),
    answer: verification,
    status: 200,
    run: async (context, { body }) => resultOf(verifications.verify(context, body ?? {})),
  });
  return [
    {
      ...whole,
      prepare: (raw) => {
        const run = whole.prepare(raw);
        if (!wantsLines(raw.accept)) return run;
        const input = verificationInput.optional().parse(raw.body) ?? {};
        return (context) =>
          Promise.resolve({
            type: LINES,
            isPrompt: true,
            lines: keptAlive(linesOf(verifications.verify(context, input))),
          });
      },
    },
  ];
};

/** Only where no other form would do: most clients accept everything. */
const wantsLines = (accept: string | undefined): boolean =>
  accept !== undefined && accept.includes(LINES) && !/application\/json\s*(?:[,;]|$)|\*\/\*/.test(accept);

async function* linesOf(events: AsyncIterable<VerificationEvent>): AsyncGenerator<string> {
  for await (const event of events) yield `${JSON.stringify(event)}\n`;
}

async function resultOf(events: AsyncIterable<VerificationEvent>): Promise<Verification> {
  for await (const event of events) if (event.type === 'verification') return event.verification;
  throw new StrongroomError('internal', 'the verification gave no result');
}
