/**
 * What a piece of a kept export holds, in the form of box-file.ts under the export's own slot: `SREX`, and of each version
 * [memory, version, slot, scope, subject, conversation, written at]. A memory may change while the export is kept, so
 * whom the version was about is said with it.
 */
import type { Bytes } from '../bytes/encoding.ts';
import { decodeBoxes, encodeBoxes, type BoxForm, type Boxes, type Fields } from './box-file.ts';

export interface ExportedVersion extends Boxes {
  readonly memory: string;
  readonly version: number;
  readonly slot: number;
  /** As `encodeScope` gives it. */
  readonly scope: string;
  /** Ids of ours. */
  readonly subject: string | null;
  readonly conversation: string | null;
  readonly writtenAt: number;
}

type Listed = readonly [string, number, number, string, string | null, string | null, number];

const FORM: BoxForm<ExportedVersion> = {
  magic: 'SREX',
  what: 'an export',
  fieldsOf: ({ memory, version, slot, scope, subject, conversation, writtenAt }): Listed => [
    memory,
    version,
    slot,
    scope,
    subject,
    conversation,
    writtenAt,
  ],
  versionOf: (fields: Fields, boxes) => {
    const [memory, version, slot, scope, subject, conversation, writtenAt] = fields as Listed;
    return { memory, version, slot, scope, subject, conversation, writtenAt, ...boxes };
  },
};

export const encodeExport = (versions: readonly ExportedVersion[]): Bytes => encodeBoxes(FORM, versions);

/** Throws `box.damaged` on bytes that no `encodeExport` has made. */
export const decodeExport = (bytes: Uint8Array): readonly ExportedVersion[] => decodeBoxes(FORM, bytes);
