/**
 * The one checker that every crash ends in: what must be true of a deployment whenever it has been opened, whatever
 * happened before. Each rule is a sentence; what breaks it is listed with the id of the row.
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Bytes } from '../src/bytes/encoding.ts';
import { decodeSlots, indexOf, LEAF_SLOTS, leafOf, type Slot } from '../src/keys/slot.ts';
import { verifyStore } from '../src/ledger/verify-store.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { hasSlot, type SlotRanges } from '../src/vaults/slot-ranges.ts';
import { openEveryBox, readRows, type OpenedBox, type Rows } from './boxes.ts';

interface Opened {
  readonly open: Pick<Strongroom, 'store' | 'keyring' | 'ledger' | 'erasures'>;
  readonly directory: string;
  readonly rows: Rows;
  readonly boxes: readonly OpenedBox[];
}

type Rule = (opened: Opened) => string[] | Promise<string[]>;

/** Everything that is wrong; empty if nothing is. */
export async function checkInvariants(open: Opened['open'], directory: string): Promise<string[]> {
  // What an erasure left to remove goes in the background.
  await open.erasures.settled();
  const rows = await readRows(open);
  const boxes = await openEveryBox(open, directory);
  const faults = await Promise.all(
    Object.entries(RULES).map(async ([rule, check]) =>
      (await check({ open, directory, rows, boxes })).map((fault) => `${rule}: ${fault}`),
    ),
  );
  return faults.flat();
}

