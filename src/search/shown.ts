/** How what an index holds is shown to whoever searched: as every other way of reading a memory shows it (vaults/memory-row.ts). */
import type { SearchResult } from '@strongroom/client';
import { isoTime } from '../bytes/iso-time.ts';
import type { HeldRecord } from './types.ts';

/** An empty text stands for none. */
export function shownResult(held: HeldRecord, score: number): SearchResult {
  const { text, metadata, subject, conversation, speaker, kind, at, expiresAt, derivedFrom } = held;
  const createdAt = isoTime(held.createdAt);
  const shown: SearchResult = {
    id: held.id,
    score,
    ...(text === '' ? {} : { text }),
    visibility: held.visibility ?? 'vault',
    version: held.version,
    createdAt,
    updatedAt: held.updatedAt === held.createdAt ? createdAt : isoTime(held.updatedAt),
  };
  if (metadata !== null) shown.metadata = metadata;
  if (subject !== null) shown.subject = subject;
  if (conversation !== null) shown.conversation = conversation;
  if (speaker !== null) shown.speaker = speaker;
  if (at !== null) shown.at = isoTime(at);
  if (kind !== null) shown.kind = kind;
  if (expiresAt !== null) shown.expiresAt = isoTime(expiresAt);
  if (derivedFrom !== null) shown.derivedFrom = [...derivedFrom];
  return shown;
}
