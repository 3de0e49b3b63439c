/** All checks, in the order in which they run. */
import type { Check } from './check.ts';
import { appendOnlyCheck } from './checks/append-only.ts';
import { archiveCheck } from './checks/archive.ts';
import { backupCopiesCheck } from './checks/backup-copies.ts';
import { backupsCheck } from './checks/backups.ts';
import { boxesCheck } from './checks/boxes.ts';
import { egressCheck } from './checks/egress.ts';
import { expiryCheck } from './checks/expiry.ts';
import { certificateCheck } from './checks/certificate.ts';
import { closingCheck } from './checks/closing.ts';
import { erasureRequestsCheck } from './checks/erasure-requests.ts';
import { exportsCheck } from './checks/exports.ts';
import { failClosedCheck } from './checks/fail-closed.ts';
import { finalityCheck } from './checks/finality.ts';
import { floodCheck } from './checks/flood.ts';
import { holdsCheck } from './checks/holds.ts';
import { keyAgesCheck } from './checks/key-ages.ts';
import { forgettingCheck } from './checks/forgetting.ts';
import { keysCheck } from './checks/keys.ts';
import { ledgerCheck } from './checks/ledger.ts';
import { listenerCheck } from './checks/listener.ts';
import { logsCheck } from './checks/logs.ts';
import { overdueCheck } from './checks/overdue.ts';
import { recallCheck } from './checks/recall.ts';
import { retentionCheck } from './checks/retention.ts';
import { rotationCheck } from './checks/rotation.ts';
import { scanCheck } from './checks/scan.ts';
import { segmentsCheck } from './checks/segments.ts';
import { sweepCheck } from './checks/sweep.ts';
import { tenantsCheck } from './checks/tenants.ts';

export const CHECKS: readonly Check[] = [
  listenerCheck,
  recallCheck,
  scanCheck,
  sweepCheck,
  keysCheck,
  keyAgesCheck,
  tenantsCheck,
  forgettingCheck,
  certificateCheck,
  finalityCheck,
  closingCheck,
  erasureRequestsCheck,
  ledgerCheck,
  boxesCheck,
  segmentsCheck,
  appendOnlyCheck,
  failClosedCheck,
  exportsCheck,
  egressCheck,
  overdueCheck,
  // These turn the clock of the scratch instance.
  retentionCheck,
  holdsCheck,
  archiveCheck,
  logsCheck,
  expiryCheck,
  backupCopiesCheck,
  backupsCheck,
  rotationCheck,
  // Last, because it is the longest: slow clients have to be waited for.
  floodCheck,
];
