/**
 * The main job on real input: LoCoMo imported through the command line into a fresh server, a vault per conversation,
 * every turn counted, every question asked over HTTPS, and the ledger verified at the end.
 *
 *     npm run locomo:served -- FILE
 */
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Strongroom, type Memory } from '@strongroom/client';
import { createNodeFetch } from '../client/src/node.ts';
import { processIo } from '../src/cli/process-io.ts';
import { run } from '../src/cli/run.ts';
import { parseSettings } from '../src/config.ts';
import { initDeployment, serve, verifyLedger } from '../src/deployment.ts';
import { loadLocomo, measureRecall, printRecall, type Conversation } from './locomo-data.ts';

const [, , path] = process.argv;
if (path === undefined) throw new Error('usage: npm run locomo:served -- FILE of LoCoMo');
const folder = await mkdtemp(join(tmpdir(), 'strongroom-locomo-'));
const data = join(folder, 'data');
const settings = parseSettings(
  JSON.stringify({ port: 0, rateLimit: 'off', logLevel: 'warn', verifyEveryHours: 'off' }),
  {},
);
const { apiKey } = await initDeployment(data, settings);
const server = await serve(data, settings);
try {
  await importAll();
  const ca = await readFile(server.ca ?? '', 'utf8');
  const strongroom = new Strongroom({ url: server.url, apiKey, fetch: createNodeFetch({ ca }) });
  const conversations = await loadLocomo(path);
  for (const conversation of conversations) await countTurns(strongroom, conversation);
  const started = performance.now();
  const recall = await measureRecall(conversations, async ({ id }) => async ({ text }, limit) => {
    const results = await strongroom.vault(id).search({ query: text, limit });
    return results.map(turnOf);
  });
  printRecall(recall, performance.now() - started);
} finally {
  await server.close();
}
for (const { log, size, broken } of await verifyLedger({ data, settings }))
  console.log(`ledger ${log}: ${size} entries, ${broken === null ? 'verified' : `BROKEN: ${broken.reason}`}`);
await rm(folder, { recursive: true, force: true });

/** From a copy, because the import keeps its state beside the source. */
async function importAll(): Promise<void> {
  const source = join(folder, 'locomo.json');
  await copyFile(path as string, source);
  const io = processIo(() => Promise.reject(new Error('no local command')));
  const variables = {
    STRONGROOM_URL: server.url,
    STRONGROOM_API_KEY: apiKey,
    STRONGROOM_CA: server.ca ?? '',
  };
  const exit = await run(['import', source, '--vault-per-conversation'], { ...io, variables });
  if (exit !== 0) throw new Error(`import ended with ${exit}`);
}

async function countTurns(strongroom: Strongroom, { id, turns }: Conversation): Promise<void> {
  const stored = new Set<string>();
  for await (const memory of strongroom.vault(id).listAll()) stored.add(turnOf(memory));
  const missing = turns.filter((turn) => !stored.has(turn.id)).length;
  console.log(`${id}: ${stored.size} of ${turns.length} turns stored`);
  if (missing > 0) throw new Error(`${missing} turns of ${id} are missing`);
}

function turnOf({ metadata }: Memory): string {
  const id = metadata?.['dia_id'];
  return typeof id === 'string' ? id : '';
}
