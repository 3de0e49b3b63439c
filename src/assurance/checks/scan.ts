/**
 * The raw scan: canaries go through the interface in every field that takes them, and a new key is made and used; then
 * every byte that the server wrote meanwhile (data files, write-ahead log, index segments, keystore), its log, the leaves
 * of the ledger and the metrics are searched for them.
 *
 * A search that finds nothing proves something only if it can find: each needle is planted and found first, what was written
 * is read back through the interface, and the id of the canary, which is no secret, must be found in the files.
 */
import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { VaultHandle } from '@strongroom/client';
import { ask } from '../ask.ts';
import { canaryEnd, canaryVector, canaryWord, withVault } from '../canary-vault.ts';
import { defineCheck, judged, type Judgement } from '../check.ts';
import {
  byteNeedles,
  NeedleSearch,
  secretNeedles,
  textNeedles,
  vectorNeedles,
  type Hit,
  type Needle,
} from '../needles.ts';
import { replaced } from '../replaced.ts';
import type { RecordBoxes } from '../../keys/record-sealer.ts';
import { heldForms } from '../../search/vectors/forms.ts';
import { toFloat32 } from '../../vaults/memory-content.ts';
import type { Haystack, Sabotaged, Tenant, World } from '../world.ts';
import { createHash } from 'node:crypto';

const DIMENSIONS = 32;
/** Secret and checksum at the end of a key; what stands before them is no secret. */
const SECRET_CHARACTERS = 59;
const CHECKSUM_CHARACTERS = 7;

/** As much as is read within a fraction of the time that a check has. */
const BYTES_MAX = 2 * 1024 ** 3;

type Where = 'files' | 'log' | 'ledger' | 'metrics' | 'answers';

interface Scanned {
  readonly engine: World['engine'];
  readonly control: boolean;
  readonly readBack: boolean;
  /** Whether the canary's id is in what was read: else the canary lay elsewhere. */
  readonly isThere: boolean;
  readonly content: readonly (Hit & { where: Where })[];
  readonly secrets: readonly (Hit & { where: Where })[];
  readonly pieces: Readonly<Record<Where, number>>;
  readonly files: number;
  readonly megabytes: number;
  /** Whether more was written meanwhile than is read. */
  readonly isCut: boolean;
  /** Whether the key worked, and whether it could be read again. */
  readonly key: { readonly works: boolean; readonly shownAgain: readonly string[] };
  readonly needles: { readonly content: number; readonly secrets: number };
}

interface Sown {
  readonly content: readonly Needle[];
  readonly secrets: readonly Needle[];
  readonly readBack: boolean;
  /** The canary's id. */
  readonly memory: string;
  readonly key: Scanned['key'];
  readonly answers: readonly Haystack[];
  readonly ledger: readonly Haystack[];
}

const PLAIN: RecordBoxes = {
  seal: (_, content) => new Uint8Array(content),
  open: (_, box) => new Uint8Array(box),
  openInPlace: (_, box) => box,
};

