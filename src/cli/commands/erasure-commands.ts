/** erase, erasures, organization, certificate: content ended for good, and the proof of it. */
import { readFile } from 'node:fs/promises';
import type { CertificateKey, Erasure, ErasureInput, ErasurePlan } from '@strongroom/client';
import { Option, type Command } from 'commander';
import { isEqual } from '../../bytes/equal.ts';
import { StrongroomError } from '../../errors.ts';
import { followKeys } from '../../ledger/ledger-keys.ts';
import { parseVkey, type VerifierKey } from '../../ledger/note.ts';
import { verifyCertificate, type CertificateReport } from '../../lifecycle/verify-certificate.ts';
import { LIMITS } from '../../limits.ts';
import { Ended, EXIT, usage } from '../exit.ts';
import { writeWhole } from '../file-output.ts';
import { given, jsonObject, wholeNumber } from '../flags.ts';
import type { Session } from '../session.ts';
import { EXPORT_COLUMNS, exportRow } from '../show/export.ts';
import { counted } from '../show/number.ts';
import { tableText } from '../show/table.ts';
import { printable } from '../show/text.ts';
import { showTime } from '../show/time.ts';

interface EraseFlags {
  readonly memory?: string;
  readonly subject?: string;
  readonly conversation?: string;
  readonly filter?: ReturnType<typeof jsonObject>;
  readonly vault?: string;
  readonly reason?: string;
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly nonce?: string;
  readonly requester?: string;
}

export function erasureCommands(program: Command, session: Session): void {
  eraseCommand(program, session);
  listCommands(program, session);
  organizationCommands(program, session);
  certificateCommands(program, session);
}

function eraseCommand(program: Command, session: Session): void {
  program
    .command('erase')
    .description(
      'end memories, a person, a conversation or a vault for good; first says how many memories would go',
    )
    .option('--memory <id>', 'a memory, with all that was derived from it')
    .option('--subject <id>', 'everything about a person, by your own id for them, in all vaults')
    .option('--conversation <id>', 'a conversation; with --vault')
    .option('--filter <json>', 'every memory a filter keeps; with --vault', jsonObject)
    .option('--vault <name>', 'where it lies; alone: the vault with everything in it')
    .option('--reason <text>', 'why: kept in the ledger, so do not name the person in it')
    .option('--dry-run', 'only count')
    .option('--yes', 'really')
    .option(
      '--nonce <base64url>',
      'random bytes that make the certificate recognisable to the requester alone',
    )
    .option('--requester <text>', 'whom the certificate is for')
    .action(async (flags: EraseFlags) => {
      const { reason, dryRun, yes, nonce, requester, ...target } = flags;
      const plan = await session.client.erasures.plan(given(target));
      if (dryRun === true) {
        await session.show(plan, () => planText(plan));
        return;
      }
      if (yes !== true) throw usage(`this erases ${planWords(plan)} for good: add --yes if it is meant`);
      if (reason === undefined) throw usage('say why: --reason');
      const { confirm } = plan;
      if (plan.unasked !== undefined)
        session.say(
          `${counted(plan.unasked, 'memory', 'memories')} in the archive cannot be asked, and stay.`,
        );
      const input = { target, reason, confirm, ...given({ nonce, requester }) } as ErasureInput;
      await showErasure(session, await session.client.erasures.request(input));
    });
}

function listCommands(program: Command, session: Session): void {
  const erasures = program.command('erasures').description('look at erasures and how far they are');
  erasures
    .command('list')
    .description('list them, newest first')
    .option('--limit <n>', 'at most so many', wholeNumber(1, LIMITS.listMax))
    .addOption(
      new Option('--state <state>', 'only these').choices([
        'requested',
        'hidden',
        'destroyed',
        'purged',
        'cancelled',
      ]),
    )
    .action(async (flags: { limit?: number; state?: Erasure['state'] }) => {
      const page = await session.client.erasures.list(given(flags));
      const columns = ['ID', 'KIND', 'STATE', 'MEMORIES', 'ASKED FOR'].map((title) => ({ title }));
      await session.show(page, () => tableText(columns, page.erasures.map(rowOf), session.place));
    });
  erasures
    .command('get')
    .description('show one')
    .argument('<id>', 'era_…')
    .action(async (id: string) => showErasure(session, await session.client.erasures.get(id)));
  erasures
    .command('recipients')
    .description('who took copies away before: they may have to be told')
    .argument('<id>', 'era_…')
    .action(async (id: string) => {
      const answer = await session.client.erasures.recipients(id);
      const columns = ['HOW', 'BY', 'VAULT', 'LAST'].map((title) => ({ title }));
      const rows = answer.recipients.map(({ how, principal, vault, lastAt }) => [
        how,
        principal,
        vault ?? '-',
        showTime(lastAt),
      ]);
      await session.show(answer, () => {
        const taken = tableText(columns, rows, session.place);
        if (answer.exports.length === 0) return taken;
        const kept = tableText(EXPORT_COLUMNS, answer.exports.map(exportRow), session.place);
        return `${taken}\nKept by the server, where nothing of it opens any more:\n${kept}`;
      });
    });
  erasures
    .command('cancel')
    .description('take one back whose grace period still runs')
    .argument('<id>', 'era_…')
    .action(async (id: string) => showErasure(session, await session.client.erasures.cancel(id)));
}