const RULES: Readonly<Record<string, Rule>> = {
  'the ledger verifies': async ({ open }) => {
    const report = await verifyStore(open.store, (log) => open.ledger.verifierKeys(log));
    return report.faults.map(({ log, n, kind, detail }) => `${log} ${n}: ${kind}, ${detail}`);
  },

  'one entry for each request': ({ rows }) => {
    const seen = new Set<string>();
    return rows.ledger_entries.flatMap(({ log, n, leaf }) => {
      const { request, part = [1] } = JSON.parse(Buffer.from(leaf.subarray(32)).toString()) as {
        request: string;
        part?: number[];
      };
      const name = `${request} part ${part[0]}`;
      if (request !== '' && seen.has(name)) return [`${log}/${n}: a second one for ${name}`];
      seen.add(name);
      return [];
    });
  },

  'the epoch that is served is the newest row, and complete': ({ open, rows }) => {
    const newest = rows.epochs.reduce((left, right) => (left.epoch > right.epoch ? left : right));
    const head = rows.keyring_head[0]?.epoch;
    return newest.epoch === open.keyring.epoch && newest.state === 'complete' && head === newest.epoch
      ? []
      : [`serves ${open.keyring.epoch}, head ${head}, row ${newest.epoch} ${newest.state}`];
  },

  'leaves.next lies above every slot in use, and a leaf has one owner': ({ rows }) => {
    const leaves = new Map(rows.leaves.map((row) => [row.leaf, row]));
    return slotsInUse(rows).flatMap(({ slot, what, owner }) => {
      const leaf = leaves.get(leafOf(slot));
      if (leaf === undefined) return [`${what}: slot ${slot} lies in a leaf that nobody has`];
      if (indexOf(slot) >= leaf.next) return [`${what}: slot ${slot} lies above next ${leaf.next}`];
      return leaf.owner === owner ? [] : [`${what}: slot ${slot} lies in a leaf of ${leaf.owner}`];
    });
  },

  'no slot is used twice': ({ rows }) => {
    const seen = new Map<Slot, string>();
    return slotsInUse(rows).flatMap(({ slot, what }) => {
      const other = seen.get(slot);
      seen.set(slot, what);
      return other === undefined || other === what ? [] : [`slot ${slot} is that of ${other} and of ${what}`];
    });
  },

  'what lives is not dead': ({ open, rows }) =>
    slotsInUse(rows).flatMap(({ slot, what, state }) =>
      state === 'living' && open.keyring.isErased(slot) ? [`${what}: slot ${slot}`] : [],
    ),

  'what was erased or revoked is dead': ({ open, rows }) =>
    slotsInUse(rows).flatMap(({ slot, what, state }) =>
      state === 'dead' && !open.keyring.isErased(slot) ? [`${what}: slot ${slot}`] : [],
    ),

  'every request for death is done': ({ open, rows }) =>
    rows.key_requests.flatMap(({ id, state, slots }) => {
      const alive = decodeSlots(slots).filter((slot) => !open.keyring.isErased(slot));
      return state === 'destroyed' && alive.length === 0
        ? []
        : [`${id} is ${state}, alive ${alive.join(', ')}`];
    }),

  'every box opens, but those of revoked keys, and words in the ledger of who is erased': ({
    rows,
    boxes,
  }) => {
    const isErased = rows.erasures.some(({ kind }) => kind === 'subject' || kind === 'organization');
    const revoked = new Set(rows.api_keys.filter(({ state }) => state === 'revoked').map(({ id }) => id));
    const isGone = ({ place, name }: OpenedBox): boolean =>
      place.column === 'hash_box' ? revoked.has(name) : isErased && place.table === 'ledger_entries';
    return boxes.flatMap((box) => {
      const { place, name, outcome } = box;
      return outcome === 'open' || (outcome === 'erased' && isGone(box))
        ? []
        : [`${place.table}.${place.column} of ${name} is ${outcome}`];
    });
  },

  'every erasure has come to its end': ({ rows }) =>
    rows.erasures.flatMap(({ id, state }) =>
      state === 'purged' || state === 'requested' || state === 'cancelled' ? [] : [`${id} is ${state}`],
    ),

  'every memory has its current version, and every version and name its memory': ({ rows }) => {
    const kept = [...rows.memory_versions, ...rows.archived_versions];
    const versions = new Set(kept.map(({ memory, version }) => `${memory} ${version}`));
    const memories = new Set(rows.memories.map(({ id }) => id));
    const names = new Set([...rows.subjects, ...rows.conversations].map(({ id }) => id));
    const missing = rows.memories.flatMap(({ id, version, subject, conversation }) => [
      ...(versions.has(`${id} ${version}`) ? [] : [`${id} has no version ${version}`]),
      ...[subject, conversation].flatMap((name) =>
        name === null || names.has(name) ? [] : [`${id} names ${name}`],
      ),
    ]);
    const orphans = [...kept, ...rows.superseded_slots].filter(({ memory }) => !memories.has(memory));
    return [...missing, ...orphans.map(({ memory }) => `a version of ${memory}, which is not there`)];
  },

  'every segment is whole, alive, and covers what is in it': ({ open, rows, boxes }) => {
    const contents = new Map(boxes.map(({ name, content }) => [name, content]));
    return rows.segments.flatMap(({ id, leaf, slot, state, cover }) => {
      const content = contents.get(id);
      if (state !== 'live' || !content || open.keyring.isErased(slot as Slot))
        return [`${id} is ${state} and does not open`];
      const ranges = JSON.parse(cover) as SlotRanges;
      const dead = slotsOf(ranges).filter((one) => open.keyring.isErased(one));
      const outside = recordSlots(content, leaf).filter((one) => !hasSlot(ranges, one));
      return [
        ...dead.map((one) => `${id} lives and covers the dead slot ${one}`),
        ...outside.map((one) => `${id} holds slot ${one} uncovered`),
      ];
    });
  },

  'every blob has its row, and nothing half-written lies about': async ({ directory, rows }) => {
    const known = new Set(
      [...rows.segments, ...rows.archives, ...rows.archive_requests].map(({ blob }) => blob),
    );
    const entries = await readdir(join(directory, 'blobs'), { recursive: true, withFileTypes: true });
    const files = entries
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + '/blobs/'.length));
    const exports = new Set(rows.exports.flatMap(({ id, state }) => (state === 'ready' ? [id] : [])));
    return files.filter((file) => !known.has(file) && !exports.has(exportIn(file)));
  },

  'no export is half made, and what has ended is dead': ({ open, rows }) =>
    rows.exports.flatMap(({ id, state, slot }) =>
      state === 'making' || (state === 'ready') === open.keyring.isErased(slot as Slot)
        ? [`${id} is ${state}`]
        : [],
    ),

  'no rotation is half done': ({ rows }) => {
    const peppers = new Set(
      rows.service_slots.filter(({ name }) => name === 'pepper').map(({ slot }) => slot),
    );
    return [
      ...rows.rotations.flatMap(({ id, state }) =>
        state === 'kept' || state === 'ended' ? [] : [`${id} is ${state}`],
      ),
      ...rows.api_keys.flatMap(({ id, state, pepper_slot }) =>
        state === 'revoked' || peppers.has(pepper_slot) ? [] : [`${id} lies under an old pepper`],
      ),
    ];
  },

  'no row is newer than the head of the store': ({ rows }) => {
    const head = rows.store_head[0]?.change ?? -1;
    return Object.entries(rows).flatMap(([table, all]) =>
      all.flatMap(({ change }) => (change <= head ? [] : [`${table}: ${change} after ${head}`])),
    );
  },
};

