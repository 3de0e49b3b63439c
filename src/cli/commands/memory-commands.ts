/** add, search, get, list, update, delete, restore, history: what people do with memories. */
import type { Memory, MemoryInput, MemoryPatch, SearchInput } from '@strongroom/client';
import { Option, type Command } from 'commander';
import { LIMITS } from '../../limits.ts';
import { usage } from '../exit.ts';
import { given, jsonObject, time, weights, wholeNumber } from '../flags.ts';
import type { Session } from '../session.ts';
import { counted } from '../show/number.ts';
import { memoryDetail, memoryText, resultText } from '../show/memory.ts';

interface EmbedFlag {
  /** False where `--no-embed` was given. */
  readonly embed: boolean;
}

interface VaultFlag {
  readonly vault: string;
}

type FieldFlags = Pick<
  MemoryInput,
  'metadata' | 'subject' | 'conversation' | 'speaker' | 'at' | 'kind' | 'expiresAt'
>;

export const vaultOption = (): Option =>
  new Option('--vault <name>', 'the vault, by name or id').default('default');

const withFields = (command: Command): Command =>
  command
    .option('--subject <id>', 'the person it is about, by your own id for them')
    .option('--conversation <id>', 'the conversation it belongs to')
    .option('--speaker <name>', 'who said it')
    .option('--at <time>', 'when it was said', time)
    .option('--kind <kind>', 'fact, message, document, summary, rule …')
    .option('--metadata <json>', 'a JSON object', jsonObject)
    .option('--expires-at <time>', 'when it is to be forgotten', time);

export function memoryCommands(program: Command, session: Session): void {
  addCommand(program, session);
  searchCommand(program, session);
  getCommand(program, session);
  listCommand(program, session);
  updateCommand(program, session);
  deleteCommand(program, session);
  restoreCommand(program, session);
  historyCommand(program, session);
  reviewCommands(program, session);
}

function addCommand(program: Command, session: Session): void {
  withFields(program.command('add').argument('[text]', 'what to remember; - or nothing: from standard input'))
    .description('add a memory')
    .addOption(vaultOption())
    .option('--no-embed', 'keep the text from the embedder of the vault')
    .action(async (text: string | undefined, flags: VaultFlag & FieldFlags & EmbedFlag) => {
      const { vault, embed, ...fields } = flags;
      const input = { text: await textOrInput(session, text), ...given(fields), ...embedOf(embed) };
      const memory = await session.client.memories.add(vault, input);
      await session.show(memory, () => `${memory.id}\n`);
    });
}

type SearchFlags = Pick<SearchInput, 'limit' | 'filter' | 'mode' | 'weights'>;

function searchCommand(program: Command, session: Session): void {
  program
    .command('search')
    .description('find memories by what they say')
    .argument('<query...>', 'a question or some words; \'"an exact phrase"\', begin*')
    .addOption(vaultOption())
    .option('--limit <n>', 'at most so many', wholeNumber(1, LIMITS.searchMax))
    .option('--filter <json>', 'a filter, like {"speaker": "Ann"}', jsonObject)
    .addOption(new Option('--mode <mode>', 'how to search').choices(['text', 'vector', 'hybrid']))
    .option('--weights <text:vector>', 'how the two lists of a hybrid search count, like 1:2', weights)
    .action(async (words: string[], flags: VaultFlag & SearchFlags) => {
      const { vault, ...rest } = flags;
      const results = await session.client.search(vault, { query: words.join(' '), ...given(rest) });
      await session.show({ results }, () =>
        results.map((result, i) => resultText(result, i + 1, session.place)).join(''),
      );
      if (results.length === 0) session.say('Nothing found.');
    });
}

function getCommand(program: Command, session: Session): void {
  program
    .command('get')
    .description('show a memory with all it holds')
    .argument('<id>', 'mem_…')
    .addOption(vaultOption())
    .option('--vector', 'with its vector')
    .action(async (id: string, flags: VaultFlag & { vector?: boolean }) => {
      const memory = await session.client.memories.get(flags.vault, id, given({ include: vectorOf(flags) }));
      await session.show(memory, () => memoryDetail(memory, session.place));
    });
}

interface ListFlags extends VaultFlag {
  readonly limit?: number;
  readonly cursor?: string;
  readonly filter?: ReturnType<typeof jsonObject>;
  readonly trashed?: boolean;
  readonly review?: boolean;
  readonly vector?: boolean;
  readonly all?: boolean;
}

function listCommand(program: Command, session: Session): void {
  program
    .command('list')
    .description('list memories, newest first')
    .addOption(vaultOption())
    .option('--limit <n>', 'at most so many in a page', wholeNumber(1, LIMITS.listMax))
    .option('--cursor <cursor>', 'the page after the one that named it')
    .option('--all', 'every page; with --json a line for each memory')
    .option('--filter <json>', 'a filter, like {"speaker": "Ann"}', jsonObject)
    .option('--trashed', 'what lies in the trash')
    .option('--review', 'what was erased before and waits for a decision')
    .option('--vector', 'with vectors')
    .action(async (flags: ListFlags) => {
      const { vault, limit, cursor, filter } = flags;
      const state = flags.review === true ? 'review' : flags.trashed === true ? 'trashed' : undefined;
      const query = given({ limit, cursor, filter, state, include: vectorOf(flags) } as const);
      if (flags.all === true) {
        await showAll(session, session.client.memories.listAll(vault, query));
        return;
      }
      const page = await session.client.memories.list(vault, query);
      await session.show(page, () =>
        page.memories.map((memory) => memoryText(memory, session.place)).join(''),
      );
      if (page.memories.length === 0) session.say('No memories.');
      if (page.next !== null) session.say(`There are more: add --cursor ${page.next}, or --all.`);
    });
}