function organizationCommands(program: Command, session: Session): void {
  const organization = program.command('organization').description('close the organization, or reopen it');
  organization
    .command('close')
    .description('erase the whole organization after a grace period, in which nothing else can be done')
    .requiredOption('--reason <text>', 'why: kept in the ledger')
    .option(
      '--grace-days <n>',
      'until it is erased',
      wholeNumber(LIMITS.closingDaysMin, LIMITS.closingDaysMax),
    )
    .option('--yes', 'really')
    .action(async (flags: { reason: string; graceDays?: number; yes?: boolean }) => {
      const { reason, graceDays } = flags;
      const { log } = await session.client.ledger.checkpoint();
      const target = { organization: log };
      // A grace period is the second look; without one the server asks for the first.
      const isLooked = flags.yes !== true || graceDays === 0;
      const plan = isLooked ? await session.client.erasures.plan(target) : null;
      if (plan !== null && flags.yes !== true)
        throw usage(`this erases ${planWords(plan)}, and everything else in it: add --yes if it is meant`);
      const confirm = plan?.confirm;
      const input = { target, reason, ...given({ graceDays, confirm }) };
      const asked = await session.client.erasures.request(input);
      await showErasure(session, asked);
      session.say(
        graceDays === 0
          ? 'It ends within the hour.'
          : `Until ${asked.dueAt ?? 'then'} it can be taken back: organization reopen ${asked.id}`,
      );
    });
  organization
    .command('reopen')
    .description('take the closing back')
    .argument('[id]', 'era_… of the closing; looked up where it is left out')
    .action(async (given?: string) => {
      const id = given ?? (await closingOf(session));
      await showErasure(session, await session.client.erasures.cancel(id));
    });
}

/** What is asked for and not begun: only a closing waits. */
async function closingOf(session: Session): Promise<string> {
  const { erasures } = await session.client.erasures.list({ state: 'requested', limit: 1 });
  const [closing] = erasures;
  if (closing === undefined) throw new StrongroomError('not_found', 'the organization is not being closed');
  return closing.id;
}

function certificateCommands(program: Command, session: Session): void {
  const certificate = program
    .command('certificate')
    .description('certificates of erasure: get and verify them');
  certificate
    .command('get')
    .description('write the certificate of an erasure')
    .argument('<id>', 'era_…')
    .option('--out <file>', 'into a file, which must not exist yet')
    .action(async (id: string, flags: { out?: string }) => {
      const { certificate, verifierKey } = await session.client.erasures.certificate(id);
      const parts = {
        async *[Symbol.asyncIterator]() {
          yield await Promise.resolve(certificate);
        },
      };
      await writeWhole(session, flags.out, parts);
      session.say(`It verifies with the key ${verifierKey}`);
    });
  certificate
    .command('key')
    .description('show the key by which certificates of this deployment verify')
    .option('--known <key>', 'a verifier key you know: whether today’s follows from it')
    .action(async ({ known }: { known?: string }) => {
      const answer = await session.client.erasures.certificateKey();
      const holds = known === undefined || isFollowed(answer, known);
      await session.show({ ...answer, ...(known === undefined ? {} : { holds }) }, () =>
        holds
          ? `${answer.verifierKey}\n`
          : `DOES NOT HOLD  nothing leads from the key you know to ${answer.verifierKey}\n`,
      );
      if (!holds) throw new Ended(EXIT.claim);
    });
  certificate
    .command('verify')
    .description('check a certificate offline')
    .argument('<file>', 'as it was written')
    .requiredOption('--key <key>', 'the verifier key you know (certificate key)')
    .option('--nonce <base64url>', 'that was sent with the request')
    .option('--requester <text>', 'that was sent with it')
    .action(async (file: string, flags: { key: string; nonce?: string; requester?: string }) => {
      const report = verified(await readFile(session.path(file), 'utf8'), flags);
      const isAnothers = report.isRequesters === false;
      const holds = report.faults.length === 0 && !isAnothers;
      await session.show({ holds, ...report }, () => reportText(report));
      if (!holds) throw new Ended(EXIT.claim);
    });
}

