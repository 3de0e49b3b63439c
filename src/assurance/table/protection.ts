/** Encryption, access, keys and tenants. */
import { claimed, type Claim } from '../claim.ts';

export const PROTECTION_CLAIMS: readonly Claim[] = [
  claimed({
    id: 'CRY-01',
    sentence: 'Every stored byte of memory text, metadata, vectors and index is AES-256 ciphertext.',
    examines:
      'Write canary text + known vector, flush, raw-scan data files, WAL, index, blobs, temp, cache for token and float pattern',
    method: 'T',
    supports: ['CC6.1 C1.1', 'A.8.24', '32(1)(a)', '312(a)(2)(iv)', '100(e) 150'],
    state: {
      kind: 'complete',
      notProven:
        'That bytes written before this check, or by other programs, are sealed; the memory of the process and its swap are not looked at. On PostgreSQL its own files are out of reach, and the claim is then partial.',
      hoursFresh: 26,
      mend: 'Stop the server and keep a copy of the data directory: what was written in the clear has to be found and replaced (docs/format.md says what belongs into each file).',
    },
  }),
  claimed({
    id: 'CRY-02',
    sentence: 'Backups, archives and exports are AES-256 encrypted.',
    examines: 'Newest of each: envelope header, no canary bytes, open without key fails, bit-flip rejected',
    method: 'T',
    supports: ['CC6.1 CC6.7', 'A.8.13 A.8.24', '32(1)(a)', '312(a)(2)(iv)', '100(e)'],
    state: {
      kind: 'complete',
      notProven:
        'That copies of backups and archives elsewhere are whole and kept safe: whoever has the keystore too opens them. What callers keep of plain answers, those of memories/export among them, is theirs to encrypt: strongroom export --sealed does.',
      hoursFresh: 26,
      mend: 'Stop the server and keep the file: what is not sealed has to be written anew; strongroom backup --kind full makes a new backup.',
    },
  }),
  claimed({
    id: 'CRY-03',
    sentence:
      'All links use TLS {version} or later (1.2 only in the named profile), with certificates that last {days} days or more.',
    examines:
      'Handshake at 1.0–1.3 on each listener and backend link; plain HTTP refused; HSTS; certificate >14 d',
    method: 'T',
    supports: ['CC6.7', 'A.8.20 A.8.24', '32(1)(a)', '312(e)(1) 312(e)(2)(ii)', '100(e)'],
    state: {
      kind: 'complete',
      notProven:
        'That whoever ends TLS in front of this server does as well; on PostgreSQL its link is not examined, and the claim is then partial.',
      hoursFresh: 26,
      mend: 'Set tls to on and tlsMinimum to 1.3, and restart; strongroom doctor names a certificate that ends soon.',
    },
    parameters: {
      version: { value: 1.3, floor: 1.2, better: 'more' },
      days: { value: 14, floor: 7, better: 'more' },
    },
  }),
  claimed({
    id: 'CRY-04',
    sentence:
      'Keys rotate on schedule without losing data: root and pages daily, those that sign the ledger and certificates within {ledgerDays} days, other keys of the service within {serviceDays}.',
    examines:
      'Age of active key per level; rotate canary tenant: writes use new, old decrypts, re-wrap completes; KMS flag',
    method: 'T',
    supports: ['CC6.1', 'A.8.24', '32(1)(a)', '312(a)(2)(iv)', '100(e)'],
    state: {
      kind: 'complete',
      notProven:
        'That a key was never copied while it was used. A record’s own key is never replaced, because it seals one version once; keys lie in files, and no key management service is asked.',
      hoursFresh: 26,
      mend: 'strongroom rotation run; strongroom rotation list shows which key is late, and doctor why a keystore replica is away.',
    },
    parameters: {
      ledgerDays: { value: 365, floor: 730, better: 'less' },
      serviceDays: { value: 90, floor: 365, better: 'less' },
    },
  }),
  claimed({
    id: 'CRY-05',
    sentence: 'In client-encrypted vaults the server cannot read content.',
    examines:
      'E2E canary: request body, store and logs hold ciphertext only; server keyring cannot open; leak list published',
    method: 'T*',
    supports: ['CC6.1 C1.1', 'A.8.24', '25 32', '312(a)(2)(iv)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'There are no client-encrypted vaults.' },
  }),
  claimed({
    id: 'CRY-06',
    sentence: 'Third-party credentials are sealed and never shown again.',
    examines:
      'Row-swap with wrong context fails to decrypt; canary secret absent from all API responses, logs, traces',
    method: 'T',
    supports: ['CC6.1', 'A.5.17 A.8.24', '32', '308(a)(5)(ii)(D)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'Third-party credentials are not kept.' },
  }),
  claimed({
    id: 'ACC-01',
    sentence: 'Nobody can do more than their role or grant says.',
    examines:
      'Call every route × role × scope × resource level; diff against declared matrix; invites single-use and expiring',
    method: 'T',
    supports: ['CC6.1 CC6.3', 'A.5.15 A.5.18 A.8.3', '25(2) 32', '308(a)(4) 312(a)(1)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'There are API keys and no people, roles or invitations.' },
  }),
  claimed({
    id: 'ACC-02',
    sentence: 'The database itself enforces tenant rows.',
    examines:
      'As app role without tenant context: 0 rows on every tenant table; role not owner, not superuser; forced row security',
    method: 'T',
    supports: ['CC6.1', 'A.8.3', '25 32', '312(a)(1)', '100(e)'],
    state: {
      kind: 'not_claimed',
      reason: 'PostgreSQL enforces tenant rows, but no check asks a running database; SQLite has no roles.',
    },
  }),
  claimed({
    id: 'ACC-03',
    sentence: 'Administration needs a second factor.',
    examines:
      'Admin login and step-up without factor refused; replayed code refused; admins lacking factor = 0',
    method: 'T',
    supports: ['CC6.1', 'A.8.2 A.8.5', '32', '312(d)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'There are no people who sign in, and so no second factor.' },
  }),
  claimed({
    id: 'ACC-04',
    sentence: 'Sessions expire, rotate and can be ended at once.',
    examines:
      'Clock-advanced idle and absolute timeout; cookie flags; revoke → 401 within bound on each node',
    method: 'T',
    supports: ['CC6.1', 'A.8.5', '32', '312(a)(2)(iii)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'There are no sessions.' },
  }),
  claimed({
    id: 'ACC-05',
    sentence: 'Every request is tied to one authenticated principal (password or SSO).',
    examines: 'Unauthenticated sweep of all routes; OIDC state/nonce/PKCE/alg checks; shared principals = 0',
    method: 'T',
    supports: ['CC6.1 CC6.2', 'A.5.16 A.8.5', '32', '312(a)(2)(i) 312(d)', '100(e)'],
    state: {
      kind: 'partial',
      missing:
        'people who sign in, by password or by single sign-on: there are none; keys that several people share',
      notProven: 'That whoever holds a key is who they should be.',
      hoursFresh: 26,
      mend: 'Stop the server: a door that opens without a key cannot be closed from outside.',
    },
  }),
  claimed({
    id: 'ACC-06',
    sentence: 'Passwords are slow-hashed and guessing is throttled.',
    examines: 'Stored parameters ≥ floor; lock-out curve; reset token single-use and short',
    method: 'T',
    supports: ['CC6.1', 'A.5.17', '32', '308(a)(5)(ii)(D)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'There are no passwords.' },
  }),
  claimed({
    id: 'ACC-07',
    sentence: 'Access is reviewed on schedule; unused access is removed.',
    examines: 'Last campaign ≤90 d, decisions recorded, grants unused >90 d = 0',
    method: 'E',
    supports: ['CC6.2 CC6.3', 'A.5.18', '32(1)(d)', '308(a)(3)(ii)(C)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'There are no access reviews.' },
  }),
  claimed({
    id: 'ACC-08',
    sentence: 'Operators have no standing access to content.',
    examines:
      'No role reads content by default; each break-glass grant has reason, expiry, customer notice, full log',
    method: 'T',
    supports: ['CC6.1 CC6.3', 'A.8.2 A.5.15', '28(3)(b) 32(4)', '312(a)(2)(ii)', '140(ag)'],
    state: { kind: 'not_claimed', reason: 'There is no operator role and no break-glass grant to examine.' },
  }),
  claimed({
    id: 'KEY-01',
    sentence: 'API keys exist only as keyed one-way hashes.',
    examines: 'Mint key; scan store and logs for plaintext and reversible form; second read impossible',
    method: 'T',
    supports: ['CC6.1', 'A.5.17', '32', '312(d)', '100(e)'],
    state: {
      kind: 'complete',
      notProven:
        'That whoever holds the keystore and the database cannot test guesses; a key has 256 random bits, so guessing is hopeless.',
      hoursFresh: 26,
      mend: 'strongroom key rotate ID for each key: what was found in the clear has to be taken for known.',
    },
  }),
  claimed({
    id: 'KEY-02',
    sentence: 'Keys rotate instantly, with grace and maximum age.',
    examines: 'Rotate canary: new works, old dies after grace; keys over max age = 0',
    method: 'T',
    supports: ['CC6.1', 'A.5.17', '32', '308(a)(4)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'A rotated key has no grace period and keys have no maximum age.' },
  }),
  claimed({
    id: 'KEY-03',
    sentence: 'A revoked key stops working within {milliseconds} ms, everywhere.',
    examines: 'Revoke, hit every node and cache; measured delay ≤ bound',
    method: 'T',
    supports: ['CC6.1 CC6.3', 'A.5.18', '32', '308(a)(3)(ii)(C)', '100(e)'],
    state: {
      kind: 'complete',
      notProven:
        'That a second server process would know at once: one process is asked, which forgets what a key proved with every commit that touches keys, and after a second.',
      hoursFresh: 26,
      mend: 'Stop the server: a key that outlives its revocation stays known until it ends. Then strongroom key list shows what is revoked.',
    },
    parameters: { milliseconds: { value: 100, floor: 1000, better: 'less' } },
  }),
  claimed({
    id: 'KEY-04',
    sentence: 'Keys are scoped to vault, action, environment, network, expiry.',
    examines: 'Scope-escape matrix; development key on production vault refused; broad keys listed',
    method: 'T',
    supports: ['CC6.3', 'A.8.3 A.8.31', '25(2)', '308(a)(4)', '100(e)'],
    state: {
      kind: 'partial',
      missing: 'a list of keys that may do everything, for somebody to go through',
      notProven: 'That a confinement was chosen wisely.',
      hoursFresh: 26,
      mend: 'strongroom key list shows the scopes of each key; strongroom key revoke ID ends one that reaches too far.',
    },
  }),
  claimed({
    id: 'KEY-05',
    sentence: 'Creating or revealing key power needs fresh authentication.',
    examines: 'Create with old session → step-up; bypass via CLI and API refused',
    method: 'T',
    supports: ['CC6.1', 'A.8.5', '32', '312(d)', '100(e)'],
    state: { kind: 'not_claimed', reason: 'Making a key asks for no fresh authentication.' },
  }),
  claimed({
    id: 'TEN-01',
    sentence: "One customer can never reach another's data.",
    examines:
      'Two canary tenants with near-identical vectors: get, search, list, export, cache, queue, MCP, error timing, id guessing',
    method: 'T',
    supports: ['CC6.1 C1.1', 'A.8.3 A.8.22', '32 25', '312(a)(1)', '100(e)'],
    state: {
      kind: 'partial',
      missing: 'timing of answers; queues, gateway and model context, which do not exist',
      notProven: 'That tenants cannot tell each other apart by how busy the server is: they share a process.',
      hoursFresh: 26,
      mend: 'Stop the server: one tenant reaching another cannot be closed from outside.',
    },
  }),
  claimed({
    id: 'TEN-02',
    sentence: 'Each vault is its own namespace with its own key and access list.',
    examines:
      'Distinct key ids; cross-vault filters refused; destroying A leaves B intact (AISVS 8.1.1, 8.1.3)',
    method: 'T',
    supports: ['CC6.1', 'A.8.3 A.8.24', '25', '312(a)(1)', '100(e)'],
    state: {
      kind: 'partial',
      missing: 'access lists of a vault beyond the scopes of keys; the erasure of a whole vault',
      notProven: 'That the index in memory is apart: vaults share a process.',
      hoursFresh: 26,
      mend: 'Stop the server: a vault that opens with the key of another is damage (strongroom doctor).',
    },
  }),
];
