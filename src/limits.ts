/** Every limit on what comes from outside, in one place. Sizes are bytes of UTF-8 unless they say otherwise. */
export const LIMITS = {
  bodyBytesMax: 32 * 1024 * 1024,
  jsonDepthMax: 32,
  textBytesMax: 64 * 1024,
  metadataBytesMax: 16 * 1024,
  nameCharactersMax: 200,
  purposeCharactersMax: 200,
  queryBytesMax: 8 * 1024,
  /** Phrases in quotes and beginnings of words in one question: each is looked for by itself. */
  queryPhrasesMax: 32,
  queryPrefixesMax: 32,
  dimensionsMin: 2,
  dimensionsMax: 4096,
  batchMemoriesMax: 1000,
  listDefault: 50,
  listMax: 1000,
  searchDefault: 10,
  searchMax: 1000,
  weightMax: 1000,
  filterClausesMax: 100,
  filterValuesMax: 1000,
  /** Of what `contains` looks for, and how often it may stand in a filter: a search for it costs their product. */
  filterPartCharactersMax: 256,
  filterPartsMax: 10,
  derivedFromMax: 100,
  keyScopesMax: 100,
  keyNetworksMax: 100,
  cursorCharactersMax: 2048,
  idempotencyKeyCharactersMax: 200,
  trashDaysMax: 30,
  /** A century: whoever needs longer needs no rule. */
  retentionDaysMax: 36_525,
  retentionKindsMax: 100,
  archiveWaitHoursMax: 48,
  archiveCopyHoursMax: 30 * 24,
  archiveMemoriesMax: 1000,
  /** Of the exports that a vault keeps here, for how long, and of the bytes of one. */
  exportsMax: 10,
  exportDaysDefault: 7,
  exportDaysMax: 30,
  exportBytesMax: 4 * 1024 * 1024 * 1024,
  holdMemoriesMax: 1000,
  holdsMax: 1000,
  /** Of what is sent to an embedding service in one exchange, and of what it may answer. */
  embeddingBatchTextsMax: 64,
  embeddingBatchBytesMax: 256 * 1024,
  embeddingAnswerBytesMax: 16 * 1024 * 1024,
  /** How long a dry run may be confirmed. */
  rewindConfirmMinutes: 15,
  reasonCharactersMax: 500,
  nonceBytesMin: 16,
  nonceBytesMax: 64,
  /** Of memories that one erasure by filter ends. */
  erasureMemoriesMax: 50_000,
  /** A dry run's confirmation stands for so long. */
  confirmationMinutes: 15,
  /** A digest of what was erased is kept at least so long; those of so many days share a key. */
  tombstoneDays: 365,
  tombstoneSetDays: 30,
  /** A backup may still open what was replaced for so long, so that a bad bulk change can be undone from it. */
  backupDays: 30,
  /** Between the closing of an organization and its erasure. */
  closingDaysMin: 0,
  closingDaysDefault: 14,
  closingDaysMax: 14,
} as const;
