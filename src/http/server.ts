/**
 * The HTTP server: routes, and what holds for all of them.
 *
 * The order of every request: id and security headers; budget (of the key, if it has signed in before, else of the address);
 * authentication; authorisation for the route's action and vault; and only then the body (content type, size, JSON), the
 * schemas, the idempotency key, the one function. Whoever is not signed in cannot make the server read a body.
 */
import { createHash } from 'node:crypto';
import type { Socket } from 'node:net';
import fastify, {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  type RouteOptions,
} from 'fastify';
import { createIdSource } from '../ids.ts';
import type { Environment } from '../environment.ts';
import { StrongroomError } from '../errors.ts';
import { LIMITS } from '../limits.ts';
import { plainAddress } from './address.ts';
import { archiveRoutes } from './archive.ts';
import { backupRoutes } from './backups.ts';
import { BodyPace } from './body-pace.ts';
import { Exchanges } from './exchange.ts';
import { guardConnections } from './guard.ts';
import { SECURITY_HEADERS, TRANSPORT_SECURITY } from './headers.ts';
import { erasureRoutes } from './erasures.ts';
import { addHealthRoutes } from './health.ts';
import { parseJson } from './json-body.ts';
import { exportRoutes } from './exports.ts';
import { holdRoutes } from './holds.ts';
import { keyRoutes } from './keys.ts';
import { ledgerRoutes } from './ledger.ts';
import {
  answerClientError,
  checkExposure,
  httpOptions,
  httpsOptions,
  LISTENER_LIMITS,
  refuseExpectation,
  type TlsMaterial,
  type TlsMinimum,
} from './listener.ts';
import { memoryRoutes } from './memories.ts';
import { RequestMetrics } from './metrics.ts';
import { addOpenApi, addOpenApiRoute, documentationOf } from './openapi.ts';
import type { HttpParts } from './parts.ts';
import { problemHeaders, problemOf, toStrongroomError } from './problem.ts';
import { DEFAULT_RATES, RequestLimits, type Rates } from './rate-limit.ts';
import { boundRest } from './refused-body.ts';
import { errorFields, type Log } from './request-log.ts';
import { retentionRoutes } from './retention.ts';
import type { Route } from './route.ts';
import { rotationRoutes } from './rotations.ts';
import { searchRoutes } from './search.ts';
import { vaultRoutes } from './vaults.ts';
import { verificationRoutes } from './verifications.ts';

export interface HttpOptions {
  readonly environment: Environment;
  readonly log: Log;
  /** Where it will listen: plain HTTP is refused on anything but a loopback address. */
  readonly host: string;
  /** Null: plain HTTP. */
  readonly tls: TlsMaterial | null;
  readonly tlsMinimum: TlsMinimum;
  /** `off` on a loopback address only. */
  readonly rateLimit: 'on' | 'off' | Rates;
  readonly requirePurpose: boolean;
  /** Of this software, for the OpenAPI document. */
  readonly version: string;
}

/** Names in a path may be 200 characters of up to four bytes, each as %XX. */
const PARAMETER_CHARACTERS_MAX = LIMITS.nameCharactersMax * 4 * 3;

/** Routes that need no key and leave no entry. */
export const EXEMPT_ROUTES = ['/healthz', '/readyz', '/metrics', '/openapi.json'] as const;

export const routesOf = (parts: HttpParts): readonly Route[] => [
  ...vaultRoutes(parts.vaults),
  ...memoryRoutes(parts.memories),
  ...searchRoutes(parts.memories),
  ...retentionRoutes(parts.retention),
  ...holdRoutes(parts.holds),
  ...archiveRoutes(parts.archive),
  ...exportRoutes(parts.exports),
  ...keyRoutes(parts.access),
  ...erasureRoutes(parts.erasures),
  ...ledgerRoutes(parts.ledger),
  ...verificationRoutes(parts.verifications),
  ...backupRoutes(parts.backups),
  ...rotationRoutes(parts.rotations),
];

