/**
 * For tests: the server's interface in a few maps, reached through a `fetch` of its own. It knows as much as the command
 * line can see: ids that count up, a clock that stands still, problem documents, and answers kept by idempotency key.
 */
import type {
  Export,
  Fetch,
  FetchAnswer,
  JsonObject,
  Memory,
  MemoryInput,
  SearchInput,
  Rotation,
  RotationKeyAge,
  Vault,
  VaultInput,
} from '@strongroom/client';

export const SERVER_URL = 'https://strongroom.test';
export const API_KEY = 'sr_production_test';
const REQUEST_ID = 'req_00000000000000000000000009';
export const NOW = '2026-11-21T10:00:00.000Z';

export interface Request {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: JsonObject | null;
}

interface Answer {
  readonly status: number;
  /** An array of strings is sent as it is, line by line. */
  readonly body?: unknown;
}

type Stored = { memory: Memory; versions: Memory[] };

export class FakeServer {
  readonly requests: Request[] = [];
  readonly vaults = new Map<string, { vault: Vault; memories: Map<string, Stored> }>();
  /** Called before each request: what it returns is answered, what it throws breaks the connection. */
  intercept: (request: Request, number: number) => Answer | undefined = () => undefined;
  /** Called after each request has been carried out: what it throws loses the answer. */
  lose: (request: Request, number: number) => void = () => undefined;
  readonly #kept = new Map<string, Answer>();
  #ids = 0;

  constructor() {
    this.addVault('default');
  }

  readonly fetch: Fetch = async (url, init) => {
    init.signal.throwIfAborted();
    const { pathname, searchParams } = new URL(url);
    const request: Request = {
      method: init.method,
      path: pathname,
      query: searchParams,
      headers: init.headers,
      body: init.body === undefined ? null : (JSON.parse(init.body) as JsonObject),
    };
    this.requests.push(request);
    const number = this.requests.length;
    const answer = await Promise.resolve(this.intercept(request, number) ?? this.#once(request));
    this.lose(request, number);
    return toFetchAnswer(answer);
  };

  addVault(name: string, more: Partial<Vault> = {}): Vault {
    const vault: Vault = {
      id: this.#id('vlt'),
      name,
      project: this.#id('prj'),
      dimensions: null,
      metric: 'cosine',
      deletion: { mode: 'trash', days: 30 },
      history: false,
      tombstones: 'off',
      environment: 'production',
      language: 'auto',
      weights: { text: 1, vector: 1 },
      embedder: null,
      version: 1,
      createdAt: NOW,
      updatedAt: NOW,
      ...more,
    };
    this.vaults.set(name, { vault, memories: new Map() });
    return vault;
  }

  /** What is in a vault, in the order it was added. */
  memoriesIn(name: string): Memory[] {
    return [...(this.vaults.get(name)?.memories.values() ?? [])].map(({ memory }) => memory);
  }

  /** A write that comes again under its key is answered as before and done once. */
  #once(request: Request): Answer {
    const key = request.headers['idempotency-key'];
    const kept = key === undefined ? undefined : this.#kept.get(key);
    if (kept !== undefined) return kept;
    const answer = this.#answer(request);
    if (key !== undefined && answer.status < 300) this.#kept.set(key, answer);
    return answer;
  }

