/** Retention, deletion and backups. */
import { claimed, type Claim } from '../claim.ts';

export const KEEPING_CLAIMS: readonly Claim[] = [
  claimed({
    id: 'RET-01',
    sentence:
      'Users can delete any memory, conversation or account themselves; it is out of every answer within {seconds} s.',
    examines: 'Canary delete → absent from get, search, list, export, index, cache within bound',
    method: 'T',
    supports: ['C1.2 P4.3', 'A.8.10', '17', '310(d)(2)(i)', '105'],
    parameters: { seconds: { value: 5, floor: 5, better: 'less' } },
    state: {
      kind: 'complete',
      notProven:
        'That copies which somebody took away before (an export, an answer that was kept) are gone; what was derived without saying so in `derivedFrom` is not known to be derived.',
      hoursFresh: 26,
      mend: 'strongroom erasures list --state hidden names what is not done; strongroom doctor says which replica of the keystore is away.',
    },
  }),
  claimed({
    id: 'RET-02',
    sentence: 'Soft-deleted items are invisible and recoverable for {days} d only.',
    examines: 'Restore inside window works; clock +31 d irrecoverable',
    method: 'T*',
    supports: ['C1.2', 'A.8.10', '17', '', '105'],
    state: {
      kind: 'complete',
      notProven:
        'That copies which somebody took while it was there are gone; a legal hold keeps what lies in the trash for longer, on purpose.',
      hoursFresh: 26,
      mend: 'strongroom retention explain VAULT MEMORY says what keeps it; a replica of the keystore that is away has to come back (strongroom doctor).',
    },
    parameters: { days: { value: 30, floor: 30, better: 'less' } },
  }),
  claimed({
    id: 'RET-03',
    sentence: 'Hard deletion is final within {days} d, by key destruction.',
    examines:
      'Key gone; ciphertext in live store and in newest backup cannot be opened; oldest pending ≤30 d',
    method: 'T',
    supports: ['CC6.5 C1.2', 'A.8.10', '17', '310(d)(2)(i)', '105'],
    parameters: { days: { value: 30, floor: 30, better: 'less' } },
    state: {
      kind: 'complete',
      notProven:
        'Copies of the ciphertext are tried, from the database and from a backup that was made before, with the keyring as it is now: a copy of the keystore that was made before the erasure, or an older block that the medium kept, would open them.',
      hoursFresh: 26,
      mend: 'Bring back the replica of the keystore that is away, or declare it lost: what waits for it is destroyed then.',
    },
  }),
  claimed({
    id: 'RET-04',
    sentence: 'Closing an account removes everything within {days} d.',
    examines:
      'Residual rows per annotated table = 0 for closed tenants, audit class apart; max age of open closures',
    method: 'E',
    supports: ['C1.2 P4.3', 'A.8.10', '17 28(3)(g)', '504(e)(2)(ii)(J)', '105'],
    parameters: { days: { value: 30, floor: 30, better: 'less' } },
    state: {
      kind: 'complete',
      notProven:
        'That nothing is left of it: the ledger, free of content, and the record of the erasure are kept, and ciphertext stays in backups until they roll off.',
      hoursFresh: 26,
      mend: 'strongroom erasures list --state destroyed names what is still to be removed; the log says why it was not.',
    },
  }),
  claimed({
    id: 'RET-05',
    sentence: 'Retention is configurable and takes effect at once.',
    examines:
      'One-day policy on canary vault with clock advance: expired items leave retrieval (AISVS 8.3.1); `explain` names the rule',
    method: 'T',
    supports: ['P4.2', 'A.5.33 A.8.10', '5(1)(e) 25', '', '100(a)(3)'],
    state: {
      kind: 'complete',
      notProven:
        'That a policy says what the law asks for, or that agents do not carry on what they have read.',
      hoursFresh: 26,
      mend: 'strongroom retention show and strongroom retention explain VAULT MEMORY say which rule decides.',
    },
  }),
  claimed({
    id: 'RET-06',
    sentence: 'Nothing outlives its retention by more than {days} d.',
    examines: 'Max(now − expiry) over all live rows, blobs, index entries ≤7 d; default plan ≤30 d',
    method: 'E',
    supports: ['P4.2 C1.2', 'A.8.10', '5(1)(e)', '', '100(a)(3)'],
    state: {
      kind: 'complete',
      notProven:
        'That a clock which is wrong is noticed before a week; what a hold or a statutory minimum keeps does not count, and backups have a retention of their own.',
      hoursFresh: 26,
      mend: 'strongroom doctor: a replica of the keystore that is away keeps keys from dying; strongroom clock trust where the clock was doubted and is right.',
    },
    parameters: { days: { value: 7, floor: 7, better: 'less' } },
  }),
  claimed({
    id: 'RET-07',
    sentence:
      'Log classes are kept for their stated time: the application log for {days} d, refusals for {months} mo at least, the ledger for {years} y.',
    examines: 'Configured floors; oldest and missing sequence per class; nothing beyond limit',
    method: 'E',
    supports: ['CC7.2', 'A.5.33 A.8.15', '5(1)(e)', '316(b)(2)(i)', 'r7101'],
    state: {
      kind: 'complete',
      notProven:
        'That the machine keeps no copies of log files; with logDays set, the application log ends sooner. Without logFolder it goes to the platform, and the claim is then partial.',
      hoursFresh: 26,
      mend: 'Set logFolder, and look at why the chores fail in the log; strongroom ledger verify names what is missing.',
    },
    parameters: {
      days: { value: 90, floor: 90, better: 'less' },
      months: { value: 12, floor: 12, better: 'more' },
      years: { value: 7, floor: 7, better: 'more' },
    },
  }),
  claimed({
    id: 'RET-08',
    sentence: 'Aged data moves to an encrypted archive; retrieval is authorised, within {hours} h.',
    examines:
      'Eligible-not-archived = 0; unapproved restore refused; measured latency; temporary copy expires',
    method: 'T*',
    supports: ['CC6.1 A1.2', 'A.8.13 A.5.33', '32', '308(a)(7)(ii)(A)', '100(e)'],
    state: {
      kind: 'complete',
      notProven: 'That whoever approves looks at the reason, or that two keys belong to two people.',
      hoursFresh: 26,
      mend: 'strongroom archive list shows what waits for approval; a chore that fails is in the log.',
    },
    parameters: { hours: { value: 48, floor: 48, better: 'less' } },
  }),
  claimed({
    id: 'RET-09',
    sentence: 'Versioned stores keep no hidden copy of deleted objects.',
    examines: 'List versions and delete markers for deleted ids; lifecycle has noncurrent expiry',
    method: 'E*',
    supports: ['C1.2', 'A.8.10', '17', '310(d)(2)(i)', '105'],
    state: { kind: 'not_claimed', reason: 'There is no versioned object store.' },
  }),
  claimed({
    id: 'RET-10',
    sentence: 'A legal hold stops every deletion path and is visible.',
    examines: 'Held canary survives purge, erasure and account closure; release purges it',
    method: 'T',
    supports: ['C1.1', 'A.5.33 A.5.31', '17(3)', '316(b)', '105(d)'],
    state: {
      kind: 'complete',
      notProven:
        'That the right things are held. A hold keeps what is there when it is placed and what is added while it stands.',
      hoursFresh: 26,
      mend: 'strongroom hold list shows what stands; release it where it should not: strongroom hold release ID.',
    },
  }),
  claimed({
    id: 'RET-11',
    sentence: 'A verifiable certificate of deletion is available.',
    examines: 'Issue for canary; signature, log inclusion, key-destruction record; no personal data inside',
    method: 'T',
    supports: ['C1.2 P4.3', 'A.8.10 A.5.28', '5(2) 17', '310(d)(2)', '105'],
    state: {
      kind: 'complete',
      notProven:
        'What each certificate lists under `notProven`: above all that nobody copied the keystore before, and that the medium under it forgot what was overwritten.',
      hoursFresh: 26,
      mend: 'strongroom certificate verify names what does not hold; compare the key with the one you know the deployment by.',
    },
  }),
  claimed({
    id: 'BCK-01',
    sentence: 'Backups run nightly (none older than {hours} h), full weekly (none older than {days} d).',
    examines: 'Last success ≤26 h, last full ≤8 d, size within band, all stores covered',
    method: 'E',
    supports: ['A1.2', 'A.8.13', '32(1)(b)', '308(a)(7)(ii)(A)', '100(e)'],
    state: {
      kind: 'complete',
      notProven:
        'That the place with the backups outlives the server: the default lies under the data directory.',
      hoursFresh: 26,
      mend: 'strongroom backup; the log says why none was made.',
    },
    parameters: {
      hours: { value: 26, floor: 26, better: 'less' },
      days: { value: 8, floor: 8, better: 'less' },
    },
  }),
  claimed({
    id: 'BCK-02',
    sentence: 'Backups really restore, within {hours} h.',
    examines:
      'Scratch restore weekly; counts and Merkle root equal; duration scaled to live size ≤4 h; drill ≤92 d',
    method: 'T',
    supports: ['A1.3 CC7.5', 'A.8.13 A.5.30', '32(1)(c)', '308(a)(7)(ii)(B)', '100(e)'],
    state: {
      kind: 'complete',
      notProven:
        'That the machine of an emergency is as fast as this one, or that a replica of the keystore is at hand there.',
      hoursFresh: 26,
      mend: 'strongroom drill names what does not restore; strongroom backup --kind full begins anew.',
    },
    parameters: { hours: { value: 4, floor: 4, better: 'less' } },
  }),
  claimed({
    id: 'BCK-03',
    sentence: 'At most {minutes} min of data can be lost.',
    examines: 'Age of newest recoverable point ≤60 min, proven by restoring to it',
    method: 'T',
    supports: ['A1.2', 'A.8.13', '32(1)(c)', '308(a)(7)(ii)(A)', '100(e)'],
    state: {
      kind: 'complete',
      notProven: 'That the newest backup survives what ends the server: only a place elsewhere does.',
      hoursFresh: 26,
      mend: 'strongroom backup --kind log; the log says why none was made.',
    },
    parameters: { minutes: { value: 60, floor: 60, better: 'less' } },
  }),
  claimed({
    id: 'BCK-04',
    sentence: 'Backups roll off after {days} d; deleted data never comes back.',
    examines: 'Oldest backup ≤30 d; restored copy applies tombstones before serving',
    method: 'T',
    supports: ['C1.2 A1.2', 'A.8.10 A.8.13', '17 5(1)(e)', '310(d)', '105'],
    state: {
      kind: 'complete',
      notProven: 'That copies somebody made of files are gone: their keys are, and only the keyring decides.',
      hoursFresh: 26,
      mend: 'Restart the server: what has ended is removed once an hour.',
    },
    parameters: { days: { value: 30, floor: 30, better: 'less' } },
  }),
  claimed({
    id: 'BCK-05',
    sentence: 'A second copy sits in another zone, inside the region.',
    examines: 'Replica lag; location label in allowed set; readable on its own',
    method: 'E*',
    supports: ['A1.2', 'A.8.14', '32(1)(b) 44', '308(a)(7)(ii)(B)', '100(e)'],
    state: {
      kind: 'complete',
      notProven: 'Where a folder really is: the locations are those that were set.',
      hoursFresh: 26,
      mend: 'Set `backups` to two places with their locations, and `backupLocations` to those that are allowed.',
    },
  }),
  claimed({
    id: 'BCK-06',
    sentence: 'Availability is at least 99.9 % with automatic failover.',
    examines: 'Black-box prober history; failover drill result; absent on single-node',
    method: 'E*',
    supports: ['A1.1 A1.2', 'A.8.14 A.8.6', '32(1)(b)', '308(a)(7)(ii)(C)', ''],
    state: { kind: 'not_claimed', reason: 'One process is served; nothing measures its availability.' },
  }),
];
