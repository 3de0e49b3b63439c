/**
 * What an archive holds, in the form of box-file.ts under the archive's own slot: `SRAR`, and of each version
 * [memory, version, slot, scope, author, created at].
 */
import type { Bytes } from '../bytes/encoding.ts';
import { decodeBoxes, encodeBoxes, type BoxForm, type Boxes, type Fields } from './box-file.ts';

export interface ArchivedVersion extends Boxes {
  readonly memory: string;
  readonly version: number;
  readonly slot: number;
  /** As `encodeScope` gives it. */
  readonly scope: string;
  readonly author: string;
  readonly createdAt: number;
}

type Listed = readonly [string, number, number, string, string, number];

const FORM: BoxForm<ArchivedVersion> = {
  magic: 'SRAR',
  what: 'an archive',
  fieldsOf: ({ memory, version, slot, scope, author, createdAt }): Listed => [
    memory,
    version,
    slot,
    scope,
    author,
    createdAt,
  ],
  versionOf: (fields: Fields, boxes) => {
    const [memory, version, slot, scope, author, createdAt] = fields as Listed;
    return { memory, version, slot, scope, author, createdAt, ...boxes };
  },
};

export const encodeArchive = (versions: readonly ArchivedVersion[]): Bytes => encodeBoxes(FORM, versions);

/** Throws `box.damaged` on bytes that no `encodeArchive` has made. */
export const decodeArchive = (bytes: Uint8Array): readonly ArchivedVersion[] => decodeBoxes(FORM, bytes);
