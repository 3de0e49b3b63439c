/**
 * The ledger from outside, with what any customer has: two signed checkpoints with deeds between them, the proof that one grew
 * out of the other, and an export. Roots are computed anew from the exported leaves, the export is verified as anybody could
 * offline, and copies of it that were altered in every way must each be found out.
 */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { encodeHex, encodeUtf8 } from '../../bytes/encoding.ts';
import { isEqual } from '../../bytes/equal.ts';
import { openCheckpoint } from '../../ledger/checkpoint.ts';
import { verifyConsistencyProof } from '../../ledger/consistency-proof.ts';
import { Frontier, leafHash } from '../../ledger/merkle.ts';
import { parseVkey, type VerifierKey } from '../../ledger/note.ts';
import { verifyExport } from '../../ledger/verify-export.ts';
import { canaryEnd, withVault } from '../canary-vault.ts';
import { defineCheck, judged } from '../check.ts';
import { replaced } from '../replaced.ts';
import type { LogHeads } from '../log-heads.ts';
import type { World } from '../world.ts';

const DEEDS = 5;

interface Line {
  readonly type: string;
  readonly n?: number;
  readonly leaf?: string;
  readonly size?: number;
  readonly note?: string;
  readonly box?: string;
}

interface Exported {
  readonly checkpoints: readonly {
    readonly size: number;
    readonly claimed: string;
    readonly computed: string | null;
  }[];
  /** What is wrong with the proof that the later checkpoint begins with the earlier; null: nothing. */
  readonly growthFault: string | null;
  readonly entries: number;
  readonly declared: number;
  /** Faults that verification names in the export as it came. */
  readonly faults: readonly string[];
  /** Ways of altering a copy, and whether it was found out. */
  readonly altered: Readonly<Record<string, boolean>>;
  /** Deeds of this check that the export does not hold. */
  readonly missingDeeds: number;
  readonly deeds: number;
  readonly exportEntries: number;
  /** All logs of the deployment, before and after. */
  readonly heads: LogHeads;
  readonly backwards: number;
  readonly skewMs: number;
}

export const ledgerCheck = defineCheck<Exported>({
  name: 'ledger',
  place: 'live',
  observe: exportLedger,
  judges: {
    'AUD-02': ({ checkpoints, growthFault, altered, heads, backwards, skewMs, entries }, { seconds = 0 }) => {
      const faults = [
        ...checkpoints
          .filter(({ claimed, computed }) => claimed !== computed)
          .map(({ size }) => `the signed root of ${size} entries is not that of the entries`),
        ...(growthFault === null ? [] : [growthFault]),
        ...Object.entries(altered).flatMap(([how, isFound]) =>
          isFound ? [] : [`a copy is not found out: ${how}`],
        ),
        ...heads.faults,
        ...(backwards > 0 ? [`time runs backwards at ${backwards} entries`] : []),
        ...(skewMs > seconds * 1000
          ? [`the clock of the ledger is off by ${Math.round(skewMs / 1000)} s`]
          : []),
      ];
      return judged(Math.min(checkpoints.length, entries, heads.looked), faults, {
        entries,
        logs: heads.looked,
        alteredCopies: Object.keys(altered).length,
        skewMs,
      });
    },
    'AUD-03': ({ faults: found, entries, declared, missingDeeds, exportEntries, deeds }) => {
      const faults = [
        ...found,
        ...(entries === declared ? [] : [`the export says ${declared} entries and holds ${entries}`]),
        ...(missingDeeds === 0 ? [] : [`${missingDeeds} of ${deeds} deeds are not in the export`]),
        ...(exportEntries === 1 ? [] : [`the export itself was written down ${exportEntries} times`]),
      ];
      return judged(entries, faults, { entries, deeds });
    },
  },
  sabotages: [
    {
      name: 'forked-checkpoint',
      breaks: 'A checkpoint shows another root than that of the entries.',
      turns: ['AUD-02'],
      change: {
        parts: (real) => ({
          ...real,
          ledger: replaced(real.ledger, {
            checkpoint: async (context) => {
              const checkpoint = await real.ledger.checkpoint(context);
              return { ...checkpoint, rootHash: encodeHex(leafHash(encodeUtf8(checkpoint.rootHash))) };
            },
          }),
        }),
      },
    },
    {
      name: 'forked-growth',
      breaks: 'The log that is said to have grown out of an earlier one is another.',
      turns: ['AUD-02'],
      change: {
        parts: (real) => ({
          ...real,
          ledger: replaced(real.ledger, {
            consistency: async (context, from, size) => {
              const growth = await real.ledger.consistency(context, from, size);
              return { ...growth, proof: growth.proof.replace(/(?<=^old \d+\n)./, otherLetter) };
            },
          }),
        }),
      },
    },
    {
      name: 'rewritten-entry',
      breaks: 'One entry is shown as if another had done it.',
      turns: ['AUD-02', 'AUD-03'],
      change: {
        parts: (real) => ({
          ...real,
          ledger: replaced(real.ledger, {
            exportLedger: async function* (context) {
              for await (const line of real.ledger.exportLedger(context))
                yield line.includes('"n":3,')
                  ? line.replace(/\\"outcome\\":\\"done\\"/, '\\"outcome\\":\\"failed\\"')
                  : line;
            },
          }),
        }),
      },
    },
    {
      name: 'log-set-back',
      breaks: "Another organization's log is cut back to its first entry, and signed again.",
      turns: ['AUD-02'],
      change: {
        parts: (real, { directory }) => ({
          ...real,
          ledger: replaced(real.ledger, {
            exportLedger: (context) => {
              setBack(directory);
              return real.ledger.exportLedger(context);
            },
          }),
        }),
      },
    },
    {
      name: 'slow-clock',
      breaks: 'Entries are dated a minute ago.',
      turns: ['AUD-02'],
      change: { clock: (real) => ({ now: () => real.now() - 61_000 }) },
    },
    {
      name: 'cut-export',
      breaks: 'The export leaves out its last entries.',
      turns: ['AUD-03'],
      change: {
        parts: (real) => ({
          ...real,
          ledger: replaced(real.ledger, {
            exportLedger: async function* (context) {
              const lines = await Array.fromAsync(real.ledger.exportLedger(context));
              const last = lines.findLastIndex((line) => line.includes('"type":"entry"'));
              yield* lines.toSpliced(last, 1);
            },
          }),
        }),
      },
    },
  ],
});

