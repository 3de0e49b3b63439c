/** The listener by its handshakes: which versions of TLS it speaks, what plain HTTP gets, and how long its certificate lasts. */
import { defineCheck, judged } from '../check.ts';
import { handshake, send, type Handshake, type TlsVersion } from '../probe.ts';
import type { Listener, World } from '../world.ts';

const VERSIONS: readonly TlsVersion[] = ['1.0', '1.1', '1.2', '1.3'];
const REQUEST = 'GET /healthz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n';

interface Heard {
  readonly engine: World['engine'];
  readonly isSecure: boolean;
  readonly handshakes: readonly Handshake[];
  /** What a request in the clear was answered with. */
  readonly plain: string;
  readonly answer: string;
}

export const listenerCheck = defineCheck<Heard>({
  name: 'listener',
  place: 'live',
  observe: async (world) => {
    const { listener } = world;
    if (listener === null) throw new RangeError('nothing listens');
    return { engine: world.engine, ...(await hear(listener, world.clock.now())) };
  },
  judges: {
    'CRY-03': (heard, { version = 0, days = 0 }) => {
      const { isSecure, handshakes, plain, answer, engine } = heard;
      if (!isSecure) return judged(1, ['the listener speaks plain HTTP: the setting tls is off']);
      const faults = [
        ...handshakes.flatMap((each) => versionFaults(each, version)),
        ...(plain.startsWith('HTTP/') ? ['plain HTTP is answered'] : []),
        ...(/^strict-transport-security: max-age=\d{7,}/im.test(answer)
          ? []
          : ['there is no strict-transport-security']),
        ...handshakes
          .filter(({ outcome, daysLeft }) => outcome === 'done' && daysLeft < days)
          .map(({ daysLeft }) => `the certificate ends in ${daysLeft} days`),
      ];
      const last = handshakes.findLast(({ outcome }) => outcome === 'done');
      const judgement = judged(handshakes.length + 1, faults, {
        cipher: last?.cipher ?? 'none',
        certificateDays: last?.daysLeft ?? 0,
      });
      const isWhole = engine === 'sqlite' || judgement.verdict === 'fail';
      return isWhole ? judgement : { ...judgement, verdict: 'partial', missing: 'the link to PostgreSQL' };
    },
  },
  sabotages: [
    {
      name: 'older-version',
      breaks: 'The listener speaks TLS 1.2 although 1.3 is promised.',
      turns: ['CRY-03'],
      change: { tlsMinimum: '1.2' },
    },
    {
      name: 'no-strict-transport',
      breaks: 'Answers do not ask to be reached by TLS only.',
      turns: ['CRY-03'],
      change: {
        app: (app) => {
          app.addHook('onSend', (_, reply, payload, done) => {
            void reply.removeHeader('strict-transport-security');
            done(null, payload);
          });
        },
      },
    },
  ],
});

async function hear(listener: Listener, nowMs: number): Promise<Omit<Heard, 'engine'>> {
  const { isSecure } = listener;
  if (!isSecure) return { isSecure, handshakes: [], plain: '', answer: '' };
  const handshakes = await Promise.all(VERSIONS.map((version) => handshake(listener, version, nowMs)));
  const failed = handshakes.find(({ outcome }) => outcome === 'failed');
  // A handshake that broke for another reason tells nothing about what the server speaks.
  if (failed !== undefined)
    throw new RangeError(`the handshake in TLS ${failed.version} broke: ${failed.detail}`);
  const plain = await send(listener, REQUEST, { isSecure: false });
  const { answer } = await send(listener, REQUEST, { isSecure: true });
  return { isSecure, handshakes, plain: plain.answer, answer };
}

function versionFaults({ version, outcome }: Handshake, lowest: number): string[] {
  const isAllowed = Number(version) >= lowest;
  if (outcome === 'done' && !isAllowed) return [`TLS ${version} is spoken`];
  return outcome === 'refused' && version === '1.3' ? ['TLS 1.3 is refused'] : [];
}
