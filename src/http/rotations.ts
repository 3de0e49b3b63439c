/** `/v1/rotations`: how old the keys of the service are, and replacing them now. */
import type { Rotations } from './parts.ts';
import { rotationInput, rotationKeys, rotationResult } from './rotation-schemas.ts';
import { defineRoute, type Route } from './route.ts';
import { noBody, nothing } from './schema-parts.ts';

export const rotationRoutes = (rotations: Rotations): readonly Route[] => [
  defineRoute({
    name: 'listRotations',
    method: 'GET',
    url: '/v1/rotations',
    action: 'rotation.list',
    summary: 'How old the keys of the service are, and when each is replaced by itself',
    params: nothing,
    query: nothing,
    body: noBody,
    answer: rotationKeys,
    status: 200,
    run: (context) => rotations.listRotations(context),
  }),
  defineRoute({
    name: 'runRotation',
    method: 'POST',
    url: '/v1/rotations',
    action: 'rotation.run',
    summary: 'Replace keys of the service now; for the organization that the deployment was made with',
    params: nothing,
    query: nothing,
    body: rotationInput.optional(),
    answer: rotationResult,
    status: 200,
    run: (context, { body }) => rotations.runRotation(context, body ?? {}),
  }),
];
