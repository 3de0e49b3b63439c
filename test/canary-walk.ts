/**
 * Puts canaries into everything a caller can send, through the API of a running deployment, and keeps count of which
 * fields of the OpenAPI document carried one, and in which of them a server took it.
 */
import { connect } from 'node:net';
import type { ApiDocument, Operation } from './api-document.ts';
import { operationsOf } from './api-document.ts';
import type { Canaries } from './canary.ts';
import { exchange, idOf, type Answer } from './deployment.ts';

export const DIMENSIONS = 32;
/** Secret and checksum at the end of an API key; what stands before them is no secret. */
export const SECRET_CHARACTERS = 59;

interface Sending {
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  readonly key?: string;
  readonly from?: string;
}

export class Sower {
  readonly #url: string;
  readonly #apiKey: string;
  readonly #canaries: Canaries;
  readonly #operations: ReadonlyMap<string, Operation>;
  /** `operation place field` of every canary that was sent, and of those in requests that were granted. */
  readonly sent = new Set<string>();
  readonly granted = new Set<string>();

  constructor(of: { url: string; apiKey: string; canaries: Canaries; document: ApiDocument }) {
    this.#url = of.url;
    this.#apiKey = of.apiKey;
    this.#canaries = of.canaries;
    this.#operations = new Map(operationsOf(of.document).map((operation) => [operation.name, operation]));
  }