/** As whoever holds the database's file can, with a connection of their own. */
function setBack(directory: string): void {
  const database = new DatabaseSync(join(directory, 'strongroom.db'), { timeout: 5000 });
  const { log } = database.prepare(`select min(log) as log from ledger_heads where log like 'org_%'`).get()!;
  database
    .prepare(
      `update ledger_heads set size = 1, frontier =
         (select substr(leaf, 1, 32) from ledger_entries where log = ? and n = 0) where log = ?`,
    )
    .run(log ?? null, log ?? null);
  database.close();
}

async function exportLedger(world: World): Promise<Exported> {
  const tenant = await world.tenant(0);
  const { client } = tenant;
  const before = await world.logHeads();
  const first = await client.ledger.checkpoint();
  const deeds = await withVault(world, tenant, {}, async (vault) => {
    const ids: string[] = [];
    for (let deed = 0; deed < DEEDS; deed++)
      ids.push((await vault.add({ text: 'a canary', expiresAt: canaryEnd(world) })).id);
    return ids;
  });
  const second = await client.ledger.checkpoint();
  const growth = await client.ledger.consistency(first.size, { size: second.size });
  const sinceMs = world.clock.now();
  const lines = await Array.fromAsync(client.ledger.export());
  const key = parseVkey(second.verifierKey);
  const parsed = lines.map((line) => JSON.parse(line) as Line);
  const entries = parsed.filter(({ type }) => type === 'entry');
  const leaves = entries.map(({ leaf = '' }) => JSON.parse(leaf) as Leaf);
  const { faults, fileFault } = await verifyExport(lines, () => key);
  const own = new Set(leaves.flatMap(({ target, targets = [] }) => [target, ...targets]));
  const last = leaves.at(-1);
  const after = await world.logHeads();
  return {
    checkpoints: [first, second].map(({ size, rootHash }) => ({
      size,
      claimed: rootHash,
      computed: rootOf(entries.slice(0, size), size),
    })),
    growthFault: growthFault(growth.proof, [first.note, second.note], key),
    entries: entries.length,
    declared: parsed[0]?.size ?? 0,
    faults: [
      ...faults.map(({ n, detail }) => `entry ${n}: ${detail}`),
      ...(fileFault === null ? [] : [`line ${fileFault.line}: ${fileFault.detail}`]),
    ],
    altered: {
      ...(await alterations(lines, second)),
      'a growth since another checkpoint':
        growthFault(growth.proof, [second.note, second.note], key) !== null,
      'a growth changed':
        growthFault(growth.proof.replace(/(?<=^old \d+\n)./, otherLetter), [first.note, second.note], key) !==
        null,
    },
    missingDeeds: deeds.filter((id) => !own.has(id)).length,
    deeds: deeds.length,
    exportEntries: leaves.filter(({ n, action }) => n >= second.size && action === 'ledger.export').length,
    heads: { ...after, faults: [...new Set([...before.faults, ...after.faults])] },
    backwards: leaves.filter(({ at }, index) => index > 0 && at < (leaves[index - 1]?.at ?? 0)).length,
    skewMs: last === undefined ? Number.MAX_SAFE_INTEGER : Math.abs(last.at - sinceMs),
  };
}

