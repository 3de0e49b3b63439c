/** Exports that the server keeps, as rows of a table. */
import type { Export } from '@strongroom/client';
import { showTime } from './time.ts';

export const EXPORT_COLUMNS = [
  { title: 'ID' },
  { title: 'STATE' },
  { title: 'MEMORIES', right: true },
  { title: 'BYTES', right: true },
  { title: 'BY' },
  { title: 'MADE' },
  { title: 'ENDS' },
];

export const exportRow = (one: Export): string[] => [
  one.id,
  one.state,
  String(one.memories),
  String(one.sizeBytes),
  one.madeBy,
  showTime(one.createdAt),
  showTime(one.endedAt ?? one.expiresAt),
];
