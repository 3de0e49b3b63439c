/** retention show, set, simulate, explain: of the organization, or of a vault that is named. */
import type {
  LogRetention,
  RetentionClass,
  RetentionEffect,
  RetentionExplanation,
  RetentionKind,
  RetentionPolicyInput,
  RetentionPolicyView,
  RetentionSimulation,
  RetentionTrash,
} from '@strongroom/client';
import type { Command } from 'commander';
import { LIMITS } from '../../limits.ts';
import { usage } from '../exit.ts';
import { collect, given, wholeNumber } from '../flags.ts';
import type { Session } from '../session.ts';
import { tableText } from '../show/table.ts';
import { printable } from '../show/text.ts';
import { showTime } from '../show/time.ts';

interface PolicyFlags {
  readonly vault?: string;
  readonly days?: number;
  readonly archiveAfter?: number;
  readonly minimum?: number;
  readonly conversationDays?: number;
  readonly conversationArchiveAfter?: number;
  readonly conversationMinimum?: number;
  readonly kind?: readonly string[];
  readonly archiveWait?: number;
  readonly copyHours?: number;
  readonly ifVersion?: number;
}

const days = wholeNumber(1, LIMITS.retentionDaysMax);

const inVault = (command: Command): Command =>
  command.option('--vault <name>', 'of this vault; without it, of the organization');

const withPolicy = (command: Command): Command =>
  inVault(command)
    .option('--days <n>', 'days for which memories are kept', days)
    .option('--archive-after <n>', 'days after which they move to the archive', days)
    .option('--minimum <n>', 'days for which a statute keeps them, whoever asks', days)
    .option('--conversation-days <n>', 'the same for what lies in conversations', days)
    .option('--conversation-archive-after <n>', 'the same for what lies in conversations', days)
    .option('--conversation-minimum <n>', 'the same for what lies in conversations', days)
    .option('--kind <kind=days>', 'days for memories of a kind; several times', collect)
    .option(
      '--archive-wait <hours>',
      'how long an approved archive request waits',
      wholeNumber(0, LIMITS.archiveWaitHoursMax),
    )
    .option('--copy-hours <hours>', 'how long its copy lasts', wholeNumber(1, LIMITS.archiveCopyHoursMax));

export function retentionCommands(program: Command, session: Session): void {
  const retention = program.command('retention').description('how long things are kept');
  inVault(retention.command('show'))
    .description('show the policy')
    .action(async ({ vault }: PolicyFlags) => {
      const policy = await session.client.retention.get(vault);
      await session.show(policy, () => policyText(policy));
    });
  withPolicy(retention.command('set'))
    .description('set the policy whole: what is not named has no rule any more. In force at once')
    .option(
      '--if-version <n>',
      'only if this is the current version',
      wholeNumber(0, Number.MAX_SAFE_INTEGER),
    )
    .action(async (flags: PolicyFlags) => {
      const options = given({ ifVersion: flags.ifVersion });
      const policy = await session.client.retention.set(policyOf(flags), flags.vault, options);
      await session.show(policy, () => policyText(policy));
    });
  withPolicy(retention.command('simulate'))
    .description('say what such a policy would remove, before it does')
    .action(async (flags: PolicyFlags) => {
      const simulation = await session.client.retention.simulate(policyOf(flags), flags.vault);
      await session.show(simulation, () => simulationText(simulation, session));
    });
  retention
    .command('explain')
    .description('which rule decides about a memory, or a line of the application log, and when it ends')
    .argument('<vault>', 'its vault; or the word log')
    .argument(
      '[memory]',
      'mem_…; of the log, the day or the time of a line (by default one that is written now)',
    )
    .action(async (vault: string, memory?: string) => {
      if (vault === 'log' && memory?.startsWith('mem_') !== true) {
        const line = await session.client.retention.explainLog(given({ at: memory }));
        await session.show(line, () => logText(line));
        return;
      }
      if (memory === undefined) throw usage('say which memory: retention explain VAULT mem_…');
      const explanation = await session.client.retention.explain(vault, memory);
      await session.show(explanation, () => explanationText(explanation, session));
    });
}

function policyOf(flags: PolicyFlags): RetentionPolicyInput {
  const memories = given({
    days: flags.days,
    archiveAfterDays: flags.archiveAfter,
    minimumDays: flags.minimum,
  });
  const conversations = given({
    days: flags.conversationDays,
    archiveAfterDays: flags.conversationArchiveAfter,
    minimumDays: flags.conversationMinimum,
  });
  const archive = given({ waitHours: flags.archiveWait, copyHours: flags.copyHours });
  const ifAny = <T extends object>(members: T): T | undefined =>
    Object.keys(members).length === 0 ? undefined : members;
  return given({
    memories: ifAny(memories),
    conversations: ifAny(conversations),
    kinds: flags.kind?.map(kindOf),
    archive: ifAny(archive),
  });
}

