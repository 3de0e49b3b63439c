/** hold place, list, show, release. */
import type { Hold, HoldTarget } from '@strongroom/client';
import type { Command } from 'commander';
import { usage } from '../exit.ts';
import { collect, given } from '../flags.ts';
import type { Session } from '../session.ts';
import { memoryText } from '../show/memory.ts';
import { tableText } from '../show/table.ts';
import { showTime } from '../show/time.ts';

interface PlaceFlags {
  readonly reason?: string;
  readonly subject?: string;
  readonly vault?: string;
  readonly conversation?: string;
  readonly memory?: readonly string[];
  readonly organization?: boolean;
}

export function holdCommands(program: Command, session: Session): void {
  const hold = program.command('hold').description('legal holds: nothing that one keeps can be deleted');
  hold
    .command('place')
    .description('place a hold on a person, a vault, a conversation or memories of one, or everything')
    .argument('<name>', 'what it is called')
    .option('--reason <text>', 'why')
    .option('--subject <name>', 'everything about this person')
    .option('--vault <name>', 'this vault, or where the conversation or the memories lie')
    .option('--conversation <name>', 'this conversation')
    .option('--memory <id>', 'this memory; several times', collect)
    .option('--organization', 'everything the organization has')
    .action(async (name: string, flags: PlaceFlags) => {
      const placed = await session.client.holds.place({
        name,
        ...given({ reason: flags.reason }),
        target: targetOf(flags),
      });
      await session.show(placed, () => `${placed.id}\n`);
    });
  hold
    .command('list')
    .description('list the holds, the released ones as well')
    .action(async () => {
      const holds = await Array.fromAsync(session.client.holds.listAll());
      await session.show({ holds }, () => {
        const columns = [
          { title: 'NAME' },
          { title: 'ID' },
          { title: 'STATE' },
          { title: 'ON' },
          { title: 'PLACED' },
        ];
        return tableText(columns, holds.map(rowOf), session.place);
      });
    });
  hold
    .command('show')
    .description('what a hold keeps: also what has expired or lies in the trash')
    .argument('<id>', 'hld_…')
    .action(async (id: string) => {
      const page = await session.client.holds.memories(id, { limit: 100 });
      await session.show(page, () =>
        page.memories.map((memory) => memoryText(memory, session.place)).join(''),
      );
      if (page.next !== null) session.say('There are more: --json shows where the list goes on.');
    });
  hold
    .command('release')
    .description('release holds: what only they kept ends where its time is over')
    .argument('<id...>', 'hld_…')
    .action(async (ids: string[]) => {
      for (const id of ids) {
        await session.client.holds.release(id);
        await session.show({ id, released: true }, () => `${id}\n`);
      }
    });
}

function targetOf({ subject, vault, conversation, memory, organization }: PlaceFlags): HoldTarget {
  const named = [subject, vault, organization].filter((one) => one !== undefined);
  if (named.length !== 1)
    throw usage(
      'say what is held: one of --subject, --vault (with --conversation or --memory) and --organization',
    );
  if (organization === true) return { organization };
  return given({ subject, vault, conversation, memories: memory?.slice() });
}

const rowOf = ({ id, name, state, kind, target, createdAt }: Hold): string[] => [
  name ?? '(lost in a restore)',
  id,
  state,
  [kind, target.subject ?? target.conversation ?? target.vault ?? ''].join(' ').trim(),
  showTime(createdAt),
];
