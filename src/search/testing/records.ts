/** Records for tests: what a test does not care about has a value already. */
import { Engine } from '../engine.ts';
import { openEngineRoom } from '../engine-room.ts';
import type { IndexedRecord, VaultSettings } from '../types.ts';

export const NOW = Date.UTC(2026, 4, 20, 12);

export function recordOf(number: number, own: Partial<IndexedRecord> = {}): IndexedRecord {
  return {
    id: `mem_${String(number).padStart(6, '0')}`,
    slot: number,
    text: '',
    vector: null,
    metadata: null,
    subject: null,
    conversation: null,
    speaker: null,
    kind: null,
    at: null,
    createdAt: 1000 + number,
    updatedAt: 1000 + number,
    expiresAt: null,
    version: 1,
    visibility: null,
    derivedFrom: null,
    ...own,
  };
}

export const openEngine = (settings: Partial<VaultSettings> = {}, room = openEngineRoom()): Engine =>
  new Engine({ id: 'vlt_test', metric: 'cosine', dimensions: null, ...settings }, room);
