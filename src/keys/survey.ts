/**
 * What the replicas hold when a keystore is opened, before anything is believed or changed.
 */
import { encodeHex, type Bytes } from '../bytes/encoding.ts';
import { isEqual } from '../bytes/equal.ts';
import { StrongroomError } from '../errors.ts';
import type { Disk } from './disk.ts';
import { fileIdOf, fileNameOf, matchFileHead } from './epoch-file.ts';
import { matchIntents, type Intents } from './intents.ts';
import type { EpochRow } from './key-journal.ts';
import { isDiskError, type Keystore } from './keystore.ts';
import { isOfDeployment, Replica, type ReplicaPlace, type SideFile } from './replica.ts';
import type { RootCell, RootFile } from './root-file.ts';
import { matchSide, type SideKeys } from './sealed-side.ts';
import { FileCopies, readTree, type Tree } from './tree.ts';
import { matchWitness, newestWitness, type Witness } from './witness.ts';

export interface Surveyed {
  readonly replica: Replica;
  readonly root: RootFile;
}

/** A root and all that it opens. */
export interface OpenedRoot {
  readonly cell: RootCell;
  readonly fileName: string;
  readonly tree: Tree;
}

export interface Sides {
  readonly intents: Intents;
  readonly witness: Witness;
}

/** Throws `keystore.missing`, `keystore.exposed` or `keystore.foreign`. */
export async function surveyReplicas(keystore: Keystore): Promise<readonly Surveyed[]> {
  const found: Surveyed[] = [];
  for (const replica of keystore.replicas) {
    const root = await readRoot(replica, keystore);
    if (root === null) continue;
    const exposure = await replica.exposure();
    if (exposure !== null)
      throw new StrongroomError('keystore.exposed', `The keystore can be read by others: ${exposure}.`);
    if (!isOfDeployment(root, keystore.deployment)) {
      throw new StrongroomError(
        'keystore.foreign',
        `The keystore replica ${replica.name} (${replica.folder}) belongs to another deployment than the database.`,
      );
    }
    for (const what of root.damage) keystore.find(replica.name, what);
    found.push({ replica, root });
  }
  if (found.length > 0) return found;
  const folders = keystore.replicas.map(({ folder }) => folder).join(', ');
  throw new StrongroomError('keystore.missing', `No keystore replica was found (looked in ${folders}).`);
}

async function readRoot(replica: Replica, keystore: Keystore): Promise<RootFile | null> {
  try {
    if (await replica.exists()) return await replica.readRoot();
    keystore.find(replica.name, `no root in ${replica.folder}`);
  } catch (error) {
    if (!isDiskError(error)) throw error;
    keystore.find(replica.name, `its root cannot be read (${error.code})`);
  }
  return null;
}

export const replicasAt = (places: readonly ReplicaPlace[], disk: Disk): Replica[] =>
  places.map((place) => new Replica(place, disk));

/** Every root that can be read, newest first, each once. */
export function readableRoots(survey: readonly Surveyed[]): readonly RootCell[] {
  const cells = survey.flatMap(({ root }) => root.cells);
  const unique = cells.filter((cell, at) => cells.findIndex((other) => isSameRoot(other, cell)) === at);
  return unique.sort((left, right) => right.epoch - left.epoch);
}

export const isSameRoot = (left: RootCell, right: RootCell): boolean =>
  left.epoch === right.epoch && isEqual(left.root, right.root);

/** Whether (epoch, fileId) of this root stands in the database. */
export const isKnown = (cell: RootCell, rows: readonly EpochRow[]): boolean =>
  rows.some((row) => row.epoch === cell.epoch && isEqual(row.fileId, fileIdOf(cell.root)));

/** Opens roots, with pages from whichever replica has them whole. */
export class RootOpener {
  readonly #keystore: Keystore;
  readonly #survey: readonly Surveyed[];
  readonly #copies: FileCopies;

