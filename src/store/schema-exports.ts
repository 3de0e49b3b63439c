/** The rows of migration 0010: exports that are kept here. */
export interface ExportsDatabase {
  exports: ExportRow;
}

export interface ExportRow {
  id: string;
  organization: string;
  vault: string;
  /** Its own, under which its pieces lie; destroyed with its end. */
  slot: number;
  /** `failed`: it never was ready. `lost`: its bytes did not come back with a restore. */
  state: 'making' | 'ready' | 'failed' | 'expired' | 'withdrawn' | 'lost';
  /** The principal that asked for it. */
  made_by: string;
  /** None before it is ready. */
  pieces: number;
  /** Memories in the pieces, as they were written. */
  records: number;
  /** Bytes of the pieces. */
  size: number;
  created_at: number;
  expires_at: number;
  ended_at: number | null;
  change: number;
}