async function showAll(session: Session, memories: AsyncIterable<Memory>): Promise<void> {
  for await (const memory of memories) await session.show(memory, () => memoryText(memory, session.place));
}

interface UpdateFlags extends VaultFlag, FieldFlags, EmbedFlag {
  readonly unset?: readonly (keyof MemoryPatch)[];
  readonly ifVersion?: number;
}

const UNSETTABLE = [
  'text',
  'vector',
  'metadata',
  'subject',
  'conversation',
  'speaker',
  'at',
  'kind',
  'expiresAt',
];

function updateCommand(program: Command, session: Session): void {
  withFields(program.command('update').argument('<id>', 'mem_…').argument('[text]', 'its new text'))
    .description('change a memory: what is not named stays')
    .addOption(vaultOption())
    .addOption(new Option('--unset <field...>', 'fields to remove').choices(UNSETTABLE))
    .option('--no-embed', 'keep a new text from the embedder of the vault')
    .option(
      '--if-version <n>',
      'only if this is the current version',
      wholeNumber(1, Number.MAX_SAFE_INTEGER),
    )
    .action(async (id: string, text: string | undefined, flags: UpdateFlags) => {
      const { vault, unset = [], ifVersion, embed, ...fields } = flags;
      const removed = Object.fromEntries(unset.map((field) => [field, null]));
      const patch = { ...given({ text, ...fields }), ...removed };
      if (Object.keys(patch).length === 0) throw usage('nothing to change: give a new text or a field');
      const change = { ...patch, ...embedOf(embed) };
      const memory = await session.client.memories.update(vault, id, change, given({ ifVersion }));
      await session.show(memory, () => `${memory.id} is now version ${memory.version}\n`);
    });
}

function deleteCommand(program: Command, session: Session): void {
  program
    .command('delete')
    .description('delete memories, into the trash or for good')
    .argument('<id...>', 'mem_…')
    .addOption(vaultOption())
    .addOption(new Option('--mode <mode>', 'by default what the vault says').choices(['trash', 'erase']))
    .action(async (ids: string[], flags: VaultFlag & { mode?: 'trash' | 'erase' }) => {
      let pending = 0;
      for (const id of ids) {
        const outcome = await session.client.memories.delete(flags.vault, id, given({ mode: flags.mode }));
        const isPending = outcome === 'accepted';
        if (isPending) pending++;
        await session.show({ id, deleted: true, ...(isPending ? { pending: true } : {}) }, () => `${id}\n`);
      }
      const done = ids.length - pending;
      if (done > 0) session.say(`Deleted ${counted(done, 'memory', 'memories')}.`);
      if (pending > 0) session.say(pendingText(pending));
    });
}

/** The key is not dead yet: what is only hidden must not pass for erased. */
const pendingText = (count: number): string =>
  `Hidden ${counted(count, 'memory', 'memories')}; not erased yet: that happens as soon as every replica of the keystore can be reached.`;

function restoreCommand(program: Command, session: Session): void {
  program
    .command('restore')
    .description('take memories out of the trash')
    .argument('<id...>', 'mem_…')
    .addOption(vaultOption())
    .action(async (ids: string[], flags: VaultFlag) => {
      for (const id of ids) {
        const memory = await session.client.memories.restore(flags.vault, id);
        await session.show(memory, () => `${memory.id}\n`);
      }
    });
}

function reviewCommands(program: Command, session: Session): void {
  program
    .command('approve')
    .description('let a memory stay that was erased before and came back')
    .argument('<id>', 'mem_…')
    .addOption(vaultOption())
    .action(async (id: string, flags: VaultFlag) => {
      const memory = await session.client.memories.approve(flags.vault, id);
      await session.show(memory, () => `${memory.id}\n`);
    });
  program
    .command('reject')
    .description('erase again a memory that was erased before and came back')
    .argument('<id>', 'mem_…')
    .addOption(vaultOption())
    .action(async (id: string, flags: VaultFlag) => {
      await session.client.memories.reject(flags.vault, id);
      await session.show({ id, rejected: true }, () => `${id}\n`);
    });
}

function historyCommand(program: Command, session: Session): void {
  program
    .command('history')
    .description('show the versions of a memory, newest first')
    .argument('<id>', 'mem_…')
    .addOption(vaultOption())
    .action(async (id: string, flags: VaultFlag) => {
      const versions = await session.client.memories.history(flags.vault, id);
      await session.show({ versions }, () =>
        versions.map((version) => memoryDetail(version, session.place)).join('\n'),
      );
    });
}

const embedOf = (embed: boolean): { embed?: false } => (embed ? {} : { embed: false });

const vectorOf = (flags: { readonly vector?: boolean }): 'vector' | undefined =>
  flags.vector === true ? 'vector' : undefined;

async function textOrInput(session: Session, text: string | undefined): Promise<string> {
  if (text !== undefined && text !== '-') return text;
  const input = await session.io.input();
  if (input === null) {
    throw usage('give the text: add "Ann prefers tea"');
  }
  return input.replace(/\r?\n$/, '');
}
