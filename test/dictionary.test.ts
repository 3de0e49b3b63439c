/** Given today's keystore and every row that ever was, no column confirms a right guess about anything erased. */
import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import { DAY_MS } from '../src/durations.ts';
import { Housekeeping } from '../src/housekeeping.ts';
import type { Strongroom } from '../src/strongroom.ts';
import { readRows, type Rows } from './boxes.ts';
import { idOf, TestDeployment } from './deployment.ts';
import {
  addOpenedDigests,
  addValue,
  confirmed,
  deterministicColumns,
  livingKeys,
  type Guess,
} from './dictionary.ts';

const MEMORIES = '/v1/vaults/default/memories';

test('of a thousand right guesses about what was erased, revoked or is a day past, none is confirmed by any column', async (t) => {
  const deployment = await TestDeployment.make(t);
  const moments: Rows[] = [];
  const remember = (): Promise<void> =>
    deployment.opened(async (open) => void moments.push(await readRows(open)));
  await deployment.serve();
  const { guesses, ids, keys } = await write(deployment);
  await deployment.stop();
  await remember();
  await deployment.serve();
  // At once, so that they share their epochs.
  await Promise.all(ids.map((id) => deployment.must('DELETE', `${MEMORIES}/${id}?mode=erase`)));
  for (const { id } of keys.slice(1)) await deployment.must('DELETE', `/v1/keys/${id}`);
  await deployment.stop();
  await remember();
  // Within their day the digests of idempotency keys are the stated exception: and they show that the attack works.
  await deployment.opened((open) => {
    const found = attack(
      open,
      moments,
      guesses.filter(({ what }) => what.startsWith('idempotency key')),
    );
    assert.ok(
      found.length > 0 &&
        found.every((one) => /^idempotency key .* by HMAC look-up .* in idempotency\.digest$/.test(one)),
      found.join('\n'),
    );
    return Promise.resolve();
  });
  deployment.clock.advance(3 * DAY_MS);
  await deployment.opened(async (open) => {
    const onError = (error: unknown): void => assert.fail(String(error));
    const housekeeping = new Housekeeping({
      open,
      clock: deployment.clock,
      pruneLogs: () => undefined,
      verify: () => undefined,
      renewTls: () => Promise.resolve(),
      onError,
    });
    await housekeeping.hour();
    await housekeeping.close();
    moments.push(await readRows(open));
    assert.ok(guesses.length >= 1000);
    assert.deepEqual(attack(open, moments, guesses), []);
    // A key that lives is confirmed: so a revoked one would have been.
    const [living] = keys;
    assert.ok(living !== undefined);
    assert.deepEqual(attack(open, moments, [{ what: 'living key', text: living.secret }]).length, 1);
    sabotage(open, moments, guesses);
  });
});

/** What columns that were built the wrong way would have confirmed. */
function sabotage(open: Strongroom, moments: readonly Rows[], guesses: readonly Guess[]): void {
  const [guess] = guesses;
  assert.ok(guess !== undefined);
  const keys = livingKeys(open, moments);
  const key = [...keys].find(([name]) => name === 'service pepper')?.[1];
  assert.ok(key !== undefined);
  const wrong: Readonly<Record<string, unknown>> = {
    'a digest without a key': createHash('sha256').update(guess.text).digest(),
    'its first sixteen bytes': createHash('sha256').update(guess.text).digest().subarray(0, 16),
    'a digest in hexadecimal': createHash('sha1').update(guess.text).digest('hex'),
    'a digest under a key that lives': createHmac('sha256', key).update(guess.text.toLowerCase()).digest(),
    'a digest in a leaf': JSON.stringify({
      facts: { person: createHmac('sha256', key).update(guess.text).digest('base64') },
    }),
    'the text itself': guess.text,
  };
  for (const [what, value] of Object.entries(wrong)) {
    const columns = deterministicColumns(moments);
    addValue(columns, 'sabotaged.column', value);
    assert.ok(
      confirmed([guess], columns, keys).some((one) => one.endsWith('in sabotaged.column')),
      what,
    );
  }
}

function attack(open: Strongroom, moments: readonly Rows[], guesses: readonly Guess[]): string[] {
  const columns = addOpenedDigests(deterministicColumns(moments), open, moments);
  return confirmed(guesses, columns, livingKeys(open, moments));
}

/** Memories, keys and requests, all to be erased or revoked but the first key; and what a good guesser would try. */
async function write(
  deployment: TestDeployment,
): Promise<{ guesses: Guess[]; ids: string[]; keys: { id: string; secret: string }[] }> {
  const guesses: Guess[] = [];
  const guess = (what: string, text: string): string => {
    guesses.push({ what: `${what} ${guesses.length}`, text });
    return text;
  };
  const ids: string[] = [];
  for (let at = 0; at < 42; at++) {
    const details = [
      'phone',
      'passport',
      'iban',
      'street',
      'town',
      'birthday',
      'doctor',
      'diagnosis',
      'ward',
      'allergy',
      'employer',
      'mother',
      'car',
      'school',
      'plan',
      'ticket',
    ];
    const body = {
      text: guess('text', `The patient in bed ${at} takes aspirin and dislikes tea`),
      subject: guess('subject', `person-${at}@example.com`),
      conversation: guess('conversation', `ward round ${at}`),
      speaker: guess('speaker', `Dr Number ${at}`),
      kind: guess('kind', `observation ${at}`),
      metadata: Object.fromEntries(details.map((name) => [name, guess(name, `${name} of person ${at}`)])),
    };
    const headers = {
      'idempotency-key': guess('idempotency key', `order-${at}`),
      'strongroom-purpose': guess('purpose', `ticket number ${at}`),
    };
    ids.push(
      idOf(
        await deployment.must('POST', MEMORIES, {
          body,
          headers,
          from: guess('address', `127.55.3.${at + 1}`),
        }),
      ),
    );
  }
  const keys: { id: string; secret: string }[] = [];
  for (let at = 0; at < 20; at++) {
    const made = await deployment.must('POST', '/v1/keys', {
      body: { name: guess('key name', `clinic ${at}`) },
    });
    const secret = String(made.json['apiKey']).slice(-59, -7);
    keys.push({ id: idOf(made), secret: at === 0 ? secret : guess('key secret', secret) });
  }
  return { guesses, ids, keys };
}
