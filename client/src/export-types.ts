/** Exports that the server keeps, as they go over the wire. */
import type { JsonObject } from './types.ts';

export interface ExportInput {
  /** Only memories that it keeps, as in a list; all live ones without it. */
  filter?: JsonObject | undefined;
  /** 1 to 30; 7 where it is not said. */
  expiresInDays?: number | undefined;
}

/** What a vault said at a moment, kept on the server until it ends. */
export interface Export {
  id: string;
  vault: string;
  /** `failed`: it never was ready. `lost`: its bytes did not come back with a restore, because no backup has them. */
  state: 'making' | 'ready' | 'failed' | 'expired' | 'withdrawn' | 'lost';
  /** As many as were put into it; those that were erased or have ended since are not shown. */
  memories: number;
  /** As it lies there, sealed. */
  sizeBytes: number;
  /** The key that asked for it. */
  madeBy: string;
  createdAt: string;
  expiresAt: string;
  endedAt?: string;
}

/** How far an export has come, in memories; the last is the export. */
export type ExportEvent = { type: 'progress'; memories: number } | { type: 'export'; export: Export };

export interface ExportPage {
  exports: Export[];
  next: string | null;
}