  #answer(request: Request): Answer {
    const { method, path } = request;
    if (path === '/readyz')
      return { status: 200, body: { status: 'ok', checks: [{ name: 'store', status: 'ok' }] } };
    if (request.headers['authorization'] !== `Bearer ${API_KEY}`)
      return problem(401, 'auth.invalid', 'The API key is not valid');
    const [, , resource, ...rest] = path.split('/').map(decodeURIComponent);
    if (resource === 'vaults') return this.#vaults(request, rest);
    if (resource === 'keys') return this.#keys(method, rest);
    if (resource === 'ledger') return ledger(rest);
    if (resource === 'retention') return retention(request, rest[0]);
    if (resource === 'holds') return holds(request, rest);
    if (resource === 'archive') return archive(request, rest.slice(1));
    if (resource === 'exports') return exports(method, rest);
    if (resource === 'backups' || resource === 'drills') return backups(method, resource, rest);
    if (resource === 'rotations')
      return { status: 200, body: method === 'GET' ? { keys: [AGE] } : { rotations: [ROTATION] } };
    return problem(404, 'not_found', 'Not found');
  }

  #vaults(request: Request, [name, ...rest]: string[]): Answer {
    const { method, body } = request;
    if (name === undefined && method === 'GET')
      return {
        status: 200,
        body: { vaults: [...this.vaults.values()].map(({ vault }) => vault), next: null },
      };
    if (name === undefined) {
      const { name: newName, ...more } = (body ?? {}) as unknown as VaultInput;
      if (this.vaults.has(newName)) return problem(409, 'conflict', 'A vault has this name already');
      return { status: 201, body: this.addVault(newName, more as Partial<Vault>) };
    }
    const found = this.vaults.get(name) ?? [...this.vaults.values()].find(({ vault }) => vault.id === name);
    if (found === undefined) return problem(404, 'not_found', 'Not found');
    const [part, id, action] = rest;
    if (part === 'exports') return exports(method, []);
    if (part === 'retention' || action === 'retention') return retention(request, action ?? id);
    if (part === 'memories' && id !== undefined && id !== 'list' && id !== 'export')
      return this.#memory(request, found.memories, [id, action]);
    if (part === 'memories' || part === 'search') return this.#many(request, found.memories, id ?? part);
    if (method === 'DELETE') this.vaults.delete(name);
    if (method === 'PATCH')
      found.vault = { ...found.vault, ...(body as Partial<Vault>), version: found.vault.version + 1 };
    return method === 'DELETE' ? { status: 204 } : { status: 200, body: found.vault };
  }

  #many(request: Request, memories: Map<string, Stored>, part: string): Answer {
    const { method, path, body, query } = request;
    const live = [...memories.values()].map(({ memory }) => memory);
    if (part === 'export')
      return { status: 200, body: live.filter(isLive).map((memory) => `${JSON.stringify(memory)}\n`) };
    if (part === 'search')
      return { status: 200, body: { results: search(live, (body as SearchInput).query ?? '') } };
    if (method === 'GET' || path.endsWith('/list')) {
      const limit = Number(query.get('limit') ?? body?.['limit'] ?? 50);
      const start = Number(query.get('cursor') ?? body?.['cursor'] ?? 0);
      const isWanted = query.get('state') === 'trashed' ? (memory: Memory) => !isLive(memory) : isLive;
      const wanted = live.filter(isWanted).reverse();
      const next = start + limit < wanted.length ? String(start + limit) : null;
      return { status: 200, body: { memories: wanted.slice(start, start + limit), next } };
    }
    if (Array.isArray(body?.['memories'])) {
      const inputs = body['memories'] as MemoryInput[];
      const errors = inputs.flatMap(({ text }, i) =>
        text === 'REFUSED' ? [{ path: `/memories/${i}/text`, message: 'the server does not like it' }] : [],
      );
      if (errors.length > 0)
        return problem(400, 'request.invalid', 'The request does not fit its schema', errors);
      return {
        status: 201,
        body: { memories: inputs.map((input) => ({ id: this.#add(memories, input).id })) },
      };
    }
    return { status: 201, body: this.#add(memories, body as MemoryInput) };
  }

  #add(memories: Map<string, Stored>, input: MemoryInput): Memory {
    const times = { createdAt: NOW, updatedAt: NOW };
    const memory = { id: this.#id('mem'), ...input, visibility: 'vault', version: 1, ...times } as Memory;
    memories.set(memory.id, { memory, versions: [memory] });
    return memory;
  }

  #memory(request: Request, memories: Map<string, Stored>, [id, action]: (string | undefined)[]): Answer {
    const stored = memories.get(id ?? '');
    if (stored === undefined) return problem(404, 'not_found', 'Not found');
    const ifMatch = request.headers['if-match'];
    if (ifMatch !== undefined && ifMatch !== `"${stored.memory.version}"`)
      return problem(412, 'version.mismatch', 'The version is not the current one');
    if (action === 'history') {
      const versions = stored.versions.map((memory) => ({ ...memory, author: 'key_test' })).reverse();
      return { status: 200, body: { versions } };
    }
    if (request.method === 'DELETE') {
      if (request.query.get('mode') === 'erase') memories.delete(id ?? '');
      else stored.memory = { ...stored.memory, trashedAt: NOW };
      return { status: 204 };
    }
    if (action === 'restore') {
      const { trashedAt: _, ...memory } = stored.memory;
      stored.memory = memory;
    }
    if (request.method === 'PATCH') {
      const changed = { ...stored.memory, ...request.body, version: stored.memory.version + 1 };
      stored.memory = Object.fromEntries(
        Object.entries(changed).filter(([, value]) => value !== null),
      ) as unknown as Memory;
      stored.versions.push(stored.memory);
    }
    return { status: 200, body: stored.memory };
  }

  #keys(method: string, [id, action]: string[]): Answer {
    const key = {
      id: id ?? this.#id('key'),
      name: 'robot',
      environment: 'production',
      networks: [],
      state: 'active',
      createdAt: NOW,
    };
    const scopes = [{ actions: ['memory.*'], vaults: ['default'] }];
    if (method === 'DELETE') return { status: 204 };
    if (method === 'GET') return { status: 200, body: { keys: [{ ...key, scopes }], next: null } };
    return {
      status: action === undefined ? 201 : 200,
      body: { ...key, scopes, apiKey: 'sr_production_new' },
    };
  }

  #id(prefix: string): string {
    this.#ids += 1;
    return `${prefix}_${String(this.#ids).padStart(26, '0')}`;
  }
}