/** The export that a piece is of. */
const exportIn = (file: string): string => /^exports\/(exp_\w{26})\.\d{6}$/.exec(file)?.[1] ?? '';

interface UsedSlot {
  readonly slot: Slot;
  readonly what: string;
  readonly owner: string;
  readonly state: 'living' | 'dead' | 'either';
}

function slotsInUse(rows: Rows): UsedSlot[] {
  const used: UsedSlot[] = [];
  const use = (slot: number, what: string, owner: string, state: UsedSlot['state']): void =>
    void used.push({ slot: slot as Slot, what, owner, state });
  const gone = new Set(rows.vaults.filter(({ state }) => state !== 'live').map(({ id }) => id));
  for (const { name, slot } of rows.service_slots) use(slot, name, 'deployment', 'living');
  for (const { id, state, old_slot, new_slot } of rows.rotations) {
    if (old_slot !== null && state !== 'begun')
      use(old_slot, `old key of ${id}`, 'deployment', state === 'ended' ? 'dead' : 'living');
    if (new_slot !== null && state === 'begun') use(new_slot, `new key of ${id}`, 'deployment', 'living');
  }
  for (const { id, slot } of rows.organizations) use(slot, id, id, 'living');
  for (const { id, slot, organization } of [...rows.projects, ...rows.subjects])
    use(slot, id, organization, 'living');
  for (const { id, slot, state, organization } of rows.vaults)
    use(slot, id, organization, state === 'live' ? 'living' : 'either');
  for (const { id, slot, organization, state } of rows.holds)
    if (slot !== null) use(slot, id, organization, state === 'active' ? 'living' : 'either');
  for (const { id, slot, vault } of rows.conversations)
    use(slot, id, vault, gone.has(vault) ? 'either' : 'living');
  for (const { id, slot, principal_slot, state, organization } of rows.api_keys) {
    use(slot, `credential of ${id}`, organization, state === 'active' ? 'living' : 'dead');
    use(principal_slot, id, organization, 'living');
  }
  for (const { memory, version, slot, vault } of rows.memory_versions)
    use(slot, `${memory} version ${version}`, vault, 'living');
  for (const { memory, version, slot, vault } of rows.superseded_slots)
    use(slot, `${memory} version ${version}`, vault, 'either');
  for (const { id, slot, vault, state } of rows.exports)
    use(slot, id, vault, state === 'ready' ? 'living' : 'dead');
  for (const { id, slot, vault } of rows.segments) use(slot, id, vault, 'living');
  for (const { id, slot, state } of rows.backups)
    use(slot, id, 'deployment', state === 'complete' ? 'living' : 'either');
  return used;
}

const slotsOf = (ranges: SlotRanges): Slot[] =>
  ranges.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, at) => (from + at) as Slot));

/** The slots of the records in a segment's bytes (src/search/segment.ts has the table of its fields). */
function recordSlots(content: Bytes, leaf: number): Slot[] {
  const buffer = Buffer.from(content);
  const records = buffer.readUInt32BE(16);
  // Behind two columns of eight bytes and five of four.
  const column = 48 + records * (2 * 8 + 5 * 4);
  return Array.from(
    { length: records },
    (_, at) => (leaf * LEAF_SLOTS + buffer.readUInt32LE(column + 4 * at)) as Slot,
  );
}
