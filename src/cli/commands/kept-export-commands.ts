/** exports create, list, show, read, remove: exports that the server keeps, sealed, for a time. */
import { StrongroomError, type Export, type ExportInput } from '@strongroom/client';
import type { Command } from 'commander';
import { LIMITS } from '../../limits.ts';
import { writeWhole } from '../file-output.ts';
import { given, jsonObject, wholeNumber } from '../flags.ts';
import type { Session } from '../session.ts';
import { EXPORT_COLUMNS, exportRow } from '../show/export.ts';
import { NowAndThen } from '../show/now-and-then.ts';
import { counted, grouped } from '../show/number.ts';
import { tableText } from '../show/table.ts';
import { memoryLines } from './export-command.ts';
import { vaultOption } from './memory-commands.ts';

interface CreateFlags {
  readonly vault: string;
  readonly filter?: ReturnType<typeof jsonObject>;
  readonly days?: number;
}

interface ReadFlags {
  readonly out?: string;
  readonly vector: boolean;
}

export function keptExportCommands(program: Command, session: Session): void {
  const exports = program
    .command('exports')
    .description('exports that the server keeps, sealed: what is erased meanwhile opens in none of them');
  exports
    .command('create')
    .description('keep what a vault says now')
    .addOption(vaultOption())
    .option('--filter <json>', 'only memories that it keeps', jsonObject)
    .option(
      '--days <n>',
      `for so many days (default: ${LIMITS.exportDaysDefault})`,
      wholeNumber(1, LIMITS.exportDaysMax),
    )
    .action(async ({ vault, filter, days }: CreateFlags) => {
      const input: ExportInput = given({ filter, expiresInDays: days });
      await showOne(session, await made(session, vault, input));
    });
  exports
    .command('list')
    .description('list those of a vault, newest first')
    .addOption(vaultOption())
    .action(async ({ vault }: { vault: string }) => {
      const found = await Array.fromAsync(session.client.exports.listAll(vault));
      await session.show({ exports: found }, () =>
        tableText(EXPORT_COLUMNS, found.map(exportRow), session.place),
      );
    });
  exports
    .command('show')
    .description('how one stands, and not what it says')
    .argument('<id>', 'exp_…')
    .action(async (id: string) => showOne(session, await session.client.exports.get(id)));
  exports
    .command('read')
    .description('write what one holds as JSON Lines, without what was erased or has ended since')
    .argument('<id>', 'exp_…')
    .option('--out <file>', 'into a file, which must not exist yet')
    .option('--no-vector', 'without vectors')
    .action(async (id: string, { out, vector }: ReadFlags) => {
      const include = vector ? 'vector' : undefined;
      const memories = session.client.exports.memories(id, given({ include } as const));
      const count = await writeWhole(session, out, memoryLines(memories));
      const where = out === undefined ? '' : ` in ${out}, as plain text`;
      session.say(`${counted(count, 'memory', 'memories')}${where}.`);
    });
  exports
    .command('remove')
    .description('end one before its time')
    .argument('<id>', 'exp_…')
    .action(async (id: string) => {
      await session.client.exports.remove(id);
      await session.show({ id, removed: true }, () => `${id}\n`);
    });
}

/** As events, so that it may take as long as it takes. */
async function made(session: Session, vault: string, input: ExportInput): Promise<Export> {
  const progress = new NowAndThen(session);
  for await (const event of session.client.exports.createStream(vault, input))
    if (event.type === 'export') return event.export;
    else progress.say(`${grouped(event.memories)} memories`);
  throw new StrongroomError(
    'answer.invalid',
    'the export broke off: strongroom exports list says how it stands',
  );
}

const showOne = (session: Session, one: Export): Promise<void> =>
  session.show(one, () => tableText(EXPORT_COLUMNS, [exportRow(one)], session.place));
