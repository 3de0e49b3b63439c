/** key create, list, rotate, revoke. With --data, `create` opens the data directory itself: the way back in. */
import type { Key, KeyInput, KeyScope, NewKey, VaultEnvironment } from '@strongroom/client';
import { Option, type Command } from 'commander';
import { usage } from '../exit.ts';
import { collect, given, time } from '../flags.ts';
import type { Session } from '../session.ts';
import { readSettings } from '../settings.ts';
import { tableText } from '../show/table.ts';
import { showTime } from '../show/time.ts';

interface CreateFlags {
  readonly data?: string;
  readonly environment?: VaultEnvironment;
  readonly scope?: readonly string[];
  readonly network?: readonly string[];
  readonly expiresAt?: string;
}

export function keyCommands(program: Command, session: Session): void {
  const key = program.command('key').description('make, list, rotate and revoke API keys');
  createCommand(key, session);
  key
    .command('list')
    .description('list the keys, without their secrets')
    .action(async () => {
      const keys = await Array.fromAsync(session.client.keys.listAll());
      await session.show({ keys }, () => {
        const columns = [
          { title: 'NAME' },
          { title: 'ID' },
          { title: 'STATE' },
          { title: 'ENDS' },
          { title: 'SCOPES' },
        ];
        return tableText(columns, keys.map(rowOf), session.place);
      });
    });
  key
    .command('rotate')
    .description('replace a key by a new one with the same rights')
    .argument('<id>', 'key_…')
    .action(async (id: string) => {
      await showNewKey(session, await session.client.keys.rotate(id));
    });
  key
    .command('revoke')
    .description('end keys at once')
    .argument('<id...>', 'key_…')
    .action(async (ids: string[]) => {
      for (const id of ids) {
        await session.client.keys.revoke(id);
        await session.show({ id, revoked: true }, () => `${id}\n`);
      }
    });
}

function createCommand(key: Command, session: Session): void {
  key
    .command('create')
    .description('make a key; its text is shown once')
    .argument('<name>', 'what it is for')
    .option('--data <dir>', 'of a stopped server: makes the key without one')
    .addOption(
      new Option('--environment <name>', 'whose vaults it may open').choices([
        'production',
        'staging',
        'development',
      ]),
    )
    .option(
      '--scope <actions@vaults>',
      'memory.*@notes or memory.add,memory.search@*; several times',
      collect,
    )
    .option('--network <cidr>', 'a network it may be used from; several times', collect)
    .option('--expires-at <time>', 'when it ends', time)
    .action(async (name: string, flags: CreateFlags) => {
      const { data, environment, scope, network, expiresAt } = flags;
      const rest = { environment, scopes: scope?.map(parseScope), networks: network?.slice(), expiresAt };
      const input: KeyInput = { name, ...given(rest) };
      await showNewKey(session, await createKey(session, data, input));
    });
}

async function createKey(session: Session, data: string | undefined, input: KeyInput): Promise<NewKey> {
  if (data === undefined) return await session.client.keys.create(input);
  const directory = session.path(data);
  const local = await session.io.local();
  return await local.createKey(directory, await readSettings(session.io, directory), input);
}

async function showNewKey(session: Session, key: NewKey): Promise<void> {
  await session.show(key, () => `export STRONGROOM_API_KEY=${key.apiKey}\n`);
  session.say(`This is ${key.id}. Its text is shown this once: keep it in a safe place.`);
}

/** `memory.*@notes`: actions, and the vaults they are allowed on. */
export function parseScope(text: string): KeyScope {
  const at = text.indexOf('@');
  const actions = (at < 0 ? text : text.slice(0, at)).split(',').filter((part) => part !== '');
  const vaults = (at < 0 ? '*' : text.slice(at + 1)).split(',').filter((part) => part !== '');
  if (actions.length === 0 || vaults.length === 0)
    throw usage(`--scope ${text}: actions, then @ and vaults, like memory.*@notes`);
  return { actions, vaults };
}

const rowOf = (key: Key): string[] => [
  key.name,
  key.id,
  key.state,
  key.expiresAt === undefined ? 'never' : showTime(key.expiresAt),
  key.scopes.map(({ actions, vaults }) => `${actions.join(',')}@${vaults.join(',')}`).join(' '),
];
