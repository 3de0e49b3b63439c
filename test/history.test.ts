/** The erasure test: after a random history of everything that can happen to it, what was erased is nowhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encryptInPlace, roomBefore, type CobblestoneKey } from '../src/crypto/cobblestone.ts';
import type { Bytes } from '../src/bytes/encoding.ts';
import { realEnvironment } from '../src/environment.ts';
import type { BackupId } from '../src/ids.ts';
import { RecordKeys } from '../src/keys/record-key.ts';
import type { Slot } from '../src/keys/slot.ts';
import { encodeArchive } from '../src/lifecycle/archive-file.ts';
import { encodeExport } from '../src/lifecycle/export-file.ts';
import { backupKey, pieceContext, readEnvelope } from '../src/recovery/manifest.ts';
import { PieceWriter } from '../src/recovery/piece.ts';
import { blockOf, encodeRow } from '../src/store/row-bytes.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { ACTS, History } from './history.ts';
import { rowsOf } from './witness.ts';

test("after a random history, all bytes ever written and today's keystore give back nothing erased, and everything else", async (t) => {
  const history = await History.run(t, 4, 28);
  const { leaks, losses, opened, values } = history.judge();
  t.diagnostic(
    `${[...history.done].map(([name, count]) => `${name} ${count}`).join(', ')}; ` +
      `${history.witness.pages} pages, ${history.witness.records} boxes, ${history.witness.files} files of backups, archives and exports, ${opened} opened, ${values} values tried`,
  );
  assert.deepEqual(leaks, []);
  assert.deepEqual(losses, []);
  assert.deepEqual(await history.faults(), []);
  assert.deepEqual(await history.unread(), []);
  const dead = history.all.flatMap(({ versions }) => versions).filter(({ fate }) => fate === 'dead');
  assert.ok(dead.length > 1 && opened > 20 && values > 500);
});

const ACTED = ['put into the attic', 'a month goes by', 'add', 'add', 'make an export', 'back up', 'erase'];

test('what a backup, an archive or an export would give back under keys that live is found', async (t) => {
  const history = await History.run(t, 5, 0);
  const { deployment, witness } = history;
  await deployment.serve();
  for (const name of ACTED) assert.equal(await ACTS.find((act) => act.name === name)?.run(history), true);
  await deployment.stop();
  witness.seeStore();
  const names = [...witness.attack().opened.keys()];
  // The attack reaches into both, whose own keys live; the boxes within stay shut.
  for (const kind of ['backup bkp_', 'archive arc_', 'export exp_'])
    assert.ok(names.some((name) => name.startsWith(kind)));
  assert.deepEqual(history.judge().leaks, []);
  const dead = history.all.flatMap(({ versions }) => versions).find(({ fate }) => fate === 'dead');
  const content = dead?.needles[0] ?? Buffer.alloc(0);
  const forged = await deployment.opened((open) =>
    Promise.resolve([
      forgePiece(open, deployment.directory, content),
      forgeArchive(open, deployment.directory, content),
      forgeExport(open, deployment.directory, content),
    ]),
  );
  witness.seeStore();
  const { leaks } = history.judge();
  for (const name of forged)
    assert.ok(
      leaks.some((leak) => leak.endsWith(` in ${name}`)),
      name,
    );
});

/** One more piece of the newest backup, in which content lies as it was typed. */
function forgePiece({ keyring }: Strongroom, directory: string, content: Buffer): string {
  const { id } = rowsOf(directory)
    .backups.filter(({ state }) => state === 'complete')
    .at(-1) ?? { id: '' };
  const folder = join(directory, 'backups', id);
  const envelope = readEnvelope(readFileSync(join(folder, 'manifest')));
  const writer = new PieceWriter();
  writer.table({ table: 'notes', columns: [['text', 'text']] });
  writer.rows(blockOf([encodeRow([content.toString()])]));
  const key = backupKey(keyring.derive(envelope.slot), id as BackupId, 'pieces');
  const to = { key, context: pieceContext(envelope, 99) };
  writeFileSync(join(folder, '000099'), encryptInPlace(to, writer.end().bytes, realEnvironment.random));
  return `backup ${id}/000099`;
}

/** An archive that holds content where a box should lie. */
function forgeArchive({ keyring }: Strongroom, directory: string, content: Buffer): string {
  const rows = rowsOf(directory);
  const [row] = rows.archives;
  assert.ok(row !== undefined);
  const version = { memory: 'mem_forged', version: 1, slot: row.slot, scope: '[]', author: '', createdAt: 0 };
  const to = fileKey(
    { keyring },
    rows,
    row,
    `strongroom/archive/1 ${row.organization} ${row.vault} ${row.id}`,
  );
  const plaintext = encodeArchive([{ ...version, body: new Uint8Array(content), vector: null }]);
  writeFileSync(join(directory, 'blobs', row.blob), encrypted(to, plaintext));
  return `archive ${row.id}`;
}

/** The same for a second piece of an export. */
function forgeExport({ keyring }: Strongroom, directory: string, content: Buffer): string {
  const rows = rowsOf(directory);
  const row = rows.exports.find(({ state }) => state === 'ready');
  assert.ok(row !== undefined);
  const { id, organization, vault, slot } = row;
  const about = { subject: null, conversation: null, writtenAt: 0 };
  const version = { memory: 'mem_forged', version: 1, slot, scope: '[]', ...about };
  const to = fileKey({ keyring }, rows, row, `strongroom/export/1 ${organization} ${vault} ${id} 2`);
  const plaintext = encodeExport([{ ...version, body: new Uint8Array(content), vector: null }]);
  writeFileSync(join(directory, 'blobs', 'exports', `${id}.000002`), encrypted(to, plaintext));
  return `export ${id}.000002`;
}

/** Of a file under its own slot and its vault's. */
function fileKey(
  { keyring }: Pick<Strongroom, 'keyring'>,
  { organizations, vaults }: ReturnType<typeof rowsOf>,
  row: { readonly id: string; readonly slot: number; readonly organization: string; readonly vault: string },
  context: string,
): CobblestoneKey {
  const home = organizations.find(({ id }) => id === row.organization);
  const place = vaults.find(({ id }) => id === row.vault);
  assert.ok(home !== undefined && place !== undefined);
  const key = new RecordKeys(keyring).key({
    id: row.id,
    version: 1,
    own: row.slot as Slot,
    scope: [
      ['organization', home.slot as Slot],
      ['vault', place.slot as Slot],
    ],
  });
  return { key, context: new Uint8Array(Buffer.from(context)) };
}

function encrypted(to: CobblestoneKey, plaintext: Bytes): Bytes {
  const room = roomBefore(plaintext.length);
  const laid: Bytes = new Uint8Array(room + plaintext.length).subarray(room);
  laid.set(plaintext);
  return encryptInPlace(to, laid, realEnvironment.random);
}
