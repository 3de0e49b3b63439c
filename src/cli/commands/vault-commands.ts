/** vault create, list, get, update, delete, rewind. */
import type {
  Language,
  Metric,
  Rewind,
  SearchWeights,
  TombstoneSetting,
  Vault,
  VaultEnvironment,
  VaultInput,
} from '@strongroom/client';
import { Option, type Command } from 'commander';
import { LIMITS } from '../../limits.ts';
import { LANGUAGES } from '../../search/languages.ts';
import { usage } from '../exit.ts';
import { given, time, weights, wholeNumber } from '../flags.ts';
import type { Session } from '../session.ts';
import { counted } from '../show/number.ts';
import { tableText } from '../show/table.ts';
import { showTime } from '../show/time.ts';

interface SettingFlags {
  readonly deletion?: 'trash' | 'immediate';
  readonly days?: number;
  readonly history?: boolean;
  readonly tombstones?: TombstoneSetting;
  readonly language?: Language;
  readonly weights?: SearchWeights;
  readonly embedder?: string | false;
}

interface CreateFlags extends SettingFlags {
  readonly dimensions?: number;
  readonly metric?: Metric;
  readonly environment?: VaultEnvironment;
}

const withSettings = (command: Command): Command =>
  command
    .addOption(new Option('--deletion <mode>', 'what deleting does').choices(['trash', 'immediate']))
    .option('--days <n>', 'days in the trash before erasure', wholeNumber(1, LIMITS.trashDaysMax))
    .addOption(
      new Option('--tombstones <setting>', 'what happens to an addition that was erased before').choices([
        'off',
        'refuse',
        'review',
      ]),
    )
    .option('--history', 'keep older versions')
    .option('--no-history', 'keep the current version only')
    .addOption(
      new Option('--language <code>', 'of its texts: what counts as the same word').choices(LANGUAGES),
    )
    .option('--weights <text:vector>', 'how the two lists of a hybrid search count, like 1:2', weights)
    .option('--embedder <model>', 'the model of the server that makes vectors for what comes without')
    .option('--no-embedder', 'no model; what is here keeps its vectors');

export function vaultCommands(program: Command, session: Session): void {
  const vault = program.command('vault').description('make, list, change and delete vaults');
  createCommand(vault, session);
  restoreCommand(vault, session);
  listCommand(vault, session);
  vault
    .command('get')
    .description('show a vault and its settings')
    .argument('<vault>', 'its name or id')
    .action(async (name: string) => {
      const found = await session.client.vaults.get(name);
      await session.show(found, () => vaultDetail(found));
    });
  updateCommand(vault, session);
  rewindCommand(vault, session);
  vault
    .command('delete')
    .description('put a vault with everything in it into the trash')
    .argument('<vault>', 'its name or id')
    .option('--yes', 'really')
    .action(async (name: string, flags: { yes?: boolean }) => {
      if (flags.yes !== true)
        throw usage(`this puts ${name} with everything in it into the trash: add --yes if it is meant`);
      await session.client.vaults.delete(name);
      await session.show({ vault: name, deleted: true }, () => `${name}\n`);
    });
}

function restoreCommand(vault: Command, session: Session): void {
  vault
    .command('restore')
    .description('take a vault out of the trash')
    .argument('<vault>', 'its id, or the name it had')
    .action(async (name: string) => {
      const found = await session.client.vaults.restore(name);
      await session.show(found, () => `${found.id}\n`);
    });
}

function createCommand(vault: Command, session: Session): void {
  withSettings(vault.command('create').argument('<name>', 'its name'))
    .description('make a vault')
    .option('--dimensions <n>', 'of its vectors', wholeNumber(LIMITS.dimensionsMin, LIMITS.dimensionsMax))
    .addOption(new Option('--metric <metric>', 'how vectors compare').choices(['cosine', 'dot', 'euclidean']))
    .addOption(
      new Option('--environment <name>', 'whose keys may open it').choices([
        'production',
        'staging',
        'development',
      ]),
    )
    .action(async (name: string, flags: CreateFlags) => {
      const { dimensions, metric, environment } = flags;
      const input: VaultInput = { name, ...given({ dimensions, metric, environment }), ...settingsOf(flags) };
      const made = await session.client.vaults.create(input);
      await session.show(made, () => `${made.id}\n`);
    });
}

function updateCommand(vault: Command, session: Session): void {
  withSettings(vault.command('update').argument('<vault>', 'its name or id'))
    .description('change a vault: what is not named stays')
    .option('--name <name>', 'its new name')
    .option(
      '--if-version <n>',
      'only if this is the current version',
      wholeNumber(1, Number.MAX_SAFE_INTEGER),
    )
    .action(async (name: string, flags: SettingFlags & { name?: string; ifVersion?: number }) => {
      const patch = { ...given({ name: flags.name }), ...settingsOf(flags) };
      if (Object.keys(patch).length === 0) throw usage('nothing to change: name a setting');
      const changed = await session.client.vaults.update(name, patch, given({ ifVersion: flags.ifVersion }));
      await session.show(changed, () => vaultDetail(changed));
    });
}

