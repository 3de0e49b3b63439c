/**
 * `/healthz`, `/readyz`, `/metrics`: for machines that watch; no key, no entry in the ledger, nothing of content. What is
 * degraded answers 200, because whoever balances load would take away what works.
 */
import type { Health } from '@strongroom/client';
import type { FastifyInstance, FastifyReply } from 'fastify';
import { z } from 'zod';
import { health } from './health-schemas.ts';
import { METRICS_TYPE, type RequestMetrics } from './metrics.ts';
import type { HealthCheck, HealthReads } from './parts.ts';

export function addHealthRoutes(app: FastifyInstance, reads: HealthReads, metrics: RequestMetrics): void {
  const answers = { 200: jsonOf(health, 'Requests are served'), 503: jsonOf(health, 'Something does not') };
  const schema = (operationId: string, summary: string) => ({
    operationId,
    summary,
    security: [],
    response: answers,
  });
  app.get(
    '/healthz',
    { config: { pattern: '/healthz' }, schema: schema('health', 'Whether the process works') },
    async (_, reply) => answer(reply, await reads.live()),
  );
  app.get(
    '/readyz',
    { config: { pattern: '/readyz' }, schema: schema('readiness', 'Whether requests can be served') },
    async (_, reply) => answer(reply, await reads.ready()),
  );
  app.get(
    '/metrics',
    {
      config: { pattern: '/metrics' },
      schema: {
        operationId: 'metrics',
        summary: 'Figures in the Prometheus text format',
        security: [],
        response: {
          200: { description: 'Prometheus text', content: { 'text/plain': { schema: z.string() } } },
        },
      },
    },
    async (_, reply) => reply.type(METRICS_TYPE).send(metrics.text((await reads.gauges?.()) ?? [])),
  );
}

const jsonOf = (schema: z.ZodType, description: string) => ({
  description,
  content: { 'application/json': { schema } },
});

function answer(reply: FastifyReply, checks: readonly HealthCheck[]): FastifyReply {
  const isOk = checks.every((check) => check.ok);
  const body: Health = {
    status: isOk ? (checks.some(isDegraded) ? 'degraded' : 'ok') : 'failing',
    checks: checks.map((check) => ({
      name: check.name,
      status: check.ok ? (isDegraded(check) ? 'degraded' : 'ok') : 'failing',
      ...(check.degraded === undefined ? {} : { code: check.degraded }),
      ...(check.detail === undefined ? {} : { detail: check.detail }),
    })),
  };
  return reply
    .code(isOk ? 200 : 503)
    .type('application/json; charset=utf-8')
    .send(JSON.stringify(body));
}

const isDegraded = ({ degraded }: HealthCheck): boolean => degraded !== undefined;
