/**
 * Every sealed box that a deployment has, opened one by one with keys derived here: what opens, what is erased, what is
 * damaged. It shares the sealing of one box with the server and nothing of how rows are found and put together.
 */
import { FileBlobs } from '../src/store/blobs.ts';
import { join } from 'node:path';
import { decodeUtf8, type Bytes } from '../src/bytes/encoding.ts';
import { openBox, type Place } from '../src/crypto/seal.ts';
import { realEnvironment } from '../src/environment.ts';
import { StrongroomError } from '../src/errors.ts';
import { RecordKeys, type Scope } from '../src/keys/record-key.ts';
import type { Slot } from '../src/keys/slot.ts';
import { TABLES } from '../src/store/migrations.ts';
import type { Database, TableName } from '../src/store/schema.ts';
import { SYSTEM } from '../src/store/store.ts';
import type { Strongroom } from '../src/strongroom.ts';

/** A box, its place, and the slots its key comes from. */
export interface PlacedBox {
  readonly place: Place;
  /** By which a person finds it: the id of the row. */
  readonly name: string;
  readonly own: Slot;
  readonly scope: Scope;
  /** Of the record key; the same as the place's but for ledger entries. */
  readonly id: string;
  readonly box: Uint8Array;
}

export interface OpenedBox extends PlacedBox {
  /** Null where it did not open. */
  readonly content: Bytes | null;
  readonly outcome: 'open' | 'erased' | 'damaged';
}

export type Rows = { readonly [Name in TableName]: readonly Database[Name][] };

/** Every row of every table. */
export async function readRows(open: Pick<Strongroom, 'store'>): Promise<Rows> {
  const names = Object.keys(TABLES) as TableName[];
  const rows = await Promise.all(
    names.map((name) =>
      open.store.read(SYSTEM, async (db) => [name, await db.selectFrom(name).selectAll().execute()] as const),
    ),
  );
  return Object.fromEntries(rows) as unknown as Rows;
}

export async function openEveryBox(
  open: Pick<Strongroom, 'store' | 'keyring'>,
  directory: string,
): Promise<OpenedBox[]> {
  const rows = await readRows(open);
  const keys = new RecordKeys(open.keyring);
  const boxes = [...rowBoxes(rows), ...(await segmentBoxes(rows, directory))];
  return boxes.map((placed) => ({ ...placed, ...openOne(keys, placed) }));
}

export function openOne(
  keys: RecordKeys,
  { id, own, scope, place, box }: PlacedBox,
): Pick<OpenedBox, 'content' | 'outcome'> {
  try {
    const key = keys.key({ id, version: place.version, own, scope });
    return { content: openBox(key, place, new Uint8Array(box)), outcome: 'open' };
  } catch (error) {
    if (!(error instanceof StrongroomError)) throw error;
    if (error.code === 'erased') return { content: null, outcome: 'erased' };
    if (error.code === 'box.damaged') return { content: null, outcome: 'damaged' };
    throw error;
  }
}

