/** archive list, request, approve, refuse, read. */
import type { ArchiveRequest } from '@strongroom/client';
import type { Command } from 'commander';
import type { Session } from '../session.ts';
import { memoryText } from '../show/memory.ts';
import { tableText } from '../show/table.ts';
import { showTime } from '../show/time.ts';

export function archiveCommands(program: Command, session: Session): void {
  const archive = program.command('archive').description('copies of what has moved to the archive');
  archive
    .command('request')
    .description('ask for a copy of memories; somebody else has to approve it')
    .argument('<vault>', 'where they lie')
    .argument('<memory...>', 'mem_…')
    .requiredOption('--reason <text>', 'why')
    .action(async (vault: string, memories: string[], { reason }: { reason: string }) => {
      const asked = await session.client.archive.request({ vault, memories, reason });
      await session.show(asked, () => `${asked.id}\n`);
    });
  archive
    .command('list')
    .description('list what was asked for')
    .action(async () => {
      const requests = await Array.fromAsync(session.client.archive.listAll());
      await session.show({ requests }, () => {
        const columns = [
          { title: 'ID' },
          { title: 'STATE' },
          { title: 'MEMORIES', right: true },
          { title: 'BY' },
          { title: 'READY' },
          { title: 'ENDS' },
          { title: 'REASON' },
        ];
        return tableText(columns, requests.map(rowOf), session.place);
      });
    });
  archive
    .command('approve')
    .description("approve somebody else's request: its copy is ready after the wait")
    .argument('<id>', 'arq_…')
    .action(async (id: string) => {
      const approved = await session.client.archive.approve(id);
      await session.show(
        approved,
        () => `ready ${showTime(approved.readyAt)}, until ${showTime(approved.expiresAt)}\n`,
      );
    });
  archive
    .command('refuse')
    .description('refuse a request, or take one back')
    .argument('<id>', 'arq_…')
    .action(async (id: string) => {
      await session.client.archive.refuse(id);
      await session.show({ id, refused: true }, () => `${id}\n`);
    });
  archive
    .command('read')
    .description('read the copy, once it is ready and until it ends')
    .argument('<id>', 'arq_…')
    .action(async (id: string) => {
      const page = await session.client.archive.memories(id, { limit: 1000 });
      await session.show(page, () =>
        page.memories.map((memory) => memoryText(memory, session.place)).join(''),
      );
    });
}

const rowOf = (request: ArchiveRequest): string[] => [
  request.id,
  request.state,
  String(request.memories.length),
  request.requestedBy,
  showTime(request.readyAt),
  showTime(request.expiresAt),
  request.reason,
];
