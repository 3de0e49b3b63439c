/**
 * `/v1/verifications`: checks the server's promises on the server itself, in one answer or as events (event-lines.ts): a check may
 * take a minute.
 */
import type { Verification, VerificationEvent } from '@strongroom/client';
import { StrongroomError } from '../errors.ts';
import { withEvents } from './event-lines.ts';
import type { Verifications } from './parts.ts';
import { defineRoute, type Route } from './route.ts';
import { nothing } from './schema-parts.ts';
import { verification, verificationInput } from './verification-schemas.ts';

export const verificationRoutes = (verifications: Verifications): readonly Route[] => [
  withEvents(
    defineRoute({
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
    }),
    (context, { body }) => verifications.verify(context, verificationInput.optional().parse(body) ?? {}),
  ),
];

async function resultOf(events: AsyncIterable<VerificationEvent>): Promise<Verification> {
  for await (const event of events) if (event.type === 'verification') return event.verification;
  throw new StrongroomError('internal', 'the verification gave no result');
}