interface Leaf {
  readonly n: number;
  readonly at: number;
  readonly action: string;
  readonly target: string;
  readonly targets?: readonly string[];
}

/** What is wrong with the proof that the second checkpoint's log begins with the first's; null: nothing. */
function growthFault(proof: string, notes: readonly [string, string], key: VerifierKey): string | null {
  try {
    const now = openCheckpoint(notes[1], key);
    const grown = verifyConsistencyProof(proof, openCheckpoint(notes[0], key), key);
    return grown.size === now.size && isEqual(grown.root, now.root)
      ? null
      : 'the proof of growth is for another checkpoint';
  } catch (error) {
    if (error instanceof RangeError) return `the log did not only grow: ${error.message}`;
    throw error;
  }
}

const otherLetter = (letter: string): string => (letter === 'A' ? 'B' : 'A');

/** Null where there are fewer entries than that. */
function rootOf(entries: readonly Line[], size: number): string | null {
  if (entries.length !== size) return null;
  const tree = Frontier.empty();
  for (const { leaf = '' } of entries) tree.append(leafHash(encodeUtf8(leaf)));
  return encodeHex(tree.root());
}

/** Each way of altering a copy of the export; whether verification under the known key names a fault. */
async function alterations(
  lines: readonly string[],
  known: { readonly verifierKey: string },
): Promise<Record<string, boolean>> {
  const at = lines.findIndex((line) => line.includes('"type":"entry"')) + 2;
  const note = lines.findIndex((line) => line.includes('"type":"checkpoint"'));
  const boxed = lines.findIndex((line) => line.includes('"box":"'));
  const changed = (index: number, change: (line: string) => string): readonly string[] =>
    lines.with(index, change(lines[index] ?? ''));
  const copies: Readonly<Record<string, readonly string[]>> = {
    'an entry changed': changed(at, (line) =>
      line.replace(/\\"at\\":(\d)/, (_, digit: string) => `\\"at\\":${(Number(digit) % 9) + 1}`),
    ),
    'an entry taken out': lines.toSpliced(at, 1),
    'two entries exchanged': lines.with(at, lines[at + 1] ?? '').with(at + 1, lines[at] ?? ''),
    'an entry put in twice': lines.toSpliced(at, 0, lines[at] ?? ''),
    'a checkpoint changed': changed(note, (line) =>
      line.replace(
        /(\\n\d+\\n)(.)/,
        (_, head: string, letter: string) => head + (letter === 'A' ? 'B' : 'A'),
      ),
    ),
    'sealed details changed': changed(boxed, (line) =>
      line.replace(/"box":"(.)/, (_, letter: string) => `"box":"${letter === 'A' ? 'B' : 'A'}`),
    ),
    'the end cut off': lines.slice(0, -3),
  };
  const key = parseVkey(known.verifierKey);
  const found: Record<string, boolean> = {};
  for (const [how, copy] of Object.entries(copies)) {
    const isAltered = copy.join('\n') !== lines.join('\n');
    const { faults, fileFault } = await verifyExport(copy, () => key);
    found[how] = isAltered && (faults.length > 0 || fileFault !== null);
  }
  return found;
}
