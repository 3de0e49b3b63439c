/** export: every memory of a vault as JSON Lines, which import takes again. */
import type { Memory } from '@strongroom/client';
import type { Command } from 'commander';
import { writeWhole } from '../file-output.ts';
import { given } from '../flags.ts';
import type { Session } from '../session.ts';
import { counted } from '../show/number.ts';
import { vaultOption } from './memory-commands.ts';

interface ExportFlags {
  readonly vault: string;
  readonly out?: string;
  readonly vector: boolean;
}

export function exportCommand(program: Command, session: Session): void {
  program
    .command('export')
    .description('write every memory of a vault as JSON Lines, which import takes again')
    .addOption(vaultOption())
    .option('--out <file>', 'into a file, which must not exist yet')
    .option('--no-vector', 'without vectors')
    .action(async (flags: ExportFlags) => {
      const include = flags.vector ? 'vector' : undefined;
      const memories = session.client.memories.export(flags.vault, given({ include } as const));
      const count = await writeWhole(session, flags.out, linesOf(memories));
      session.say(
        `${counted(count, 'memory', 'memories')}${flags.out === undefined ? '' : ` in ${flags.out}`}.`,
      );
    });
}

async function* linesOf(memories: AsyncIterable<Memory>): AsyncGenerator<string> {
  for await (const memory of memories) yield `${JSON.stringify(memory)}\n`;
}
