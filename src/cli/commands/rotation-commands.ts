/** rotation list and run. With --data they open a stopped deployment themselves. */
import type { Rotation, RotationInput, RotationKey, RotationKeyAge } from '@strongroom/client';
import { Argument, type Command } from 'commander';
import type { Session } from '../session.ts';
import { readSettings } from '../settings.ts';
import { tableText } from '../show/table.ts';
import { showTime } from '../show/time.ts';

const KEYS: readonly RotationKey[] = [
  'root',
  'keystore',
  'ledger',
  'api-keys',
  'cursors',
  'backups',
  'certificates',
];

interface RunFlags {
  readonly data?: string;
  readonly destroy?: boolean;
}

export function rotationCommands(program: Command, session: Session): void {
  const rotation = program
    .command('rotation')
    .description('the keys of the service: how old they are, and replacing them');
  rotation
    .command('list')
    .description('show how old each key is, and when it is replaced by itself')
    .option('--data <dir>', 'of a stopped server')
    .action(async ({ data }: RunFlags) => {
      const { keys } =
        data === undefined
          ? await session.client.rotations.list()
          : await (await session.io.local()).listRotations(...(await placeOf(session, data)));
      await session.show({ keys }, () => agesText(session, keys));
    });
  rotation
    .command('run')
    .description('replace keys now')
    .addArgument(new Argument('[key...]', 'which; all of them, unless named').choices(KEYS))
    .option('--data <dir>', 'of a stopped server')
    .option('--destroy', 'end the old keys at once: backups from before then need new API keys')
    .action(async (named: RotationKey[], { data, destroy }: RunFlags) => {
      const input: RotationInput = {
        ...(named.length === 0 ? {} : { keys: named }),
        ...(destroy === true ? { retired: 'destroy' } : {}),
      };
      const { rotations } =
        data === undefined
          ? await session.client.rotations.run(input)
          : await (await session.io.local()).runRotation(...(await placeOf(session, data)), input);
      await session.show({ rotations }, () => rotations.map(rotationText).join(''));
    });
}

async function placeOf(session: Session, data: string) {
  const directory = session.path(data);
  return [directory, await readSettings(session.io, directory)] as const;
}

function agesText(session: Session, keys: readonly RotationKeyAge[]): string {
  const columns = ['KEY', 'SINCE', 'REPLACED BY', 'OLD KEYS'].map((title) => ({ title }));
  const rows = keys.map(({ key, since, rotateBy, retired }) => [
    key,
    showTime(since),
    showTime(rotateBy),
    retired
      .map(({ destroyBy }) => (destroyBy === null ? 'in use' : `until ${showTime(destroyBy)}`))
      .join(', '),
  ]);
  return tableText(columns, rows, session.place);
}

const rotationText = ({ key, destroyBy, state }: Rotation): string =>
  state === 'ended' || destroyBy === null
    ? `${key}: replaced; the old key is destroyed\n`
    : `${key}: replaced; the old key is destroyed after ${showTime(destroyBy)}\n`;