const BACKUP = {
  id: 'bkp_00000000000000000000000001',
  kind: 'full',
  takenAt: NOW,
  finishedAt: NOW,
  sizeBytes: 12345,
  rows: 67,
  copies: 2,
  manifest: '00',
};
const DRILL = {
  id: 'drl_00000000000000000000000001',
  backup: BACKUP.id,
  state: 'failed',
  startedAt: NOW,
  recoverySeconds: 2,
  lossSeconds: 60,
  rows: 67,
  opened: 4,
  faultCount: 1,
  faults: ['memories: 6 rows, not 7'],
};

const events = (...all: readonly object[]): Answer => ({
  status: 200,
  body: all.map((event) => `${JSON.stringify(event)}\n`),
});

function backups(method: string, resource: string, [part]: string[]): Answer {
  // As lines: what only these commands ask for.
  if (resource === 'drills')
    return events({ type: 'progress', pieces: 1, of: 2 }, { type: 'drill', drill: DRILL });
  if (method === 'POST')
    return events({ type: 'progress', rows: 5, bytes: 99 }, { type: 'backup', backup: BACKUP });
  if (part !== 'status') return { status: 200, body: { backups: [BACKUP], next: null } };
  const places = [
    { location: 'cellar', allowed: true, reachable: true, newestAt: NOW, missing: 0 },
    { location: null, allowed: true, reachable: false, newestAt: null, missing: 1 },
  ];
  const when = { oldestAt: NOW, fullAt: NOW, incrementalAt: NOW, recoverableAt: NOW, lossSeconds: 120 };
  return { status: 200, body: { backups: 1, ...when, places, drill: DRILL } };
}

const isLive = (memory: Memory): boolean => memory.trashedAt === undefined;

/** Those that share a word with the query, the most first. */
function search(memories: readonly Memory[], query: string): (Memory & { score: number })[] {
  const wordsOf = (text: string): string[] => text.toLowerCase().match(/\p{L}+/gu) ?? [];
  const asked = new Set(wordsOf(query));
  return memories
    .map((memory) => ({
      ...memory,
      score: wordsOf(memory.text ?? '').filter((word) => asked.has(word)).length,
    }))
    .filter(({ score }) => score > 0)
    .sort((a, b) => b.score - a.score);
}

