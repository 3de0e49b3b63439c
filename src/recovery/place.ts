/** Where backups lie: one place or two, each a store of blobs of its own and readable without the other. */
import type { BackupId } from '../ids.ts';
import type { BlobStore } from '../store/blobs.ts';

export interface BackupPlace {
  /** As it was set. */
  readonly name: string;
  /** The zone or site, where one was given. */
  readonly location: string | null;
  readonly blobs: BlobStore;
}

export const manifestName = (id: BackupId): string => `${id}/manifest`;

/** Pieces are numbered from 1. */
export const pieceName = (id: BackupId, number: number): string => `${id}/${String(number).padStart(6, '0')}`;
