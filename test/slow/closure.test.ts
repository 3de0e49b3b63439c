/**
 * The closure attack on a whole deployment: after a history of additions, changes, searches, restarts and erasures, all
 * bytes that ever lay in its folder and today's keystore give back nothing of what was erased, in no record, no segment
 * and no index, and everything of what was not.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Canaries } from '../canary.ts';
import { DIMENSIONS } from '../canary-walk.ts';
import { findIn } from '../closure-attack.ts';
import { idOf, type TestDeployment } from '../deployment.ts';
import { seeded } from '../load.ts';
import { witnessed } from '../witness.ts';

const MEMORIES = '/v1/vaults/default/memories';
const SEARCH = '/v1/vaults/default/search';

interface Kept {
  readonly id: string;
  /** Words and floats that only this memory has, of all its versions. */
  readonly needles: Buffer[];
  isErased: boolean;
}

test("all bytes ever written and today's keystore give back nothing erased, and everything else", async (t) => {
  const { deployment, witness } = await witnessed(t);
  const random = seeded(11);
  const history = new History(deployment, new Canaries(), () => witness.seeStore());
  for (let round = 0; round < 3; round++) {
    await deployment.serve();
    for (let at = 0; at < 12; at++) await history.add(`talk ${at % 3}`);
    await deployment.must('POST', SEARCH, { body: { query: 'memory' } });
    for (const kept of history.living()) if (random() < 0.3) await history.change(kept);
    // Segments of the rounds before cover some of these.
    for (const kept of history.living()) if (random() < 0.3) await history.erase(kept);
    await deployment.stop();
    witness.seeStore();
  }
  const { opened, values } = witness.attack();
  t.diagnostic(`${witness.pages} pages, ${witness.records} boxes, ${values} values tried`);
  assert.ok(witness.pages > 20 && witness.records > 150 && values > 1000);
  const erased = history.all.filter(({ isErased }) => isErased);
  assert.ok(erased.length > 8);
  for (const { id, needles } of erased) assert.deepEqual(findIn(opened, needles), [], `${id} is read`);
  for (const { id, needles } of history.living())
    for (const needle of needles) assert.ok(findIn(opened, [needle]).length > 0, `${id} is lost`);
  assert.ok(
    [...opened.keys()].some((name) => name.startsWith('segments.blob')),
    'no living segment opens',
  );
});

class History {
  readonly all: Kept[] = [];
  readonly #deployment: TestDeployment;
  readonly #canaries: Canaries;
  readonly #look: () => void;
  #count = 0;

  /** `look` is called after each step. */
  constructor(deployment: TestDeployment, canaries: Canaries, look: () => void) {
    this.#deployment = deployment;
    this.#canaries = canaries;
    this.#look = look;
  }

  living(): Kept[] {
    return this.all.filter(({ isErased }) => !isErased);
  }

  async add(conversation: string): Promise<Kept> {
    const { body, needles } = this.#content();
    const id = idOf(
      await this.#deployment.must('POST', MEMORIES, {
        body: { ...body, conversation, subject: `person ${this.#count % 4}` },
      }),
    );
    const kept: Kept = { id, needles, isErased: false };
    this.all.push(kept);
    this.#look();
    return kept;
  }

  async change(kept: Kept): Promise<void> {
    const { body, needles } = this.#content();
    await this.#deployment.must('PATCH', `${MEMORIES}/${kept.id}`, { body });
    kept.needles.push(...needles);
    this.#look();
  }

  async erase(kept: Kept): Promise<void> {
    await this.#deployment.must('DELETE', `${MEMORIES}/${kept.id}?mode=erase`);
    kept.isErased = true;
    this.#look();
  }

  #content(): { body: object; needles: Buffer[] } {
    const word = this.#canaries.word(`memory ${this.#count++}`);
    const vector = this.#canaries.vector('vector', DIMENSIONS);
    const floats = Buffer.from(Float32Array.from(vector.slice(0, 4)).buffer);
    return { body: { text: `a memory of ${word}`, vector }, needles: [Buffer.from(word), floats] };
  }
}
