import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { decodeUtf8, encodeBase64, encodeUtf8 } from '../bytes/encoding.ts';
import { sha256 } from '../crypto/hash.ts';
import { createIdSource, type OrganizationId } from '../ids.ts';
import { slotOf } from '../keys/slot.ts';
import { ACTIONS, CATALOGUE_VERSION, isAction, isReadAction, nounOf, type Action } from './actions.ts';
import {
  draftBodies,
  encodeLeaf,
  encodeStoredLeaf,
  entryTargets,
  parseLeaf,
  readStoredLeaf,
  type EntryDraft,
} from './entry.ts';
import { leafHash } from './merkle.ts';

const newId = createIdSource({ now: () => 1_763_690_000_000 }, (length) => new Uint8Array(length).fill(1));
const LOG: OrganizationId = newId('organization');
const AT = 1_763_690_000_000;
const DRAFT: EntryDraft = {
  principal: newId('key'),
  action: 'memory.add',
  target: newId('vault'),
  targets: [newId('memory'), newId('subject')],
  outcome: 'done',
  count: 1,
  request: newId('request'),
  facts: { epoch: 7, method: 'POST', template: '/v1/vaults/:vault' },
  scope: [],
};
const BOX = {
  hash: encodeBase64(sha256(encodeUtf8('box'))),
  own: slotOf(0, 1),
  scope: [['principal', slotOf(1, 2)]],
} as const;

const leafOf = (draft: EntryDraft, n = 3): Uint8Array => encodeLeaf(draftBodies(draft, AT, BOX)[0]!, LOG, n);

test('an entry says who, what, on what, when and with what outcome, and comes back as it was', () => {
  const entry = parseLeaf(leafOf(DRAFT));
  const { principal, action, target, targets, outcome, count, request, facts } = DRAFT;
  assert.deepEqual(
    { ...entry },
    {
      v: 1,
      catalogue: CATALOGUE_VERSION,
      log: LOG,
      n: 3,
      at: AT,
      principal,
      action,
      target,
      targets,
      outcome,
      count,
      request,
      facts,
      box: BOX,
    },
  );
  assert.deepEqual(entryTargets(entry), [target, ...targets!]);
});

test('a leaf is canonical JSON in exactly one form', () => {
  const text = decodeUtf8(leafOf({ ...DRAFT, targets: [], facts: {} }));
  assert.equal(
    text,
    `{"action":"memory.add","at":${AT},"box":{"hash":"${BOX.hash}","own":1,"scope":[["principal",4098]]},` +
      `"catalogue":${CATALOGUE_VERSION},"count":1,"facts":{},"log":"${LOG}","n":3,"outcome":"done","principal":"${DRAFT.principal}",` +
      `"request":"${DRAFT.request}","target":"${DRAFT.target}","v":1}`,
  );
  const others = [
    text.replace('{', '{ '),
    ` ${text}`,
    `${text}\n`,
    text.replace('"count":1,', '"count":1.0,'),
    text.replace('"count":1,', '"count":1,"count":1,'),
    text.replace('"n":3', '"n":3e0'),
    text.replace('{"action":"memory.add",', '{').replace(/}$/, ',"action":"memory.add"}'),
    text.replace('memory.add', 'memory\\u002eadd'),
    text.replace('{"action"', '{"__proto__":{},"action"'),
  ];
  for (const other of others) assert.throws(() => parseLeaf(encodeUtf8(other)), RangeError, other);
});

test('what a customer may have typed cannot get into a leaf', () => {
  const typed = [
    'Ann',
    'what she said',
    'default',
    'mem_',
    'MEM_01kqzvqw00ez9sxvd77z4vg4gv',
    'x'.repeat(30),
    'a@b.example',
  ];
  for (const text of typed) {
    for (const name of ['principal', 'target', 'request'] as const) {
      assert.throws(() => draftBodies({ ...DRAFT, [name]: text }, AT, null), RangeError, `${name}: ${text}`);
    }
    assert.throws(() => draftBodies({ ...DRAFT, targets: [text] }, AT, null), RangeError);
    assert.throws(() => draftBodies({ ...DRAFT, action: text as Action }, AT, null), RangeError);
    assert.throws(() => draftBodies({ ...DRAFT, outcome: text as 'done' }, AT, null), RangeError);
    assert.throws(
      () => draftBodies({ ...DRAFT, outcome: 'failed', code: text as 'internal' }, AT, null),
      RangeError,
    );
  }
  const facts: readonly EntryDraft['facts'][] = [
    { note: 'two words' },
    { note: 'x'.repeat(201) },
    { 'two words': 1 },
    { Note: 1 },
    { note: 0.5 },
    { note: Number.NaN },
    Object.fromEntries(Array.from({ length: 17 }, (_, at) => [`n${at}`, at])),
  ];
  for (const given of facts)
    assert.throws(() => draftBodies({ ...DRAFT, facts: given! }, AT, null), RangeError);
});

test('a refusal and a failure carry a code, and what was done carries none', () => {
  assert.throws(() => draftBodies({ ...DRAFT, outcome: 'refused' }, AT, null), RangeError);
  assert.throws(() => draftBodies({ ...DRAFT, code: 'not_found' }, AT, null), RangeError);
  const [body] = draftBodies({ ...DRAFT, outcome: 'refused', code: 'access.refused' }, AT, null);
  assert.equal(body?.code, 'access.refused');
});

