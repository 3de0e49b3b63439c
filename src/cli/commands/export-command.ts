/** export, export open: every memory of a vault as JSON Lines, which import takes again; sealed, where that is asked for. */
import type { Memory } from '@strongroom/client';
import type { Command } from 'commander';
import { usage } from '../exit.ts';
import { writeFileWhole, writeWhole } from '../file-output.ts';
import { given } from '../flags.ts';
import { createExportKey, exportKeyText, openSealed, parseExportKey, sealLines } from '../sealed-export.ts';
import type { Session } from '../session.ts';
import { counted } from '../show/number.ts';
import { vaultOption } from './memory-commands.ts';

interface ExportFlags {
  readonly vault: string;
  readonly out?: string;
  readonly vector: boolean;
  readonly sealed?: boolean;
}

interface OpenFlags {
  readonly key?: string;
  readonly out?: string;
}

const KEY_VARIABLE = 'STRONGROOM_EXPORT_KEY';

export function exportCommand(program: Command, session: Session): void {
  const command = program
    .command('export')
    .description('write every memory of a vault as JSON Lines, which import takes again')
    .addOption(vaultOption())
    .option('--out <file>', 'into a file, which must not exist yet')
    .option('--no-vector', 'without vectors')
    .option('--sealed', 'encrypt the file here, under a new key that is shown once')
    .action(async (flags: ExportFlags) => {
      const include = flags.vector ? 'vector' : undefined;
      const memories = session.client.memories.export(flags.vault, given({ include } as const));
      if (flags.sealed === true) await writeSealed(session, flags.out, memories);
      else await writePlain(session, flags.out, memories);
    });
  command
    .command('open')
    .description('give back the JSON Lines of a sealed export')
    .argument('<file>', 'what export --sealed wrote')
    .option('--key <key>', `srx_…, as it was shown (default: ${KEY_VARIABLE})`)
    .option('--out <file>', 'into a file, which must not exist yet')
    // Its parent has an option --out as well, and takes what stands behind the subcommand for its own.
    .action((file: string, _flags: OpenFlags, open: Command) =>
      openFile(session, file, open.optsWithGlobals<OpenFlags>()),
    );
}

async function writePlain(
  session: Session,
  out: string | undefined,
  memories: AsyncIterable<Memory>,
): Promise<void> {
  const count = await writeWhole(session, out, memoryLines(memories));
  const where = out === undefined ? '' : ` in ${out}, as plain text (--sealed encrypts)`;
  session.say(`${counted(count, 'memory', 'memories')}${where}.`);
}

/** The key goes to standard output, alone, and is kept nowhere. */
async function writeSealed(
  session: Session,
  out: string | undefined,
  memories: AsyncIterable<Memory>,
): Promise<void> {
  if (out === undefined || out === '-')
    throw usage('say where it is to lie: --out FILE; the key goes to standard output');
  const { random } = session.io;
  const key = createExportKey(random);
  let count = 0;
  const lines = async function* (): AsyncGenerator<string> {
    for await (const line of memoryLines(memories)) {
      count += 1;
      yield line;
    }
  };
  await writeFileWhole(session.path(out), sealLines(key, lines(), random));
  const text = exportKeyText(key);
  await session.show({ file: session.path(out), memories: count, key: text }, () => `${text}\n`);
  session.say(
    `${counted(count, 'memory', 'memories')} in ${out}, sealed. The key is shown this once: whoever has it reads the file, and nothing opens it without.`,
  );
}

async function openFile(session: Session, file: string, { key, out }: OpenFlags): Promise<void> {
  const text = key ?? session.io.variables[KEY_VARIABLE];
  if (text === undefined || text === '') throw usage(`the key is needed: --key srx_…, or ${KEY_VARIABLE}`);
  const exportKey = parseExportKey(text);
  const path = session.path(file);
  // What goes out cannot be taken back: all of it is tried before.
  if (out === undefined || out === '-') await readThrough(openSealed(path, exportKey));
  await writeWhole(session, out, openSealed(path, exportKey));
}

async function readThrough(parts: AsyncIterable<string>): Promise<void> {
  for await (const part of parts) if (part.length < 0) return;
}

export async function* memoryLines(memories: AsyncIterable<Memory>): AsyncGenerator<string> {
  for await (const memory of memories) yield `${JSON.stringify(memory)}\n`;
}
