/** One request may be about many people: each of them can end what is said of them in its entry. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestDeployment } from './deployment.ts';

const PEOPLE = 500;

test('a batch about hundreds of people is added, and so is a memory derived from a hundred of theirs', async (t) => {
  const deployment = await TestDeployment.start(t);
  const path = '/v1/vaults/default/memories';
  const memories = Array.from({ length: PEOPLE }, (_, at) => ({
    text: `of person ${at}`,
    subject: `person-${at}`,
  }));
  const added = await deployment.call('POST', path, { body: { memories } });
  assert.equal(added.status, 201, added.text);
  const derivedFrom = (added.json['memories'] as { id: string }[]).slice(0, 100).map(({ id }) => id);
  const derived = await deployment.call('POST', path, { body: { text: 'a summary of many', derivedFrom } });
  assert.equal(derived.status, 201, derived.text);
  assert.equal(
    (await deployment.must('GET', `${path}/${String(derived.json['id'])}`)).json['text'],
    'a summary of many',
  );
});