test('more targets than a leaf holds become entries that say which part they are, and none is lost', () => {
  const targets = Array.from({ length: 3100 }, () => newId('memory'));
  const bodies = draftBodies({ ...DRAFT, targets }, AT, BOX);
  assert.deepEqual(
    bodies.map(({ part }) => part),
    [
      [1, 3],
      [2, 3],
      [3, 3],
    ],
  );
  assert.deepEqual(
    bodies.flatMap((body) => body.targets),
    targets,
  );
  assert.deepEqual(
    bodies.map(({ box }) => box !== undefined),
    [true, false, false],
  );
  for (const body of bodies) assert.ok(encodeLeaf(body, LOG, 2 ** 52).length <= 65_535);
  assert.equal(draftBodies({ ...DRAFT, targets: targets.slice(0, 1500) }, AT, null)[0]?.part, undefined);
});

test('a leaf with any byte changed, cut off or added is not taken for an entry of the same hash', () => {
  const leaf = new Uint8Array(leafOf(DRAFT));
  const stored = encodeStoredLeaf(leaf, leafHash(leaf));
  assert.equal(readStoredLeaf(stored)?.n, 3);
  for (let at = 0; at < stored.length; at++) {
    const changed = stored.slice();
    changed[at]! ^= 1;
    assert.throws(() => readStoredLeaf(changed), RangeError, `${at}`);
  }
  for (const length of [0, 31, 33, stored.length - 1]) {
    assert.throws(() => readStoredLeaf(stored.subarray(0, length)), RangeError);
  }
  assert.equal(readStoredLeaf(stored.subarray(0, 32)), null, 'a pruned entry');
});

test('a leaf whose members are not as they must be is refused, and the member is named', () => {
  const good = JSON.parse(decodeUtf8(leafOf(DRAFT))) as Record<string, unknown>;
  const faulty: readonly (readonly [string, unknown])[] = [
    ['v', 2],
    ['catalogue', 0],
    ['log', 'elsewhere'],
    ['n', -1],
    ['n', '3'],
    ['at', 0.5],
    ['principal', 'Ann'],
    ['action', 'memory.burn'],
    ['target', 'x'],
    ['targets', []],
    ['targets', 'mem'],
    ['part', [2, 1]],
    ['part', [1]],
    ['outcome', 'maybe'],
    ['code', 'internal'],
    ['count', -1],
    ['request', 'x'],
    ['facts', []],
    ['facts', { a: [] }],
    ['box', {}],
    ['box', { ...BOX, hash: 'AAAA' }],
    // Stray bits: a second text for the same bytes.
    ['box', { ...BOX, hash: `${BOX.hash.slice(0, -2)}B=` }],
    ['box', { ...BOX, scope: [['principal']] }],
    ['box', { ...BOX, scope: [['two words', 1]] }],
    ['box', { ...BOX, more: 1 }],
    ['box', { ...BOX, of: 'req' }],
    ['box', { ...BOX, of: null }],
  ];
  const write = (value: unknown): Uint8Array => encodeUtf8(JSON.stringify(value));
  assert.equal(parseLeaf(write(good)).n, 3);
  for (const [name, value] of faulty) {
    assert.throws(
      () => parseLeaf(write(sorted({ ...good, [name]: value }))),
      new RegExp(`\`${name}\``),
      name,
    );
  }
  assert.throws(() => parseLeaf(write(sorted({ ...good, more: 1 }))), /unknown member "more"/);
});

test('any JSON at all is an entry or a RangeError', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 2 }), (text) => {
      assert.throws(() => parseLeaf(encodeUtf8(text)), RangeError);
    }),
    { numRuns: 50 },
  );
});

test('the catalogue is pinned: names are added, never changed or removed', () => {
  assert.equal(CATALOGUE_VERSION, 3);
  assert.equal(
    Object.keys(ACTIONS).join(' '),
    'memory.add memory.get memory.list memory.search memory.update memory.delete memory.restore ' +
      'memory.history memory.approve memory.reject memory.export vault.create vault.get vault.list ' +
      'vault.update vault.delete vault.restore key.create key.list key.rotate key.revoke ledger.read ' +
      'ledger.checkpoint ledger.proof ledger.export ledger.keys verification.run rotation.run rotation.list ' +
      'session.start session.end organization.create project.create erasure.request erasure.get ' +
      'erasure.list erasure.cancel erasure.certificate backup.create backup.restore retention.get ' +
      'retention.update retention.simulate retention.explain hold.place hold.list hold.get hold.read ' +
      'hold.release archive.request archive.list archive.get archive.approve archive.refuse archive.read ' +
      'export.create export.list export.get export.read export.delete ' +
      'backup.list backup.drill vault.rewind rewind.list server.start server.stop epoch.complete ' +
      'erasure.complete log.checkpoint ledger.recover ledger.rekey rotation.begin rotation.end ' +
      'memory.expire memory.purge memory.archive archive.copy archive.expire export.end hold.restore ledger.prune ' +
      'vault.purge refusals.counted backup.expire keystore.recover egress.send egress.answer',
  );
  for (const action of Object.keys(ACTIONS) as Action[]) {
    assert.match(action, /^[a-z]+\.[a-z]+$/);
    assert.ok(isAction(action) && action.startsWith(`${nounOf(action)}.`));
  }
  assert.ok(isReadAction('memory.search') && !isReadAction('memory.add'));
  assert.ok(!isAction('toString') && !isAction('memory') && !isAction(undefined));
});

test('an action of a later catalogue is read, one that this catalogue should know is not', () => {
  const good = JSON.parse(decodeUtf8(leafOf(DRAFT))) as Record<string, unknown>;
  const later = { ...good, action: 'memory.dream', catalogue: CATALOGUE_VERSION + 1 };
  assert.equal(parseLeaf(encodeUtf8(JSON.stringify(later))).action, 'memory.dream');
  const forged = { ...good, action: 'memory.dream' };
  assert.throws(() => parseLeaf(encodeUtf8(JSON.stringify(forged))), RangeError);
});

const sorted = (value: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).toSorted(([one], [other]) => (one < other ? -1 : 1)));
