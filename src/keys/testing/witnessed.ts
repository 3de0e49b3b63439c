/**
 * A world whose every page and record is kept, as an attacker would who has seen everything, and the attack on it.
 */
import {
  attack,
  findIn,
  pageContext,
  type AttackedPage,
  type AttackedRecord,
  type AttackedService,
  type AttackResult,
} from '../../../test/closure-attack.ts';
import { canonicalBytes } from '../../bytes/canonical-json.ts';
import { concat, encodeUtf8 } from '../../bytes/encoding.ts';
import { sealBox } from '../../crypto/seal.ts';
import type { EpochSteps } from '../epoch.ts';
import type { Keyring } from '../keyring.ts';
import { soundPlanSteps } from '../plan.ts';
import { RecordKeys, type Scope } from '../record-key.ts';
import { slotOf, type Slot } from '../slot.ts';
import { DEPLOYMENT, REPLICAS, World } from './world.ts';

export interface Canary {
  readonly name: string;
  readonly slots: readonly Slot[];
  readonly needles: readonly Uint8Array[];
}

export class Witnessed {
  readonly world: World;
  readonly pages: AttackedPage[] = [];
  readonly records: AttackedRecord[] = [];
  readonly canaries: Canary[] = [];
  keyring!: Keyring;
  readonly erased = new Set<Slot>();

  private constructor(world: World) {
    this.world = world;
  }

  static async create(seed: string, sabotage: Partial<EpochSteps> = {}): Promise<Witnessed> {
    const witnessed = new Witnessed(await World.create(seed));
    const check = sabotage.check ?? soundPlanSteps.check;
    witnessed.world.steps = {
      ...sabotage,
      check: (before, plan) => {
        const { fileName, file } = plan;
        for (const { ref, place } of plan.boxes) {
          witnessed.addPage(
            `${fileName}/${ref.offset}`,
            file.slice(ref.offset, ref.offset + ref.length),
            place.height,
            place.index,
          );
        }
        const top = new DataView(file.buffer).getUint32(13);
        witnessed.addPage(`${fileName}/top`, file.slice(top), 255, 0);
        return check(before, plan);
      },
    };
    witnessed.keyring = await witnessed.world.open();
    return witnessed;
  }

  addPage(name: string, bytes: Uint8Array, height: number, index: number): void {
    this.pages.push({ name, bytes, height, index, associated: pageContext(DEPLOYMENT, height, index) });
  }

  /** Seals a memory with words, a vector and a code in it. */
  addRecord(id: string, own: Slot, scope: Scope): void {
    const word = encodeUtf8(`canary-${id}-word`);
    const vector = new Uint8Array(new Float32Array([own + 0.125, own * 3.5, 0 - own]).buffer);
    const key = new RecordKeys(this.keyring).key({ id, version: 1, own, scope });
    const place = {
      purpose: 'record',
      table: 'memory_versions',
      column: 'body_box',
      organization: 'org_1',
      vault: 'vlt_1',
      id,
      version: 1,
    };
    const associated = encodeUtf8(JSON.stringify([1, ...Object.values(place)]));
    const bytes = sealBox(key, place, concat(word, vector), this.world.environment.random);
    const info = canonicalBytes(['record/1', id, 1, scope.map(([role, slot]) => [role, slot])]);
    this.records.push({ name: id, bytes, associated, own, scope: scope.map(([, slot]) => slot), info });
    this.canaries.push({ name: id, slots: [own, ...scope.map(([, slot]) => slot)], needles: [word, vector] });
  }

  async erase(...slots: Slot[]): Promise<void> {
    for (const slot of slots) this.erased.add(slot);
    await this.keyring.puncture({ id: `era_${this.erased.size}`, slots, reason: '' });
  }

  attack(): AttackResult {
    const roots = REPLICAS.map(({ folder }) => this.world.disk.peek(`${folder}/root`));
    const services = this.#sides();
    return attack({ deployment: DEPLOYMENT, roots, pages: this.pages, records: this.records, services });
  }

  /** Every version of the files beside the root that was ever written, under each of the keys it may lie under. */
  #sides(): AttackedService[] {
    return this.world.disk.written.flatMap(({ path, bytes }, at) => {
      const [, service] = /\/(intents|witness)\.new$/.exec(path) ?? [];
      if (service === undefined) return [];
      const associated = concat(encodeUtf8(`strongroom/keystore/${service}/1`), DEPLOYMENT);
      const box = { bytes: bytes.subarray(5), associated, service };
      return [0, 1, 2].map((generation) => {
        const own = 2 * generation + (service === 'intents' ? 1 : 0);
        return { ...box, own, name: `${service} ${at} under ${own}` };
      });
    });
  }

  isDead({ slots }: Canary): boolean {
    return slots.some((slot) => this.erased.has(slot));
  }

  /** Names of what opened although it was erased. */
  leaks(result: AttackResult): string[] {
    const needles = this.canaries.filter((canary) => this.isDead(canary)).flatMap((canary) => canary.needles);
    return findIn(result.opened, needles);
  }
}

const ORGANIZATION = slotOf(1, 0);
const VAULT = slotOf(1, 1);
export const subjectOf = (at: number): Slot => slotOf(1, 10 + at);
export const scopeOf = (subject: number): Scope => [
  ['organization', ORGANIZATION],
  ['vault', VAULT],
  ['subject', subjectOf(subject)],
];

/** So many leaves that inner pages are sealed by themselves. */
export async function twoLevels(sabotage: Partial<EpochSteps>): Promise<Witnessed> {
  const witnessed = await Witnessed.create('levels', sabotage);
  const { keyring } = witnessed;
  for (let highest = 0; highest < 256; await keyring.tend())
    while (keyring.spareLeaves > 0) highest = keyring.takeLeaf();
  for (let at = 0; at < 6; at++) witnessed.addRecord(`mem_${at}`, slotOf(2, at), scopeOf(at % 4));
  await witnessed.erase(slotOf(2, 2));
  await witnessed.erase(slotOf(2, 4));
  await witnessed.erase(slotOf(3, 4));
  return witnessed;
}