  constructor(keystore: Keystore, survey: readonly Surveyed[]) {
    this.#keystore = keystore;
    this.#survey = survey;
    this.#copies = new FileCopies(
      (file) => this.#readCopies(file),
      (place, file, what) => keystore.find(place, `pages/${file}: ${what}`),
    );
  }

  /** Throws `keyring.damaged` if any page of it opens nowhere. */
  async open(cell: RootCell): Promise<OpenedRoot> {
    return { cell, fileName: fileNameOf(cell.root), tree: await readTree(cell, this.#copies) };
  }

  /**
   * Names replicas that lack a file of this tree, or whose copy of it is not what another's is. Boxes to which no page
   * refers any more open for nobody, so that a difference in them is all there is to see: both copies are named then.
   */
  async compare({ tree, cell }: OpenedRoot, rows: readonly EpochRow[]): Promise<void> {
    const holders = this.#survey.filter(({ root }) => root.cells.some((held) => isSameRoot(held, cell)));
    for (const file of tree.liveBytes.keys()) {
      const copies = await this.#copies.copies(file);
      for (const { replica } of holders) {
        if (!copies.has(replica.name)) this.#keystore.find(replica.name, `pages/${file} is missing`);
      }
      const row = rows.find(({ fileId }) => encodeHex(fileId) === file);
      for (const [name, copy] of copies) {
        const head = matchFileHead(copy);
        const isSound = head !== null && (row === undefined || head.epoch === row.epoch);
        if (!isSound) this.#keystore.find(name, `pages/${file}: its head is damaged`);
      }
      this.#nameDifferences(file, copies);
    }
  }

  #nameDifferences(file: string, copies: ReadonlyMap<string, Bytes>): void {
    const [first, ...others] = [...copies.values()];
    if (first === undefined || others.every((copy) => isEqual(copy, first))) return;
    if (this.#keystore.findings.some(({ what }) => what.startsWith(`pages/${file}`))) return;
    for (const name of copies.keys()) this.#keystore.find(name, `pages/${file}: the replicas' copies differ`);
  }

  async #readCopies(file: string): Promise<ReadonlyMap<string, Bytes>> {
    const copies = new Map<string, Bytes>();
    for (const { replica } of this.#survey) {
      try {
        const bytes = await replica.readPages(file);
        if (bytes !== null) copies.set(replica.name, bytes);
      } catch (error) {
        if (!isDiskError(error)) throw error;
        this.#keystore.find(replica.name, `pages/${file} cannot be read (${error.code})`);
      }
    }
    return copies;
  }
}

/**
 * The newest intents and witness that open. Throws `keyring.damaged` where no replica has a whole one: without the
 * intents an accepted erasure could be forgotten, without the witness a database put back could not be told.
 */
export async function readSides(
  survey: readonly Surveyed[],
  keystore: Keystore,
  keys: SideKeys,
): Promise<Sides> {
  const { intents, witness } = await newestSides(survey, keystore, keys);
  if (intents === null)
    throw new StrongroomError('keyring.damaged', 'The intents open in no keystore replica.');
  if (witness === null)
    throw new StrongroomError('keyring.damaged', 'The witness opens in no keystore replica.');
  if (intents.revision < witness.intents) {
    const detail = `The intents are older (revision ${intents.revision}) than the witness (${witness.intents}).`;
    throw new StrongroomError('keyring.damaged', detail);
  }
  return { intents, witness };
}

/** The same, each null where it opens in no replica. */
export async function newestSides(
  survey: readonly Surveyed[],
  keystore: Keystore,
  keys: SideKeys,
): Promise<{ readonly intents: Intents | null; readonly witness: Witness | null }> {
  const logs: Intents[] = [];
  const witnesses: Witness[] = [];
  for (const { replica } of survey) {
    const log = matchIntents(await openSide('intents', replica, keystore, keys));
    const witness = matchWitness(await openSide('witness', replica, keystore, keys));
    if (log !== null) logs.push(log);
    if (witness !== null) witnesses.push(witness);
  }
  const [intents = null] = logs.sort((left, right) => right.revision - left.revision);
  return { intents, witness: newestWitness(witnesses) };
}

async function openSide(
  name: SideFile,
  replica: Replica,
  keystore: Keystore,
  keys: SideKeys,
): Promise<unknown> {
  const bytes = await replica.readSide(name);
  const content = bytes === null ? null : matchSide(name, keys, bytes);
  if (content === null) keystore.find(replica.name, `${name} is ${bytes === null ? 'missing' : 'damaged'}`);
  return content;
}