export const scanCheck = defineCheck<Scanned>({
  name: 'scan',
  place: 'live',
  observe: scan,
  judges: {
    'CRY-01': (scanned) => {
      const { files, megabytes, needles } = scanned;
      const faults = [
        ...controlFaults(scanned),
        ...placeFaults(scanned),
        ...hitTexts(scanned.content, ['files']),
      ];
      return limited(scanned, judged(files, faults, { files, megabytes, needles: needles.content }));
    },
    'KEY-01': (scanned) => {
      const { files, needles, key } = scanned;
      const faults = [
        ...controlFaults(scanned),
        ...placeFaults(scanned),
        ...(key.works ? [] : ['the new key does not sign in, so nothing was looked for']),
        ...hitTexts(scanned.secrets, ['files', 'log', 'ledger', 'metrics']),
        ...key.shownAgain.map((where) => `the key is shown again by ${where}`),
      ];
      return limited(scanned, judged(files, faults, { files, needles: needles.secrets }));
    },
    'AUD-05': (scanned) => {
      const { pieces } = scanned;
      const places = ['log', 'ledger', 'metrics'] as const;
      const faults = [
        ...controlFaults(scanned),
        ...places.flatMap((place) =>
          pieces[place] > 0 ? [] : [`there was nothing to look at in: ${place}`],
        ),
        ...hitTexts([...scanned.content, ...scanned.secrets], places),
      ];
      return judged(pieces.log + pieces.ledger + pieces.metrics, faults, {
        logLines: pieces.log,
        ledgerLeaves: pieces.ledger,
      });
    },
  },
  sabotages: [
    {
      name: 'plain-sealer',
      breaks: 'Rows are stored as they are, without sealing.',
      turns: ['CRY-01'],
      change: {
        sealer: () => ({ at: () => PLAIN }),
      },
    },
    {
      name: 'plain-segments',
      breaks: 'Segments of the search index are stored as they are, while rows are sealed.',
      turns: ['CRY-01'],
      change: {
        sealer: (real) => ({
          at: (record) => (record.table === 'segments' ? PLAIN : real.at(record)),
        }),
      },
    },
    {
      name: 'cached-rows',
      breaks: 'A file beside the database holds vectors as the rows of the index.',
      turns: ['CRY-01'],
      change: cachingVectors('row of 10 bits'),
    },
    {
      name: 'cached-codes',
      breaks: 'A file beside the database holds the one-bit codes of vectors.',
      turns: ['CRY-01'],
      change: cachingVectors('one-bit code, lowest first, of 10'),
    },
    {
      name: 'dumped-memory',
      breaks: 'A file beside the database holds blocks of codes as they lie in memory.',
      turns: ['CRY-01'],
      change: cachingVectors('one-bit code in a block, of 10'),
    },
    {
      name: 'chatty-log',
      breaks: 'The log says what was searched for.',
      turns: ['AUD-05'],
      change: {
        parts: (real, { log }) => ({
          ...real,
          memories: replaced(real.memories, {
            searchMemories: (context, vault, input) => {
              log(`searched for ${input.query ?? ''}`);
              return real.memories.searchMemories(context, vault, input);
            },
          }),
        }),
      },
    },
    {
      name: 'key-in-log',
      breaks: 'The log shows new keys.',
      turns: ['KEY-01', 'AUD-05'],
      change: {
        parts: (real, { log }) => ({
          ...real,
          access: replaced(real.access, {
            createKey: async (context, input) => {
              const made = await real.access.createKey(context, input);
              log(`made ${made.apiKey}`);
              return made;
            },
          }),
        }),
      },
    },
    {
      name: 'hash-without-key',
      breaks: 'A file keeps the plain SHA-256 of new keys.',
      turns: ['KEY-01'],
      change: {
        parts: (real, { directory }) => ({
          ...real,
          access: replaced(real.access, {
            createKey: async (context, input) => {
              const made = await real.access.createKey(context, input);
              await appendFile(join(directory, 'keys'), createHash('sha256').update(made.apiKey).digest());
              return made;
            },
          }),
        }),
      },
    },
  ],
});

async function scan(world: World): Promise<Scanned> {
  const sinceMs = world.clock.now();
  const tenant = await world.tenant(0);
  return withVault(world, tenant, { dimensions: DIMENSIONS, history: true }, async (vault) => {
    const sown = await sow(world, tenant, vault);
    await world.flush();
    const content: Scanned['content'][number][] = [];
    const secrets: Scanned['secrets'][number][] = [];
    const pieces = { files: 0, log: 0, ledger: 0, metrics: 0, answers: 0 };
    const contentSearch = new NeedleSearch(sown.content);
    const secretSearch = new NeedleSearch(sown.secrets);
    const look = (where: Where, haystack: Haystack): void => {
      pieces[where]++;
      for (const hit of contentSearch.hitsIn(haystack)) content.push({ ...hit, where });
      for (const hit of secretSearch.hitsIn(haystack)) secrets.push({ ...hit, where });
    };
    const names = new Set<string>();
    const placeSearch = new NeedleSearch([
      { what: 'id', encoding: 'bytes', bytes: Buffer.from(sown.memory) },
    ]);
    let isThere = false;
    let bytes = 0;
    let isCut = false;
    const overlap = Math.max(contentSearch.longest, secretSearch.longest);
    for await (const piece of world.written(sinceMs, overlap)) {
      isCut = bytes > BYTES_MAX;
      if (isCut) break;
      names.add(piece.name);
      bytes += piece.bytes.length;
      look('files', piece);
      isThere ||= placeSearch.hitsIn(piece).length > 0;
    }
    for (const line of world.logged()) look('log', { name: 'the log', bytes: Buffer.from(line) });
    for (const leaf of sown.ledger) look('ledger', leaf);
    for (const answer of sown.answers) look('metrics', answer);
    return {
      engine: world.engine,
      control: contentSearch.findsAll && secretSearch.findsAll,
      readBack: sown.readBack,
      isThere,
      content,
      secrets,
      pieces,
      files: names.size,
      megabytes: Math.round(bytes / 1e5) / 10,
      key: sown.key,
      isCut,
      needles: { content: contentSearch.size, secrets: secretSearch.size },
    };
  });
}

