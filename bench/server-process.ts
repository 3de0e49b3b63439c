/** The server under measurement, in a process of its own: `server-process.ts DIRECTORY protected|open|bare|limited [plain]`. */
import { readFile, writeFile } from 'node:fs/promises';
import { Session } from 'node:inspector/promises';
import { parseSettings } from '../src/config.ts';
import { initDeployment, serve } from '../src/deployment.ts';
import { answerParent } from './child.ts';
import { leaveOutProtection } from './unprotected.ts';

export interface Reach {
  readonly url: string;
  /** Empty where the server speaks plain HTTP. */
  readonly ca: string;
  readonly apiKey: string;
}

export interface ServerQuestions {
  /** Processor time of all threads since the start, and the largest resident size. */
  readonly usage: { takes: null; answers: { readonly cpuMs: number; readonly peakMb: number } };
  readonly open: { takes: null; answers: Reach };
  readonly startProfile: { takes: null; answers: null };
  /** Writes what the main thread did since, for a profile viewer. */
  readonly stopProfile: { takes: string; answers: null };
  readonly close: { takes: null; answers: null };
}

const [directory = '', kind, transport] = process.argv.slice(2);
// The one that is attacked has its limits; the others are to answer as fast as they can.
const rateLimit = kind === 'limited' ? 'on' : 'off';
const tls = transport === 'plain' ? 'off' : 'on';
const settings = parseSettings(JSON.stringify({ port: 0, tls, rateLimit, verifyEveryHours: 'off' }), {});
const options = kind === 'open' || kind === 'bare' ? { substitutes: leaveOutProtection(kind) } : {};
const { apiKey } = await initDeployment(directory, settings, options);
const server = await serve(directory, settings, options);
const profiler = new Session();

answerParent<ServerQuestions>({
  usage: () => {
    const { user, system } = process.cpuUsage();
    return { cpuMs: (user + system) / 1000, peakMb: process.resourceUsage().maxRSS / 1024 };
  },
  open: async () => ({
    url: server.url,
    ca: server.ca === null ? '' : await readFile(server.ca, 'utf8'),
    apiKey,
  }),
  startProfile: async () => {
    profiler.connect();
    await profiler.post('Profiler.enable');
    await profiler.post('Profiler.start');
    return null;
  },
  stopProfile: async (file) => {
    const { profile } = await profiler.post('Profiler.stop');
    profiler.disconnect();
    await writeFile(file, JSON.stringify(profile));
    return null;
  },
  close: async () => {
    await server.close();
    return null;
  },
});