const ENTRY = {
  n: 1,
  at: NOW,
  principal: 'key_00000000000000000000000001',
  action: 'memory.add',
  target: 'vlt_00000000000000000000000001',
  outcome: 'done',
  count: 2,
  request: 'req_00000000000000000000000001',
  purpose: 'ticket 7',
  leaf: 'e30=',
  leafHash: 'ab',
};

export const AGE: RotationKeyAge = {
  key: 'ledger',
  since: NOW,
  daysMax: 365,
  rotateBy: '2027-11-21T10:00:00.000Z',
  retired: [{ since: NOW, destroyBy: '2026-12-26T10:00:00.000Z' }],
};

export const ROTATION: Rotation = {
  id: 'rot_00000000000000000000000001',
  key: 'ledger',
  state: 'kept',
  startedAt: NOW,
  destroyBy: '2026-12-26T10:00:00.000Z',
  endedAt: null,
};

function ledger([part, n, rest]: string[]): Answer {
  if (part === 'keys') {
    const key = { generation: 1, verifierKey: 'log+1+k', since: NOW, until: null, introduction: null };
    return { status: 200, body: { log: 'org_1', keys: [key] } };
  }
  if (part === 'checkpoint')
    return {
      status: 200,
      body: { log: 'org_1', size: 2, rootHash: 'ab', note: 'strongroom\n2\nqw==\n', verifierKey: 'k' },
    };
  if (part === 'entries' && rest === 'retention')
    return {
      status: 200,
      body: {
        entry: Number(n),
        class: 'security',
        at: NOW,
        keptUntil: NOW,
        endsAt: NOW,
        details: 'kept',
      },
    };
  if (part === 'entries')
    return {
      status: 200,
      body: { n: Number(n), size: 2, leafHash: 'ab', rootHash: 'cd', path: [], proof: 'a proof\n' },
    };
  if (part === 'consistency')
    return {
      status: 200,
      body: { from: 1, size: 2, fromRootHash: 'ab', rootHash: 'cd', path: [], proof: 'a proof of growth\n' },
    };
  if (part === 'export') return { status: 200, body: ['{"header":1}\n', '{"n":0}\n', '{"n":1}\n'] };
  return { status: 200, body: { entries: [ENTRY], next: null } };
}

const MEMORY_ID = 'mem_00000000000000000000000001';

/** What is set comes back; a simulation and an explanation always say the same. */
function retention({ body, path }: Request, action: string | undefined): Answer {
  const vault = 'vlt_00000000000000000000000001';
  const effect = { vault, class: 'memories', count: 2, memories: [MEMORY_ID] };
  if (action === 'simulate')
    return { status: 200, body: { removes: [effect], keeps: [], archives: [], looked: 2 } };
  if (action === 'retention') {
    const considered = [
      { rule: 'hold', applies: false, at: null },
      { rule: 'vault', applies: true, at: NOW },
    ];
    const explained = { memory: MEMORY_ID, state: 'live', rule: 'vault', endsAt: NOW, hiddenAt: NOW };
    return { status: 200, body: { ...explained, archivesAt: null, considered, holds: [], trash: [] } };
  }
  if (action === 'log') {
    const file = 'strongroom-2026-11-21.jsonl';
    return { status: 200, body: { class: 'application', days: 90, at: NOW, file, endsAt: NOW } };
  }
  const none = { days: null, archiveAfterDays: null, minimumDays: null };
  const given = (body ?? {}) as Record<string, object>;
  return {
    status: 200,
    body: {
      ...(path.includes('/vaults/') ? { vault } : {}),
      memories: { ...none, ...given['memories'] },
      conversations: { ...none, ...given['conversations'] },
      kinds: given['kinds'] ?? [],
      archive: { waitHours: 12, copyHours: 72, ...given['archive'] },
      capDays: null,
      logs: { ledgerYears: 7, securityMonths: 12, applicationDays: null },
      version: body === null ? 0 : 1,
    },
  };
}