export function buildServer(parts: HttpParts, options: HttpOptions): FastifyInstance {
  checkExposure(options.host, options.tls !== null);
  const app = createApp(options);
  const metrics = new RequestMetrics();
  const { environment, tls, requirePurpose } = options;
  const now = (): number => environment.clock.now();
  const gate = guardConnections(app.server, { now, isSecure: tls !== null });
  app.addHook('preClose', (done) => {
    gate.close();
    done();
  });
  const pace = options.rateLimit === 'off' ? null : new BodyPace(LISTENER_LIMITS.bodyBytesPerSecond, now);
  const exchanges = new Exchanges({ parts, limits: limitsOf(options), gate, pace, requirePurpose });

  addHooks(app, exchanges, options, metrics);
  addBodyParser(app, pace);
  addErrorHandlers(app, exchanges);
  addOpenApi(app, options.version);
  void app.register((scope, _, done) => {
    for (const route of routesOf(parts)) addRoute(scope, exchanges, route);
    addHealthRoutes(scope, parts.health, metrics);
    addOpenApiRoute(scope);
    done();
  });
  addOtherMethods(app);
  app.server.on('checkExpectation', (_, res) => refuseExpectation(res, tls !== null));
  return app;
}

const fixedHeaders = ({ tls }: Pick<HttpOptions, 'tls'>): Record<string, string> => ({
  ...SECURITY_HEADERS,
  ...(tls === null ? {} : TRANSPORT_SECURITY),
});

function createApp({ environment, tls, tlsMinimum }: HttpOptions): FastifyInstance {
  const newId = createIdSource(environment.clock, environment.random);
  const common = {
    // Its own log lines hold URLs and addresses; ours are in `onResponse`.
    logger: false,
    bodyLimit: LIMITS.bodyBytesMax,
    // Fastify sets these on the server itself, over what the listener's options say.
    requestTimeout: LISTENER_LIMITS.requestTimeoutMs,
    keepAliveTimeout: LISTENER_LIMITS.keepAliveTimeoutMs,
    genReqId: () => newId('request'),
    requestIdHeader: false as const,
    return503OnClosing: false,
    routerOptions: { maxParamLength: PARAMETER_CHARACTERS_MAX },
    clientErrorHandler: (error: Error, socket: Socket) => answerClientError(error, socket, tls !== null),
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      // Before any hook: the URL itself is broken.
      sendProblem(
        reply.headers({ ...fixedHeaders({ tls }), 'x-request-id': request.id }),
        toStrongroomError(error),
      ),
  };
  const app =
    tls === null
      ? fastify({ ...common, http: httpOptions() })
      : fastify({ ...common, https: httpsOptions(tls, tlsMinimum) });
  // Input is parsed and answers are written in route.ts, where their types are known; here they are only documented.
  app.setValidatorCompiler(() => () => true);
  app.setSerializerCompiler(() => (value) => JSON.stringify(value));
  return app;
}

function limitsOf({ rateLimit, environment }: HttpOptions): RequestLimits | null {
  if (rateLimit === 'off') return null;
  return new RequestLimits(rateLimit === 'on' ? DEFAULT_RATES : rateLimit, environment);
}

function addHooks(
  app: FastifyInstance,
  exchanges: Exchanges,
  options: HttpOptions,
  metrics: RequestMetrics,
): void {
  const { environment, log } = options;
  const fixed = fixedHeaders(options);
  app.decorateRequest('exchange');
  app.addHook('onRequest', (request, reply, done) => {
    request.exchange = {
      startedMs: environment.clock.now(),
      address: plainAddress(request.ip),
      context: null,
      bodyDigest: '',
      failure: null,
    };
    void reply.headers({ ...fixed, 'x-request-id': request.id });
    exchanges.charge(request, reply);
    done();
  });
  app.addHook('onSend', (request, reply, payload, done) => {
    boundRest(request.raw, reply.raw);
    done(null, payload);
  });
  app.addHook('onResponse', (request, reply, done) => {
    const { exchange, method, routeOptions } = request;
    const route = routeOptions.config.pattern ?? 'unmatched';
    const durationMs = environment.clock.now() - exchange.startedMs;
    const status = reply.statusCode;
    metrics.observe(method, route, status, durationMs);
    log.info({ request: request.id, method, route, status, durationMs }, 'request');
    if (exchange.failure !== null && status >= 500)
      log.error({ request: request.id, ...errorFields(exchange.failure) }, 'request failed');
    done();
  });
}