function listCommand(vault: Command, session: Session): void {
  vault
    .command('list')
    .description('list the vaults your key may see')
    .option('--trashed', 'those in the trash')
    .action(async ({ trashed }: { trashed?: boolean }) => {
      const query = trashed === true ? ({ state: 'trashed' } as const) : {};
      const vaults = await Array.fromAsync(session.client.vaults.listAll(undefined, query));
      await session.show({ vaults }, () => {
        const columns = [
          { title: 'NAME' },
          { title: 'ID' },
          { title: 'DIMENSIONS', right: true },
          { title: 'DELETION' },
          { title: 'MADE' },
          ...(trashed === true ? [{ title: 'ENDS' }] : []),
        ];
        const rows = vaults.map((vault) => [
          ...rowOf(vault),
          ...(vault.endsAt === undefined ? [] : [showTime(vault.endsAt)]),
        ]);
        return tableText(columns, rows, session.place);
      });
    });
}

interface RewindFlags {
  readonly at?: string;
  readonly confirm?: string;
}

function rewindCommand(vault: Command, session: Session): void {
  vault
    .command('rewind')
    .description('take a vault back to what a backup shows; without --confirm only say what that would do')
    .argument('<vault>', 'its name or id')
    .option('--at <time>', 'the newest moment up to this; default: the newest there is', time)
    .option('--confirm <word>', 'as a dry run has said it: do it')
    .action(async (name: string, { at, confirm }: RewindFlags) => {
      if (at !== undefined && confirm !== undefined)
        throw usage('--confirm says by itself which moment was meant: leave out --at');
      const { vaults } = session.client;
      const done = await withProgress(
        session,
        () => vaults.rewind(name, given({ at, confirm })),
        async () =>
          confirm === undefined ? undefined : (await vaults.rewinds(name, { limit: 1 })).rewinds[0],
      );
      await session.show(done, () => rewindText(done));
      if (done.confirm === undefined) return;
      session.say(
        `Nothing has been changed. To do it, within a quarter of an hour:\n` +
          `${session.command} vault rewind ${name} --confirm ${done.confirm}`,
      );
    });
}

const PROGRESS_MS = 1000;

/** Says now and then how far it has come. */
async function withProgress(
  session: Session,
  work: () => Promise<Rewind>,
  look: () => Promise<Rewind | undefined>,
): Promise<Rewind> {
  const timer = setInterval(() => {
    look().then(
      (now) => {
        if (now?.state !== 'running') return;
        const looked = Object.values(now.counts).reduce((sum, count) => sum + count, 0);
        session.say(`${counted(looked, 'memory', 'memories')} so far`);
      },
      // Whether it can be asked meanwhile does not matter: the answer itself will say what came of it.
      () => undefined,
    );
  }, PROGRESS_MS);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

const FATES: readonly (readonly [keyof Rewind['counts'], string])[] = [
  ['unchanged', 'as they were'],
  ['changed', 'say again what they said'],
  ['returned', 'out of the trash again'],
  ['missing', 'put back'],
  ['newer', 'came later: into the trash'],
  ['kept', 'came later, kept by a hold or a statute'],
  ['gone', 'destroyed since: nothing brings them back'],
  ['over', 'their time is over'],
  ['left', 'left as they are'],
];

const rewindText = ({ state, at, undoAt, counts }: Rewind): string =>
  [
    `${state === 'planned' ? 'would go back to' : state === 'done' ? 'went back to' : state}  ${showTime(at)}`,
    ...FATES.flatMap(([name, words]) =>
      counts[name] === 0 ? [] : [`  ${String(counts[name]).padStart(8)}  ${words}`],
    ),
    ...(undoAt === null ? [] : [`the way back: rewind --at ${undoAt}`]),
    '',
  ].join('\n');

const deletionText = ({ deletion }: Vault): string =>
  deletion.mode === 'trash' ? `after ${deletion.days} days in the trash` : 'at once';

const rowOf = (vault: Vault): string[] => [
  vault.name,
  vault.id,
  vault.dimensions === null ? '-' : String(vault.dimensions),
  deletionText(vault),
  showTime(vault.createdAt),
];

const vaultDetail = (vault: Vault): string =>
  [
    ['name', vault.name],
    ['id', vault.id],
    ['dimensions', vault.dimensions === null ? 'set by the first vector' : String(vault.dimensions)],
    ['metric', vault.metric],
    ['deletion', deletionText(vault)],
    ['history', vault.history ? 'older versions are kept' : 'the current version only'],
    ['tombstones', vault.tombstones],
    ['environment', vault.environment],
    ['language', vault.language === 'auto' ? 'told from each text' : vault.language],
    ['weights', `text ${vault.weights.text}, vector ${vault.weights.vector}`],
    ['embedder', vault.embedder ?? 'none: vectors are brought'],
    ['version', String(vault.version)],
    ['made', showTime(vault.createdAt)],
    ['changed', showTime(vault.updatedAt)],
  ]
    .map(([name = '', value = '']) => `${name.padEnd(12)}  ${value}\n`)
    .join('');

function settingsOf(flags: SettingFlags): Omit<VaultInput, 'name' | 'dimensions' | 'metric' | 'environment'> {
  const deletion = given({ mode: flags.deletion, days: flags.days });
  return given({
    history: flags.history,
    tombstones: flags.tombstones,
    language: flags.language,
    weights: flags.weights,
    embedder: flags.embedder === false ? null : flags.embedder,
    deletion: Object.keys(deletion).length === 0 ? undefined : deletion,
  });
}