function holds({ method, body }: Request, [id, part]: string[]): Answer {
  const hold = {
    id: 'hld_00000000000000000000000001',
    name: 'case 7',
    kind: 'subject',
    target: { subject: 'ann' },
    state: 'active',
    placedBy: 'key_00000000000000000000000001',
    createdAt: NOW,
  };
  if (method === 'DELETE') return { status: 204 };
  if (method === 'POST') return { status: 201, body: { ...hold, name: body?.['name'] } };
  const times = { createdAt: NOW, updatedAt: NOW };
  const memory = {
    id: MEMORY_ID,
    text: 'evidence',
    subject: 'ann',
    visibility: 'vault',
    version: 1,
    ...times,
  };
  if (part === 'memories') return { status: 200, body: { memories: [memory], next: null } };
  return { status: 200, body: id === undefined ? { holds: [hold], next: null } : hold };
}

export const EXPORT: Export = {
  id: 'exp_00000000000000000000000001',
  vault: 'vlt_00000000000000000000000001',
  state: 'ready',
  memories: 1,
  sizeBytes: 1096,
  madeBy: 'key_00000000000000000000000001',
  createdAt: NOW,
  expiresAt: NOW,
};

function exports(method: string, [id, part]: string[]): Answer {
  if (method === 'DELETE') return { status: 204 };
  // As lines: what only this command asks for.
  if (method === 'POST') return events({ type: 'progress', memories: 1 }, { type: 'export', export: EXPORT });
  const memory = { id: MEMORY_ID, text: 'kept', visibility: 'vault', version: 1 };
  const line = JSON.stringify({ ...memory, createdAt: NOW, updatedAt: NOW });
  if (part === 'memories') return { status: 200, body: [`${line}\n`] };
  return { status: 200, body: id === undefined ? { exports: [EXPORT], next: null } : EXPORT };
}

function archive({ method, body }: Request, [id, part]: string[]): Answer {
  const request = {
    id: 'arq_00000000000000000000000001',
    vault: 'vlt_00000000000000000000000001',
    memories: [MEMORY_ID],
    reason: 'an audit',
    state: 'requested',
    requestedBy: 'key_00000000000000000000000001',
    requestedAt: NOW,
  };
  const approved = { ...request, state: 'approved', readyAt: NOW, expiresAt: NOW };
  if (method === 'DELETE') return { status: 204 };
  if (part === 'approve') return { status: 200, body: approved };
  if (method === 'POST') return { status: 201, body: { ...request, reason: body?.['reason'] } };
  const memory = {
    id: MEMORY_ID,
    text: 'long ago',
    visibility: 'vault',
    version: 1,
    createdAt: NOW,
    updatedAt: NOW,
  };
  if (part === 'memories') return { status: 200, body: { memories: [memory], next: null } };
  return { status: 200, body: id === undefined ? { requests: [request], next: null } : request };
}

const problem = (status: number, code: string, title: string, errors: unknown[] = []): Answer => ({
  status,
  body: { type: 'about:blank', title, status, code, errors },
});

function toFetchAnswer({ status, body }: Answer): FetchAnswer {
  const chunks = Array.isArray(body) ? (body as string[]) : [body === undefined ? '' : JSON.stringify(body)];
  const isProblem = typeof body === 'object' && body !== null && 'code' in body;
  const type = isProblem ? 'application/problem+json' : 'application/json';
  return {
    status,
    headers: { get: (name) => ({ 'content-type': type, 'x-request-id': REQUEST_ID })[name] ?? null },
    body: bytesOf(chunks),
    text: () => Promise.resolve(chunks.join('')),
  };
}

async function* bytesOf(chunks: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield await Promise.resolve(new TextEncoder().encode(chunk));
}
