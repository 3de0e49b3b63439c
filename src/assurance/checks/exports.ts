/**
 * An export on a scratch instance: what lies on disk of it is AES-256, opens with its own key alone and not with a bit turned,
 * and gives back what was exported.
 */
import { encodeUtf8 } from '../../bytes/encoding.ts';
import { SYSTEM } from '../../store/store.ts';
import { canaryVector, canaryWord, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { fileFaults, filesNamed, tryFile, vaultKeys, type TriedFile } from '../tried-file.ts';

const DIMENSIONS = 8;

interface Exported {
  readonly files: readonly TriedFile[];
  /** Pieces that its row says there are. */
  readonly pieces: number;
  readonly isWhole: boolean;
}

export const exportsCheck = defineCheck<Exported>({
  name: 'exports',
  place: 'scratch',
  observe: async (world) => {
    const { insides } = world;
    if (insides === null) throw new RangeError('the keys of an export are known from the inside');
    const tenant = await world.tenant(0);
    const { client, organization } = tenant;
    return withVault(world, tenant, {}, async (_, vault) => {
      const sinceMs = Date.parse('2020-01-01T00:00:00Z');
      const word = canaryWord(world);
      const text = `about ${word}`;
      await client.memories.add(vault, { text, vector: canaryVector(world, DIMENSIONS), subject: word });
      const { id } = await client.exports.create(vault, { expiresInDays: 1 });
      const row = await insides.store.read(SYSTEM, (db) =>
        db.selectFrom('exports').select(['slot', 'pieces']).where('id', '=', id).executeTakeFirstOrThrow(),
      );
      const key = (await vaultKeys(insides, { organization, vault }))(id, row.slot);
      const files: TriedFile[] = [];
      for (const [name, bytes] of await filesNamed(world, id, sinceMs)) {
        const context = encodeUtf8(
          `strongroom/export/1 ${organization} ${vault} ${id} ${Number(name.split('.').at(-1))}`,
        );
        files.push(await tryFile({ what: 'an export', magic: 'SREX', bytes, from: { key, context }, word }));
      }
      const [one, ...more] = await Array.fromAsync(client.exports.memories(id, { include: 'vector' }));
      const isWhole = one?.text === text && one.vector?.length === DIMENSIONS && more.length === 0;
      await client.exports.remove(id);
      return { files, pieces: row.pieces, isWhole };
    });
  },
  judges: {
    'CRY-02': ({ files, pieces, isWhole }) => {
      const faults = [
        ...fileFaults(files),
        ...(files.length === pieces ? [] : [`${files.length} files of an export are there, not ${pieces}`]),
        ...(isWhole ? [] : ['an export did not give back what was in it']),
      ];
      return judged(files.length, faults, { exports: 1 });
    },
  },
  sabotages: [
    {
      name: 'plain-export',
      breaks: 'Exports are written as they are, without encryption around them.',
      turns: ['CRY-02'],
      change: {
        cipher: () => ({
          encrypt: (_, plaintext) => Promise.resolve(new Uint8Array(plaintext)),
          decrypt: (_, file) => Promise.resolve(new Uint8Array(file)),
        }),
      },
    },
    {
      name: 'keyless-export',
      breaks: 'Exports are encrypted under a key that everybody knows.',
      turns: ['CRY-02'],
      change: {
        cipher: (real) => {
          const known = new Uint8Array(32);
          return {
            encrypt: ({ context }, plaintext) => real.encrypt({ key: known, context }, plaintext),
            decrypt: ({ context }, file) => real.decrypt({ key: known, context }, file),
          };
        },
      },
    },
  ],
});