function addBodyParser(app: FastifyInstance, pace: BodyPace | null): void {
  app.removeAllContentTypeParsers();
  app.addHook('preParsing', (request, _, payload, done) => {
    const encoding = request.method === 'GET' ? undefined : request.headers['content-encoding'];
    // Nothing is ever decompressed, so nothing can burst.
    if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
      done(new StrongroomError('request.unsupported', 'Content-Encoding is not supported'));
    else {
      const { context } = request.exchange;
      const length = request.headers['content-length'];
      if (context !== null)
        pace?.pace(request.raw, context.principal.id, length === undefined ? null : Number(length));
      done(null, payload);
    }
  });
  app.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body: Buffer, done) => {
    const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(request.headers['content-type'] ?? '')?.[1];
    if (charset !== undefined && charset.toLowerCase() !== 'utf-8') {
      done(new StrongroomError('request.unsupported', 'JSON is UTF-8'));
      return;
    }
    if (request.headers['idempotency-key'] !== undefined)
      request.exchange.bodyDigest = createHash('sha256').update(body).digest('hex');
    done(null, body.length === 0 ? undefined : parseJson(body));
  });
}

function addRoute(app: FastifyInstance, exchanges: Exchanges, route: Route): void {
  app.route({
    method: route.method,
    url: route.url,
    // A HEAD would run through the whole stream for nothing.
    exposeHeadRoute: route.answerType === 'application/json',
    config: { pattern: route.url.replaceAll(/:(\w+)/g, '{$1}'), route },
    schema: documentationOf(route),
    onRequest: (request, reply) => exchanges.admit(request, reply, route),
    handler: (request, reply) => exchanges.answer(request, reply, route),
  });
}

/** Answers the methods that a URL does not have: 405 with what it has; OPTIONS says the same. */
function addOtherMethods(app: FastifyInstance): void {
  const found = new Map<string, Set<string>>();
  app.decorate('registered', found);
  app.addHook('onRoute', ({ url, method, config }: RouteOptions) => {
    if (config?.isRefusal === true) return;
    const methods = found.get(url) ?? new Set();
    for (const each of [method].flat()) methods.add(each);
    found.set(url, methods);
  });
  void app.register((scope, _, done) => {
    for (const [url, methods] of Array.from(found)) {
      const allow = [...methods, 'OPTIONS'].sort().join(', ');
      const pattern = url.replaceAll(/:(\w+)/g, '{$1}');
      const others = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE'].filter(
        (method) => !methods.has(method),
      );
      const config = { pattern, isRefusal: true };
      const shared = { url, config, schema: { hide: true }, exposeHeadRoute: false };
      scope.route({
        ...shared,
        method: 'OPTIONS',
        handler: (_, reply) => reply.code(204).header('allow', allow).send(),
      });
      scope.route({
        ...shared,
        method: others,
        // Before the body is looked at.
        onRequest: (_, reply, done) => {
          void reply.header('allow', allow);
          done(new StrongroomError('request.method'));
        },
        handler: (_, reply) => reply.send(),
      });
    }
    done();
  });
}

function addErrorHandlers(app: FastifyInstance, exchanges: Exchanges): void {
  app.setErrorHandler(async (thrown, request, reply) => {
    const error = toStrongroomError(thrown);
    const shown = await exchanges.refuse(request, request.routeOptions.config.route, error);
    request.exchange.failure = shown;
    return sendProblem(reply, shown);
  });
  app.setNotFoundHandler(() => {
    throw new StrongroomError('not_found');
  });
}

function sendProblem(reply: FastifyReply, error: StrongroomError): FastifyReply {
  return reply
    .code(error.status)
    .headers(problemHeaders(error))
    .send(JSON.stringify(problemOf(error)));
}