async function sow(world: World, tenant: Tenant, vault: VaultHandle): Promise<Sown> {
  const content: Needle[] = [];
  const word = (what: string): string => {
    const text = canaryWord(world);
    content.push(...textNeedles(what, text));
    return text;
  };
  const vector = canaryVector(world, DIMENSIONS);
  content.push(...vectorNeedles('vector', vector));
  const memory = {
    text: `what ${word('text')} said about tea`,
    vector,
    metadata: { [word('metadata name')]: { deep: [word('metadata value')] } },
    subject: word('subject'),
    conversation: word('conversation'),
    speaker: word('speaker'),
    kind: word('kind'),
  };
  const options = { purpose: word('purpose') };
  const { id } = await vault.add({ ...memory, expiresAt: canaryEnd(world) }, options);
  await vault.update(id, { text: `later ${word('changed text')}` });
  await vault.search({ query: `${word('query')}?`, vector }, options);
  await vault.list({ filter: { speaker: word('filter') } });
  const read = await vault.get(id, { include: 'vector' });
  const versions = await vault.history(id);
  const { apiKey } = tenant;
  const refused = { method: 'POST', path: `/v1/vaults/${vault.vault}/memories` };
  await ask(world, { ...refused, apiKey, raw: `{"text": "${word('malformed body')}` });
  await ask(world, { ...refused, apiKey, body: { text: 7, [word('unknown field')]: word('refused value') } });
  await ask(world, { method: 'GET', path: `/v1/vaults/${word('path')}?${word('query string')}=1`, apiKey });
  await ask(world, {
    ...refused,
    apiKey,
    headers: { cookie: word('cookie'), 'user-agent': word('user agent') },
  });
  const { key, secrets } = await sowKey(world, tenant, word('key name'));
  return {
    content,
    secrets,
    key,
    memory: id,
    readBack: read.subject === memory.subject && read.vector?.length === DIMENSIONS && versions.length === 2,
    ledger: await leavesOf(tenant),
    answers: [await metricsOf(world)],
  };
}

async function sowKey(world: World, { client }: Tenant, name: string) {
  const made = await client.keys.create({ name });
  const { apiKey, id } = made;
  try {
    const used = await ask(world, { method: 'GET', path: '/v1/vaults', apiKey });
    await ask(world, { method: 'GET', path: '/v1/vaults', apiKey: `${apiKey.slice(0, -1)}!` });
    const secret = apiKey.slice(-SECRET_CHARACTERS);
    const listed = JSON.stringify(await Array.fromAsync(client.keys.listAll()));
    const shownAgain = listed.includes(secret) ? ['the list of keys'] : [];
    const random = secret.slice(0, -CHECKSUM_CHARACTERS);
    const secrets = [
      ...secretNeedles('key', apiKey),
      ...secretNeedles('secret of the key', random),
      ...byteNeedles('decoded secret of the key', decodeSecret(random)),
    ];
    return { key: { works: used.status === 200, shownAgain }, secrets };
  } finally {
    await client.keys.revoke(id);
  }
}

/** The random bytes that the letters stand for. */
function decodeSecret(text: string): Buffer {
  const alphabet = '0123456789abcdefghjkmnpqrstvwxyz';
  const bits = Array.from(text, (letter) => alphabet.indexOf(letter).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? []);
}

/** The entries of this check alone: what is hashed, and kept for years. */
async function leavesOf({ client, keyId }: Tenant): Promise<Haystack[]> {
  const leaves: Haystack[] = [];
  for await (const entry of client.ledger.listAll({ principal: keyId, limit: 1000 }))
    leaves.push({ name: 'the ledger', bytes: Buffer.from(entry.leaf, 'base64') });
  return leaves;
}

async function metricsOf(world: World): Promise<Haystack> {
  const { text } = await ask(world, { method: 'GET', path: '/metrics' });
  return { name: 'the metrics', bytes: Buffer.from(text) };
}

const controlFaults = ({ control, readBack }: Scanned): string[] => [
  ...(control ? [] : ['the search does not find what is planted']),
  ...(readBack ? [] : ['the canary could not be read back, so nothing was looked for']),
];

/** Rows lie in the files only where the database does; a file beyond what is read may be the one. */
const placeFaults = ({ isThere, engine, isCut }: Scanned): string[] =>
  isThere || engine !== 'sqlite' || isCut
    ? []
    : ['the canary is not in the files that were read, so nothing was looked for'];

const hitTexts = (hits: Scanned['content'], places: readonly Where[]): string[] => [
  ...new Set(
    hits
      .filter(({ where }) => places.includes(where))
      .map(({ name, what, encoding }) => `${what} is found in ${name} (${encoding})`),
  ),
];

/** What could not be read leaves a pass half. */
function limited({ engine, isCut }: Scanned, judgement: Judgement): Judgement {
  const missing = [
    ...(engine === 'sqlite'
      ? []
      : ['the files of the PostgreSQL server, which lie where this process cannot read them']),
    ...(isCut ? ['files beyond the first gigabytes that were written meanwhile'] : []),
  ];
  if (missing.length === 0 || judgement.verdict !== 'pass') return judgement;
  return { ...judgement, verdict: 'partial', missing: missing.join('; ') };
}

/** A sabotage that keeps one form of each vector in a file of its own. */
function cachingVectors(name: string): Sabotaged {
  return {
    parts: (real, { directory }) => ({
      ...real,
      memories: replaced(real.memories, {
        addMemory: async (context, vault, input) => {
          for (const form of heldForms(toFloat32(input.vector ?? [])))
            if (form.name === name) await appendFile(join(directory, 'vectors.cache'), form.bytes);
          return real.memories.addMemory(context, vault, input);
        },
      }),
    }),
  };
}