/** Whether introductions lead from a key that is known to the one of today (docs/format.md). */
function isFollowed({ verifierKey, keys }: CertificateKey, known: string): boolean {
  const { name, publicKey } = keyOf(known, '--known');
  const published = keys.map(({ generation, introduction, ...key }) => ({
    generation,
    introduction,
    publicKey: keyOf(key.verifierKey, 'keys').publicKey,
  }));
  const today = keyOf(verifierKey, 'verifierKey');
  return (
    today.name === name &&
    followKeys(name, published, publicKey).some((key) => isEqual(key.publicKey, today.publicKey))
  );
}

function keyOf(text: string, what: string): VerifierKey {
  try {
    return parseVkey(text);
  } catch (error) {
    if (error instanceof RangeError)
      throw new StrongroomError('request.invalid', `${what}: ${error.message}`);
    throw error;
  }
}

/** A key that is none is wrong usage, and nothing has been learnt about the certificate. */
function verified(
  text: string,
  flags: { key: string; nonce?: string; requester?: string },
): CertificateReport {
  try {
    return verifyCertificate(text, flags);
  } catch (error) {
    if (error instanceof RangeError) throw new StrongroomError('request.invalid', `--key: ${error.message}`);
    throw error;
  }
}

const showErasure = (session: Session, erasure: Erasure): Promise<void> =>
  session.show(erasure, () => detailText(erasure));

const planWords = ({ kind, count }: ErasurePlan): string =>
  `${kind === 'memories' ? '' : `the ${kind} with `}${counted(count, 'memory', 'memories')}`;

function planText(plan: ErasurePlan): string {
  const { keptBy, unasked } = plan;
  const kept =
    keptBy === undefined
      ? ''
      : `, and nothing goes as long as it is kept: ${keptBy.map((by) => printable(by)).join(', ')}`;
  const left =
    unasked === undefined
      ? ''
      : `${counted(unasked, 'memory', 'memories')} in the archive cannot be asked what the filter asks, and would stay\n`;
  return `${planWords(plan)} would go${kept}\n${left}`;
}

const rowOf = (erasure: Erasure): string[] => [
  erasure.id,
  erasure.kind,
  erasure.state,
  erasure.count === undefined ? '-' : String(erasure.count),
  showTime(erasure.requestedAt),
];

const detailText = (erasure: Erasure): string =>
  [
    ['id', erasure.id],
    ['erases', `${erasure.kind} ${erasure.target}`],
    ['state', erasure.state],
    ['memories', erasure.count === undefined ? 'counted as they are removed' : String(erasure.count)],
    ['removed', String(erasure.removed)],
    ['keys', String(erasure.keys)],
    ['asked for', showTime(erasure.requestedAt)],
    ...(['dueAt', 'hiddenAt', 'destroyedAt', 'purgedAt'] as const).flatMap((name) => {
      const at = erasure[name];
      return at === undefined ? [] : [[name.slice(0, -2), showTime(at)]];
    }),
  ]
    .map(([name = '', value = '']) => `${name.padEnd(10)}  ${value}\n`)
    .join('');

function reportText({ statement, faults, isRequesters }: CertificateReport): string {
  const lines = faults.map((fault) => `DOES NOT HOLD  ${printable(fault)}`);
  if (isRequesters === false)
    lines.push('DOES NOT HOLD  it is not the certificate of that nonce and requester');
  if (statement === null) return `${lines.join('\n')}\n`;
  const { erasure, keys, keystore, lastCiphertextUntil, notProven } = statement.predicate;
  if (lines.length === 0) lines.push('HOLDS');
  lines.push(
    `erasure      ${erasure.id}: ${printable(erasure.kind)} ${printable(erasure.target)}`,
    `destroyed    ${erasure.destroyedAt}, ${counted(keys.count, 'key', 'keys')}, epoch ${keys.epoch}`,
    ...keystore.replicas.map(
      ({ name, provider, strength, fileSystem }) =>
        `keystore     ${printable(name)}: ${printable(provider)}, ${printable(strength)}, on ${printable(fileSystem)}`,
    ),
    ...keystore.dropped.map(({ name, how, at }) => `keystore     ${printable(name)}: ${how} ${at}`),
    `last copies  of the ciphertext roll off by ${lastCiphertextUntil}`,
    ...notProven.map((what) => `not proven   ${printable(what)}`),
  );
  return `${lines.join('\n')}\n`;
}