/** Every box that lies in a row. */
export function rowBoxes(rows: Rows): PlacedBox[] {
  const organizations = new Map(rows.organizations.map(({ id, slot }) => [id, slot as Slot]));
  const vaults = new Map(rows.vaults.map(({ id, slot }) => [id, slot as Slot]));
  const periods = new Map(rows.service_slots.map(({ name, slot }) => [name, slot as Slot]));
  const principals = new Map(rows.api_keys.map(({ id, principal_slot }) => [id, principal_slot as Slot]));
  const inOrganization = (id: string): Scope => [['organization', found(organizations, id)]];
  const inVault = (organization: string, vault: string): Scope => [
    ...inOrganization(organization),
    ['vault', found(vaults, vault)],
  ];
  const boxes: PlacedBox[] = [];
  const add = (
    table: TableName,
    column: string,
    row: { id: string; organization: string },
    of: Partial<Place> & { own: number; scope: Scope; box: Uint8Array; name?: string },
  ): void => {
    const { own, scope, box, name = row.id, ...place } = of;
    const whole = {
      purpose: 'record',
      table,
      column,
      organization: row.organization,
      vault: '',
      id: row.id,
      version: 1,
      ...place,
    };
    boxes.push({ place: whole, name, id: row.id, own: own as Slot, scope, box });
  };
  for (const row of rows.organizations)
    add('organizations', 'name_box', row, {
      own: row.slot,
      scope: [],
      version: row.version,
      box: row.name_box,
    });
  for (const row of rows.retention_policies)
    if (row.kinds_box !== null)
      add('retention_policies', 'kinds_box', row, {
        own: row.slot,
        scope: row.vault === null ? inOrganization(row.organization) : inVault(row.organization, row.vault),
        version: row.version,
        box: row.kinds_box,
      });
  for (const row of rows.holds)
    if (row.about_box !== null && row.slot !== null)
      add('holds', 'about_box', row, {
        own: row.slot,
        scope: inOrganization(row.organization),
        box: row.about_box,
      });
  for (const row of rows.archive_requests)
    add('archive_requests', 'about_box', row, {
      own: row.slot,
      scope: inOrganization(row.organization),
      box: row.about_box,
    });
  for (const row of rows.archived_versions)
    if (row.kind_box !== null)
      add(
        'archived_versions',
        'kind_box',
        { ...row, id: row.memory },
        {
          own: row.slot,
          scope: JSON.parse(row.scope) as Scope,
          version: row.version,
          vault: row.vault,
          box: row.kind_box,
        },
      );
  for (const row of rows.projects)
    add('projects', 'name_box', row, {
      own: row.slot,
      scope: inOrganization(row.organization),
      version: row.version,
      box: row.name_box,
    });
  for (const row of rows.vaults)
    add('vaults', 'name_box', row, {
      own: row.slot,
      scope: inOrganization(row.organization),
      vault: row.id,
      version: row.version,
      box: row.name_box,
    });
  for (const row of rows.subjects)
    add('subjects', 'name_box', row, {
      own: row.slot,
      scope: inOrganization(row.organization),
      box: row.name_box,
    });
  for (const row of rows.conversations)
    add('conversations', 'name_box', row, {
      own: row.slot,
      scope: inVault(row.organization, row.vault),
      vault: row.vault,
      box: row.name_box,
    });
  for (const row of rows.api_keys)
    add('api_keys', 'settings_box', row, {
      own: row.principal_slot,
      scope: inOrganization(row.organization),
      box: row.settings_box,
    });
  for (const row of rows.api_keys)
    add('api_keys', 'hash_box', row, {
      own: row.slot,
      scope: [...inOrganization(row.organization), ['service', row.pepper_slot as Slot]],
      box: row.hash_box,
    });
  for (const row of rows.memory_versions) {
    const of = {
      own: row.slot,
      scope: JSON.parse(row.scope) as Scope,
      vault: row.vault,
      version: row.version,
    };
    const whole = { ...row, id: row.memory };
    add('memory_versions', 'body_box', whole, { ...of, box: row.body_box });
    if (row.vector_box !== null) add('memory_versions', 'vector_box', whole, { ...of, box: row.vector_box });
  }
  for (const row of rows.idempotency) {
    const scope: Scope = [
      ...inOrganization(row.organization),
      ['principal', found(principals, row.principal)],
    ];
    if (row.response_box !== null)
      add('idempotency', 'response_box', row, {
        purpose: 'idempotency',
        own: found(periods, row.period),
        scope,
        box: row.response_box,
      });
  }
  for (const row of rows.ledger_entries) {
    const leaf = JSON.parse(decodeUtf8(row.leaf.subarray(32))) as {
      request: string;
      box?: { own: Slot; scope: Scope; of?: string };
    };
    if (row.box === null || leaf.box === undefined) continue;
    const id = { id: leaf.box.of ?? leaf.request, organization: row.organization };
    add('ledger_entries', 'box', id, {
      own: leaf.box.own,
      scope: leaf.box.scope,
      box: row.box,
      name: `${row.log}/${row.n}`,
    });
  }
  return boxes;
}

/** The boxes of segments whose bytes are there. */
async function segmentBoxes(rows: Rows, directory: string): Promise<PlacedBox[]> {
  const organizations = new Map(rows.organizations.map(({ id, slot }) => [id, slot as Slot]));
  const vaults = new Map(rows.vaults.map(({ id, slot }) => [id, slot as Slot]));
  const blobs = await FileBlobs.open(join(directory, 'blobs'), {
    environment: realEnvironment,
    onFatal: () => undefined,
  });
  const boxes: PlacedBox[] = [];
  for (const { id, organization, vault, slot, blob } of rows.segments) {
    if ((await blobs.stat(blob)) === null) continue;
    boxes.push({
      place: { purpose: 'record', table: 'segments', column: 'blob', organization, vault, id, version: 1 },
      name: id,
      id,
      own: slot as Slot,
      scope: [
        ['organization', found(organizations, organization)],
        ['vault', found(vaults, vault)],
      ],
      box: await blobs.get(blob),
    });
  }
  return boxes;
}

function found(slots: ReadonlyMap<string, Slot>, id: string): Slot {
  const slot = slots.get(id);
  if (slot === undefined) throw new Error(`nothing has the id ${id}`);
  return slot;
}