  async send(name: string, sending: Sending = {}): Promise<Answer> {
    const operation = this.#operations.get(name);
    if (operation === undefined) throw new Error(`the document has no operation ${name}`);
    const { path = {}, query = {}, headers = {}, body, key = this.#apiKey, from } = sending;
    const filled = operation.path.replaceAll(/\{(\w+)\}/g, (_, parameter: string) =>
      encodeURIComponent(path[parameter] ?? ''),
    );
    const search = new URLSearchParams(query).toString();
    const answer = await exchange(
      this.#url,
      operation.method,
      search === '' ? filled : `${filled}?${search}`,
      {
        key,
        headers,
        body,
        ...(from === undefined ? {} : { from }),
      },
    );
    const carried = [
      ...this.#carriers('path', path),
      ...this.#carriers('query', query),
      ...this.#carriers('header', headers),
      ...this.#carriers('body', body),
    ];
    for (const field of carried) {
      this.sent.add(`${name} ${field}`);
      if (answer.status < 300) this.granted.add(`${name} ${field}`);
    }
    return answer;
  }

  /** The same, for what the walk stands on. */
  async must(name: string, sending: Sending = {}): Promise<Answer> {
    const answer = await this.send(name, sending);
    if (answer.status >= 300) throw new Error(`${name}: ${answer.status} ${answer.text}`);
    return answer;
  }

  /** Fields below a value that carry a canary; a list of numbers is one. */
  #carriers(place: string, value: unknown, field = ''): string[] {
    const isVector =
      Array.isArray(value) && value.length === DIMENSIONS && value.every((each) => typeof each === 'number');
    if (isVector || (typeof value === 'string' && this.#canaries.has(value))) return [`${place} ${field}`];
    const isFree = /(^|\.)(metadata|filter)$/.test(field);
    if (Array.isArray(value))
      return [
        ...new Set(value.flatMap((each) => this.#carriers(place, each, isFree ? field : `${field}[]`))),
      ];
    if (typeof value !== 'object' || value === null) return [];
    const below = Object.entries(value).flatMap(([name, each]) => [
      ...(this.#canaries.has(name) && isFree ? [`${place} ${field}`] : []),
      ...this.#carriers(place, each, isFree ? field : field === '' ? name : `${field}.${name}`),
    ]);
    return [...new Set(below)];
  }
}

/** Ids that one walk leaves for the next. */
export interface Sown {
  readonly vault: string;
  readonly kept: string;
}

/** Everything the API does, each field with a canary of its own. */
export async function sowEverything(sower: Sower, canaries: Canaries): Promise<Sown> {
  const word = (field: string): string => canaries.word(field);
  const why = (name: string) => ({
    'strongroom-purpose': word(`purpose of ${name}`),
    'idempotency-key': word(`idempotency key of ${name}`),
  });
  const vault = word('vault name');
  await sower.must('createVault', {
    body: { name: vault, history: true, dimensions: DIMENSIONS },
    headers: why('createVault'),
  });
  const at = { vault };
  const content = (of: string) => ({
    text: `about ${word(`text of ${of}`)} and tea`,
    vector: canaries.vector(`vector of ${of}`, DIMENSIONS),
    metadata: { [word(`metadata name of ${of}`)]: { deep: [word(`metadata value of ${of}`)] } },
    subject: word(`subject of ${of}`),
    conversation: word(`conversation of ${of}`),
    speaker: word(`speaker of ${of}`),
    kind: word(`kind of ${of}`),
    at: canaries.time(`time of ${of}`),
    visibility: 'vault',
  });
  const messages = (of: string) => [
    {
      role: word(`role of ${of}`),
      content: `it was ${word(`content of ${of}`)}`,
      name: word(`name of ${of}`),
    },
  ];
  const { text: _, vector: __, speaker: ___, at: ____, ...shared } = content('a conversation');
  const add = async (of: string, body: unknown) =>
    idOf(await sower.must('addMemories', { path: at, headers: why(of), body }));

  const kept = await add('an addition', content('a memory'));
  const gone = await add('an addition to erase', content('an erased memory'));
  const trashed = await add('an addition to trash', content('a trashed memory'));
  await add('a conversation', { ...shared, messages: messages('a message') });
  const { text: _1, vector: _2, speaker: _3, at: _4, ...batched } = content('a batched conversation');
  await add('a batch', {
    memories: [content('a memory of a batch'), { ...batched, messages: messages('a batched message') }],
  });

  const one = { vault, memory: kept };
  await sower.must('updateMemory', { path: one, headers: why('updateMemory'), body: content('a change') });
  await sower.must('getMemory', { path: one, query: { include: 'vector' }, headers: why('getMemory') });
  await sower.must('memoryHistory', { path: one, headers: why('memoryHistory') });
  await sower.must('deleteMemory', {
    path: { vault, memory: gone },
    query: { mode: 'erase' },
    headers: why('deleteMemory'),
  });
  await sower.must('deleteMemory', { path: { vault, memory: trashed }, headers: why('a trashing') });
  await sower.must('restoreMemory', { path: { vault, memory: trashed }, headers: why('restoreMemory') });

  const filter = (of: string) => ({
    AND: [
      { text: { icontains: word(`filter value of ${of}`) } },
      { [`metadata.${word(`filter name of ${of}`)}`]: 1 },
    ],
  });
  await sower.must('listMemories', {
    path: at,
    query: { filter: JSON.stringify(filter('a list')) },
    headers: why('listMemories'),
  });
  await sower.must('listMemoriesByBody', {
    path: at,
    body: { filter: filter('a list by body') },
    headers: why('listMemoriesByBody'),
  });
  const search = {
    query: `what of ${word('query')}?`,
    vector: canaries.vector('query vector', DIMENSIONS),
    filter: filter('a search'),
  };
  await sower.must('searchMemories', { path: at, body: search, headers: why('searchMemories') });
  await sower.must('exportMemories', {
    path: at,
    query: { include: 'vector' },
    headers: why('exportMemories'),
  });
  await sowExports(sower, canaries, { at, filter, why });
  await sower.must('getVault', { path: at, headers: why('getVault') });
  await sower.must('listVaults', { headers: why('listVaults') });
  await sowReview(sower, canaries, why);
  await sowErasures(sower, canaries, { vault, why });
  await sowRetention(sower, canaries, { vault, memory: kept, why });
  await sowKeys(sower, canaries, { vault, why });
  await sowLedger(sower, canaries, why);
  await sowRewinds(sower, canaries, { vault, why });
  await sowRefusals(sower, canaries, { vault, memory: kept, why });
  return { vault, kept };
}

/** One with everything in it that stays, and one by a filter that ends. */
async function sowExports(
  sower: Sower,
  canaries: Canaries,
  { at, filter, why }: { at: { vault: string }; filter: (of: string) => object; why: Why },
): Promise<void> {
  const made = await sower.must('createExport', { path: at, body: {}, headers: why('createExport') });
  const one = { export: idOf(made) };
  await sower.must('readExport', { path: one, query: { include: 'vector' }, headers: why('readExport') });
  await sower.must('getExport', { path: one, headers: why('getExport') });
  const body = { filter: filter('an export'), expiresInDays: 1 };
  const other = await sower.must('createExport', { path: at, body, headers: why('an export by filter') });
  await sower.must('listExports', { path: at, headers: why('listExports') });
  await sower.must('deleteExport', { path: { export: idOf(other) }, headers: why('deleteExport') });
  for (const name of ['getExport', 'readExport', 'deleteExport'])
    await sower.send(name, { path: { export: canaries.word(`export of ${name}`) } });
  await sower.send('listExports', { path: at, query: { cursor: canaries.word('cursor of listExports') } });
}

type Why = (name: string) => Readonly<Record<string, string>>;

async function sowKeys(
  sower: Sower,
  canaries: Canaries,
  { vault, why }: { vault: string; why: Why },
): Promise<void> {
  const needlesOf = (what: string, key: unknown): string =>
    canaries.text(what, String(key).slice(-SECRET_CHARACTERS));
  const network = canaries.text('network', '2001:db8:5a17:c0de:77e1:9bd3::/96');
  const input = {
    name: canaries.word('key name'),
    scopes: [{ actions: ['*'], vaults: [vault] }],
    networks: [network, '127.0.0.0/8'],
  };
  const made = (await sower.must('createKey', { body: input, headers: why('createKey') })).json;
  needlesOf('API key', made['apiKey']);
  await sower.must('getVault', {
    path: { vault },
    key: String(made['apiKey']),
    from: canaries.text('address', '127.213.117.191'),
  });
  const rotated = (
    await sower.must('rotateKey', { path: { key: String(made['id']) }, headers: why('rotateKey') })
  ).json;
  needlesOf('rotated API key', rotated['apiKey']);
  await sower.must('listKeys', { headers: why('listKeys') });
  await sower.must('revokeKey', { path: { key: String(made['id']) }, headers: why('revokeKey') });
  await sower.send('createKey', {
    body: {
      ...input,
      scopes: [{ actions: [canaries.word('key action')], vaults: [canaries.word('key vault')] }],
    },
  });
  await sower.send('createKey', { body: { ...input, networks: [canaries.word('wrong network')] } });
  for (const name of ['rotateKey', 'revokeKey'])
    await sower.send(name, { path: { key: canaries.word(`key of ${name}`) } });
}

async function sowRetention(
  sower: Sower,
  canaries: Canaries,
  { vault, memory, why }: { vault: string; memory: string; why: Why },
): Promise<void> {
  const word = (field: string): string => canaries.word(field);
  const days = 3650;
  for (const [of, path] of [
    ['Retention', {}],
    ['VaultRetention', { vault }],
  ] as const) {
    const kinds = (name: string) => [{ kind: word(`kind of ${name}${of}`), days }];
    await sower.must(`get${of}`, { path, headers: why(`get${of}`) });
    await sower.must(`set${of}`, { path, body: { kinds: kinds('set') }, headers: why(`set${of}`) });
    await sower.must(`simulate${of}`, {
      path,
      body: { kinds: kinds('simulate') },
      headers: why(`simulate${of}`),
    });
    await sower.send(`set${of}`, {
      path,
      body: { kinds: kinds('refuse') },
      headers: { 'if-match': `"${word(`If-Match of set${of}`)}"` },
    });
  }
  for (const name of ['getVaultRetention', 'setVaultRetention', 'simulateVaultRetention'])
    await sower.send(name, { path: { vault: word(`vault of ${name}`) }, body: {} });
  await sower.must('explainRetention', { path: { vault, memory }, headers: why('explainRetention') });
  await sower.must('explainEntry', { path: { n: '0' }, headers: why('explainEntry') });
  await sower.must('explainLog', { headers: why('explainLog') });
  await sower.send('explainLog', { query: { at: word('moment of a line') } });
  await sower.send('explainEntry', { path: { n: word('entry that is explained') } });
  await sower.send('explainRetention', {
    path: { vault: word('vault of an explanation'), memory: word('memory of an explanation') },
  });
  await sowHolds(sower, canaries, { vault, why });
  await sowArchive(sower, canaries, { vault, memory, why });
}

/** Placed on things of their own, and released: what they keep could not be erased any more. */
async function sowHolds(
  sower: Sower,
  canaries: Canaries,
  { vault, why }: { vault: string; why: Why },
): Promise<void> {
  const word = (field: string): string => canaries.word(field);
  const subject = word('subject of a hold');
  const conversation = word('conversation of a hold');
  const evidence = { text: `it was ${word('text of evidence')}`, subject, conversation };
  await sower.must('addMemories', { path: { vault }, body: evidence });
  for (const target of [{ vault, conversation }, { subject }]) {
    const about = { name: word('name of a hold'), reason: word('reason of a hold') };
    const placed = await sower.must('placeHold', { body: { ...about, target }, headers: why('placeHold') });
    const path = { hold: idOf(placed) };
    for (const name of ['getHold', 'listHeld']) await sower.must(name, { path, headers: why(name) });
    await sower.must('listHolds', { headers: why('listHolds') });
    await sower.must('releaseHold', { path, headers: why('releaseHold') });
  }
  await sower.send('placeHold', {
    body: { name: word('name of a refused hold'), target: { vault, memories: [word('memory of a hold')] } },
  });
  for (const name of ['getHold', 'listHeld', 'releaseHold'])
    await sower.send(name, { path: { hold: word(`hold of ${name}`) } });
  for (const name of ['listHolds', 'listHeld'])
    await sower.send(name, { path: { hold: 'hld_' }, query: { cursor: word(`cursor of ${name}`) } });
}

async function sowArchive(
  sower: Sower,
  canaries: Canaries,
  { vault, memory, why }: { vault: string; memory: string; why: Why },
): Promise<void> {
  const word = (field: string): string => canaries.word(field);
  const asker = (
    await sower.must('createKey', {
      body: { name: word('name of an asker'), scopes: [{ actions: ['archive.*'], vaults: ['*'] }] },
    })
  ).json;
  await sower.must('setRetention', { body: { archive: { waitHours: 0 } } });
  const body = { vault, memories: [memory], reason: word('reason of an archive request') };
  const headers = why('requestArchive');
  const asked = async () =>
    idOf(await sower.must('requestArchive', { key: String(asker['apiKey']), body, headers }));
  const path = { request: await asked() };
  await sower.must('approveArchiveRequest', { path, headers: why('approveArchiveRequest') });
  for (const name of ['getArchiveRequest', 'readArchiveCopy'])
    await sower.must(name, { path, headers: why(name) });
  await sower.must('listArchiveRequests', { headers: why('listArchiveRequests') });
  await sower.must('refuseArchiveRequest', {
    path: { request: await asked() },
    headers: why('refuseArchiveRequest'),
  });
  await sower.send('requestArchive', {
    body: { vault: word('vault of an archive request'), memories: [word('memory of it')], reason: 'x' },
  });
  for (const name of [
    'getArchiveRequest',
    'readArchiveCopy',
    'approveArchiveRequest',
    'refuseArchiveRequest',
  ])
    await sower.send(name, { path: { request: word(`request of ${name}`) } });
  for (const name of ['listArchiveRequests', 'readArchiveCopy'])
    await sower.send(name, { path: { request: 'arq_' }, query: { cursor: word(`cursor of ${name}`) } });
}

/** What was erased and comes back, to a vault that holds it for review. */
async function sowReview(sower: Sower, canaries: Canaries, why: Why): Promise<void> {
  const vault = canaries.word('name of a vault that reviews');
  await sower.must('createVault', { body: { name: vault, tombstones: 'review' } });
  for (const verdict of ['approveMemory', 'rejectMemory']) {
    const body = { text: `of ${canaries.word(`text before ${verdict}`)}` };
    const first = idOf(await sower.must('addMemories', { path: { vault }, body }));
    await sower.must('deleteMemory', { path: { vault, memory: first }, query: { mode: 'erase' } });
    const again = idOf(await sower.must('addMemories', { path: { vault }, body }));
    await sower.must(verdict, { path: { vault, memory: again }, headers: why(verdict) });
    await sower.send(verdict, {
      path: { vault: canaries.word(`vault of ${verdict}`), memory: canaries.word(`memory of ${verdict}`) },
    });
  }
  await sower.must('deleteVault', { path: { vault } });
  await sower.must('restoreVault', { path: { vault }, headers: why('restoreVault') });
  await sower.send('restoreVault', { path: { vault: canaries.word('vault of restoreVault') } });
}

async function sowErasures(
  sower: Sower,
  canaries: Canaries,
  { vault, why }: { vault: string; why: Why },
): Promise<void> {
  const word = (field: string): string => canaries.word(field);
  const body = (target: object, of: string) => ({
    target,
    reason: `since ${word(`reason of ${of}`)}`,
    nonce: word(`nonce of ${of}`).padEnd(32, 'A'),
    requester: word(`requester of ${of}`),
  });
  const subject = word('subject to erase');
  const conversation = word('conversation to erase');
  const path = { vault };
  const about = { text: `of ${word('text to erase')}`, subject, conversation };
  await sower.must('addMemories', { path, body: about });
  const filter = { [`metadata.${word('filter name of an erasure')}`]: word('filter value of an erasure') };
  await sower.send('requestErasure', { body: { target: { vault, filter }, dryRun: true } });
  await sower.send('requestErasure', {
    body: { ...body({ vault, filter }, 'a refused erasure'), confirm: word('confirmation') },
  });
  const asked = await sower.must('requestErasure', {
    body: body({ vault, conversation }, 'an erasure of a conversation'),
    headers: why('requestErasure'),
  });
  await sower.must('requestErasure', { body: body({ subject }, 'an erasure of a person') });
  for (const target of [{ subject: word('unknown subject') }, { vault: word('unknown vault') }])
    await sower.send('requestErasure', { body: body(target, 'an erasure of nothing') });
  for (const target of [{ memory: word('unknown memory') }, { organization: word('unknown organization') }])
    await sower.send('requestErasure', { body: { target, reason: 'none' } });
  const erasure = idOf(asked);
  await sower.must('listErasures', { headers: why('listErasures') });
  await sower.send('listErasures', { query: { cursor: word('cursor of listErasures') } });
  await sower.must('getErasure', { path: { erasure }, headers: why('getErasure') });
  const organization = (await sower.must('ledgerCheckpoint')).json['log'];
  const closing = await sower.must('requestErasure', {
    body: body({ organization }, 'a closing'),
    headers: why('a closing'),
  });
  await sower.must('cancelErasure', { path: { erasure: idOf(closing) }, headers: why('cancelErasure') });
  await sower.must('getCertificate', { path: { erasure }, headers: why('getCertificate') });
  await sower.must('erasureRecipients', { path: { erasure }, headers: why('erasureRecipients') });
  await sower.must('certificateKey', { headers: why('certificateKey') });
  for (const name of ['getErasure', 'cancelErasure', 'getCertificate', 'erasureRecipients'])
    await sower.send(name, { path: { erasure: word(`erasure of ${name}`) } });
}

async function sowLedger(sower: Sower, canaries: Canaries, why: Why): Promise<void> {
  for (const field of ['principal', 'target', 'subject', 'action', 'cursor'])
    await sower.send('listLedgerEntries', {
      query: { [field]: canaries.word(`ledger ${field}`) },
      headers: why('listLedgerEntries'),
    });
  await sower.must('ledgerCheckpoint', { headers: why('ledgerCheckpoint') });
  await sower.must('ledgerKeys', { headers: why('ledgerKeys') });
  await sower.must('listRotations', { headers: why('listRotations') });
  await sower.must('runRotation', { body: { keys: ['cursors'] }, headers: why('runRotation') });
  await sower.send('runRotation', { body: { keys: [canaries.word('rotated key')] } });
  await sower.must('proveLedgerEntry', { path: { n: '0' }, headers: why('proveLedgerEntry') });
  await sower.send('proveLedgerEntry', { path: { n: canaries.word('entry number') } });
  await sower.must('proveLedgerConsistency', {
    query: { from: '1' },
    headers: why('proveLedgerConsistency'),
  });
  await sower.send('proveLedgerConsistency', { query: { from: canaries.word('size of a checkpoint') } });
  await sower.must('exportLedger', { headers: why('exportLedger') });
  await sower.must('runVerification', { body: { claims: [] }, headers: why('runVerification') });
  for (const name of ['createBackup', 'listBackups', 'backupStatus', 'runDrill', 'listDrills'])
    await sower.must(name, { headers: why(name) });
  await sower.send('createBackup', { body: { kind: canaries.word('kind of a backup') } });
  for (const field of ['cursor', 'limit'])
    await sower.send('listBackups', { query: { [field]: canaries.word(`${field} of backups`) } });
  await sower.send('listDrills', { query: { limit: canaries.word('limit of drills') } });
}

async function sowRewinds(
  sower: Sower,
  canaries: Canaries,
  { vault, why }: { vault: string; why: Why },
): Promise<void> {
  const dry = await sower.must('rewindVault', { path: { vault }, body: {} });
  const { confirm } = dry.json;
  await sower.must('rewindVault', { path: { vault }, body: { confirm }, headers: why('rewindVault') });
  await sower.must('listRewinds', { path: { vault }, headers: why('listRewinds') });
  for (const field of ['at', 'confirm'])
    await sower.send('rewindVault', {
      path: { vault },
      body: { [field]: canaries.word(`${field} of a rewind`) },
    });
  await sower.send('listRewinds', {
    path: { vault: canaries.word('vault of rewinds') },
    query: { limit: canaries.word('limit of rewinds') },
  });
}

/** What is asked for in vain, in places that exist and in places that do not. */
async function sowRefusals(
  sower: Sower,
  canaries: Canaries,
  { vault, memory, why }: { vault: string; memory: string; why: Why },
): Promise<void> {
  const word = (field: string): string => canaries.word(field);
  const stale = { 'if-match': `"${word('If-Match')}"` };
  await sower.send('updateVault', {
    path: { vault },
    headers: stale,
    body: { name: word('name of a refused change') },
  });
  await sower.send('createVault', {
    body: { name: word('name of a refused vault'), embedder: word('model of a refused vault') },
  });
  await sower.send('updateVault', { path: { vault }, body: { embedder: word('model of a refused change') } });
  await sower.send('updateMemory', {
    path: { vault, memory },
    headers: stale,
    body: { text: word('text of a refused change') },
  });
  for (const name of ['deleteVault', 'deleteMemory', 'restoreMemory'])
    await sower.send(name, { path: { vault, memory }, headers: { ...stale, ...why(`a refused ${name}`) } });
  for (const name of ['listVaults', 'listKeys', 'listMemories'])
    await sower.send(name, { path: { vault }, query: { cursor: word(`cursor of ${name}`) } });
  await sower.send('listMemoriesByBody', {
    path: { vault },
    body: { cursor: word('cursor of a list by body') },
  });
  for (const name of ['getMemory', 'updateMemory', 'deleteMemory', 'restoreMemory', 'memoryHistory'])
    await sower.send(name, { path: { vault: word(`vault of ${name}`), memory: word(`memory of ${name}`) } });
  for (const name of ['updateVault', 'deleteVault'])
    await sower.send(name, { path: { vault: word(`vault of ${name}`) } });
  const renamed = word('new vault name');
  await sower.must('updateVault', { path: { vault }, body: { name: renamed }, headers: why('updateVault') });
  await sower.must('updateVault', { path: { vault: renamed }, body: { name: vault } });
  const doomed = word('name of a doomed vault');
  await sower.must('createVault', { body: { name: doomed } });
  await sower.must('deleteVault', { path: { vault: doomed }, headers: why('deleteVault') });
}

/** Requests that belong to no operation: what strangers and broken programs send. */
export async function sowNoise(url: string, apiKey: string, canaries: Canaries): Promise<void> {
  const word = (field: string): string => canaries.word(field);
  const as = (headers: Record<string, string>) => ({ key: apiKey, headers });
  await exchange(
    url,
    'GET',
    '/v1/vaults',
    as({ 'user-agent': word('User-Agent'), cookie: word('Cookie'), 'x-any': word('unknown header') }),
  );
  await exchange(url, 'GET', `/${word('wrong path')}/x?${word('wrong query')}=1`, as({}));
  await exchange(url, word('METHOD').toUpperCase(), '/v1/vaults', as({})).catch(() => undefined);
  await exchange(url, 'GET', '/v1/vaults', { key: word('wrong bearer token') });
  await exchange(url, 'GET', '/v1/vaults', { key: `sr_production_${word('wrong key')}` });
  await exchange(url, 'GET', '/v1/vaults', { headers: { authorization: `Basic ${word('wrong scheme')}` } });
  await exchange(url, 'POST', '/v1/vaults', {
    key: apiKey,
    body: { name: 'x', [word('unknown field')]: word('unknown value') },
  });
  await exchange(url, 'POST', '/v1/vaults', {
    ...as({ 'content-type': `text/${word('content type')}` }),
    body: { name: word('body of another type') },
  });
  await raw(
    url,
    `POST /v1/vaults HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${apiKey}\r\ncontent-type: application/json\r\ncontent-length: 60\r\n\r\n{"name": ${word('malformed JSON')} ${' '.repeat(60)}`,
  );
  await raw(url, `GET /${word('broken request')} HTTP/7.7\r\n${word('broken header')}\r\n\r\n`);
  await raw(
    url,
    `GET /v1/%zz${word('broken escape')} HTTP/1.1\r\nhost: ${word('Host')}\r\nconnection: close\r\n\r\n`,
  );
}

/** Writes bytes to the server's port and waits until it has said something or closed. */
function raw(url: string, text: string): Promise<void> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(text));
    socket.on('data', () => socket.destroy());
    socket.on('error', () => resolve());
    socket.on('close', () => resolve());
  });
}