/** `rumour=30` */
function kindOf(text: string): RetentionKind {
  const at = text.lastIndexOf('=');
  const count = Number(text.slice(at + 1));
  if (at < 1 || !Number.isInteger(count) || count < 1)
    throw usage(`--kind ${text}: a kind and its days, like rumour=30`);
  return { kind: text.slice(0, at), days: count };
}

function policyText(policy: RetentionPolicyView): string {
  const classText = ({ days: kept, archiveAfterDays, minimumDays }: RetentionClass): string => {
    const said = [
      ...(kept === null ? [] : [`kept ${kept} days`]),
      ...(archiveAfterDays === null ? [] : [`archived after ${archiveAfterDays} days`]),
      ...(minimumDays === null ? [] : [`at least ${minimumDays} days`]),
    ];
    return said.length === 0 ? 'no rule' : said.join(', ');
  };
  const { logs, archive } = policy;
  return linesOf([
    ['place', policy.vault ?? 'the organization'],
    ['memories', classText(policy.memories)],
    ['conversations', classText(policy.conversations)],
    ...policy.kinds.map(({ kind, days: kept }): [string, string] => [`kind ${kind}`, `kept ${kept} days`]),
    ['cap', policy.capDays === null ? 'none' : `${policy.capDays} days`],
    ['archive', `ready ${archive.waitHours} h after approval, copies last ${archive.copyHours} h`],
    ['ledger', `${logs.ledgerYears} years, refusals at least ${logs.securityMonths} months`],
    ['log', logs.applicationDays === null ? 'kept by the platform' : `${logs.applicationDays} days`],
    ['version', String(policy.version)],
  ]);
}

function simulationText(simulation: RetentionSimulation, session: Session): string {
  const rows = (what: string, effects: readonly RetentionEffect[]): string[][] =>
    effects.map((effect) => [
      what,
      String(effect.count),
      effect.class,
      effect.vault,
      effect.memories.slice(0, 3).join(' '),
    ]);
  const all = [
    ...rows('ends', simulation.removes),
    ...rows('is kept', simulation.keeps),
    ...rows('is archived', simulation.archives),
  ];
  if (all.length === 0) return 'nothing would change\n';
  const columns = [
    { title: 'WOULD' },
    { title: 'COUNT', right: true },
    { title: 'CLASS' },
    { title: 'VAULT' },
    { title: 'FIRST' },
  ];
  return tableText(columns, all, session.place);
}

function explanationText(explanation: RetentionExplanation, session: Session): string {
  const { rule, endsAt, hiddenAt, archivesAt, holds, state, trash } = explanation;
  const head = linesOf([
    ['memory', explanation.memory],
    ['state', state],
    ['rule', rule],
    ['ends', endsAt === null ? 'not by itself' : showTime(endsAt)],
    ['hidden', hiddenAt === null ? 'not by itself' : showTime(hiddenAt)],
    ...(archivesAt === null ? [] : [['archived', showTime(archivesAt)] as [string, string]]),
    ...holds.map((hold): [string, string] => ['held by', hold]),
    ...trash.map((one): [string, string] => [`${one.of} in trash`, trashText(one)]),
  ]);
  const rows = explanation.considered.map(({ rule: name, applies, at }) => [
    name,
    applies ? 'yes' : 'no',
    at === null ? '-' : showTime(at),
  ]);
  const columns = [{ title: 'RULE' }, { title: 'APPLIES' }, { title: 'UNTIL' }];
  return `${head}\n${tableText(columns, rows, session.place)}`;
}

function logText({ days: kept, file, at, endsAt }: LogRetention): string {
  if (kept === null || file === null || endsAt === null)
    return 'kept by the platform: the server has no folder for its log\n';
  return linesOf([
    ['line', `of ${showTime(at)}`],
    ['file', file],
    ['rule', `the application log is kept ${kept} days`],
    ['ends', showTime(endsAt)],
  ]);
}

const trashText = ({ at, endsAt, keptBy }: RetentionTrash): string =>
  endsAt === null
    ? `since ${showTime(at)}, kept by ${keptBy.join(', ')}`
    : `since ${showTime(at)}, until ${showTime(endsAt)}`;

const linesOf = (lines: readonly (readonly [string, string])[]): string =>
  lines.map(([name, value]) => `${printable(name).padEnd(13)}  ${printable(value)}\n`).join('');
