import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { PairLists } from './pair-lists.ts';
import { Voices } from './voices.ts';

test('lists keep their pairs through any pushes and removals, and nothing of a removed one', () => {
  const step = fc.record({ list: fc.nat(5), place: fc.nat(20), isRemoval: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const lists = new PairLists();
      const model = new Map<number, [number, number][]>();
      let value = 1;
      for (const { list, place, isRemoval } of steps) {
        const pairs = model.get(list) ?? [];
        model.set(list, pairs);
        if (!isRemoval) {
          assert.equal(lists.push(list, value, value + 1), pairs.length);
          pairs.push([value, value + 1]);
          value += 2;
        } else if (pairs.length > 0) {
          const at = place % pairs.length;
          lists.removeAt(list, at);
          const last = pairs.pop();
          if (at < pairs.length && last !== undefined) pairs[at] = last;
        }
      }
      for (const [list, pairs] of model) {
        assert.equal(lists.count(list), pairs.length);
        pairs.forEach((pair, at) => assert.deepEqual([lists.first(list, at), lists.second(list, at)], pair));
      }
      const held = [...model.values()].flat(2).sort((a, b) => a - b);
      assert.deepEqual(
        [...lists.pool].filter((number) => number !== 0).sort((a, b) => a - b),
        held,
      );
    }),
  );
});

test('a speaker is known by any word of the name, until the last message is gone', () => {
  const voices = new Voices();
  const ann = voices.join('Ann Smith');
  assert.equal(voices.join('Ann Smith'), ann);
  const bo = voices.join('Bo Smith');
  assert.deepEqual([...(voices.named(['smith']) ?? [])], [1, 1]);
  assert.deepEqual([...(voices.named(['ann', 'x']) ?? [])], [1, 0]);
  voices.leave(ann);
  assert.notEqual(voices.named(['ann']), null);
  voices.leave(ann);
  assert.equal(voices.named(['ann']), null);
  assert.equal(voices.named(['smith'])?.[bo], 1);
  assert.equal(voices.join('Cy'), ann);
});
