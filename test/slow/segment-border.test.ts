/**
 * A conversation that goes on from one leaf page of slots into the next: each page's segment holds its own records only,
 * although search takes neighbours for context, so an erasure on one side costs the other nothing.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leafOf, LEAF_SLOTS, type Slot } from '../../src/keys/slot.ts';
import { openEveryBox, readRows } from '../boxes.ts';
import { Canaries } from '../canary.ts';
import { TestDeployment } from '../deployment.ts';

const MEMORIES = '/v1/vaults/default/memories';

test('a segment holds no word of a neighbour across the border of its leaf page, and outlives it', async (t) => {
  const deployment = await TestDeployment.start(t);
  const canaries = new Canaries();
  const words = Array.from({ length: LEAF_SLOTS + 200 }, (_, at) => canaries.word(`turn ${at}`));
  const ids: string[] = [];
  for (let from = 0; from < words.length; from += 1000) {
    const memories = words
      .slice(from, from + 1000)
      .map((text) => ({ text, conversation: 'a long talk', speaker: 'Ann' }));
    const { json } = await deployment.must('POST', MEMORIES, { body: { memories } });
    ids.push(...(json['memories'] as { id: string }[]).map(({ id }) => id));
  }
  const search = async (at: number): Promise<string[]> =>
    (
      (await deployment.must('POST', '/v1/vaults/default/search', { body: { query: words[at], limit: 3 } }))
        .json['results'] as { id: string }[]
    ).map(({ id }) => id);
  await search(0);
  await deployment.stop();

  const slots = await deployment.opened(
    async (open) =>
      new Map((await readRows(open)).memory_versions.map(({ memory, slot }) => [memory, slot as Slot])),
  );
  const leafAt = ids.map((id) => leafOf(slots.get(id) ?? assert.fail(id)));
  const border = leafAt.findIndex((leaf, at) => leaf !== leafAt[at + 1]);
  assert.ok(border > 4000 && border < words.length - 2);
  const segments = async (): Promise<Map<number, string>> =>
    deployment.opened(async (open) => {
      const leaves = new Map((await readRows(open)).segments.map(({ id, leaf }) => [id, leaf]));
      const boxes = (await openEveryBox(open, deployment.directory)).filter(
        ({ place }) => place.table === 'segments',
      );
      return new Map(
        boxes.map(({ name, content }) => [
          leaves.get(name) ?? -1,
          Buffer.from(content ?? []).toString('latin1'),
        ]),
      );
    });
  const before = await segments();
  const [left, right] = [before.get(leafAt[border] ?? -1) ?? '', before.get(leafAt[border + 1] ?? -1) ?? ''];
  const [last = '', first = ''] = words.slice(border);
  // Each in its own: so it would be found if it were in the other.
  assert.deepEqual(
    [left.includes(last), left.includes(first), right.includes(first), right.includes(last)],
    [true, false, true, false],
  );

  await deployment.serve();
  // Context reaches across all the same, while both live.
  assert.equal((await search(border))[0], ids[border]);
  await deployment.must('DELETE', `${MEMORIES}/${ids[border]}?mode=erase`);
  await deployment.must('DELETE', `${MEMORIES}/${ids[border - 1]}?mode=erase`);
  await deployment.stop();
  const after = await segments();
  assert.equal(after.get(leafAt[border + 1] ?? -1), right, 'the other side of the border was not touched');
  assert.ok([...after.values()].every((text) => !text.includes(last)));
  await deployment.serve();
  assert.ok(!(await search(border)).includes(ids[border] ?? ''));
  assert.equal((await search(border + 1))[0], ids[border + 1]);
});
