import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JsonValue } from '@strongroom/client';
import { documentToConversations } from './chat.ts';
import { isLocomo, locomoToConversations } from './locomo.ts';

/** Conversations as short texts: name, then `conversation|speaker|at|text` or `where: reason`. */
function shown(document: JsonValue): string[] {
  return documentToConversations(document, 'file').flatMap(({ name, turns }) => [
    `# ${name}`,
    ...turns.map(({ where, memory, reason }) =>
      memory === undefined
        ? `${where}: ${reason}`
        : [memory.conversation, memory.speaker, memory.at, memory.text].map((part) => part ?? '-').join('|'),
    ),
  ]);
}

const SAMPLE = {
  sample_id: 'conv-1',
  qa: [],
  conversation: {
    speaker_a: 'Ann',
    session_10_date_time: '9:00 am on 2 June, 2023',
    session_10: [{ speaker: 'Ann', dia_id: 'D10:1', text: 'later' }],
    session_2_date_time: '1:56 pm on 8 May, 2023',
    session_2: [
      { speaker: 'Ann', dia_id: 'D2:1', text: 'Look!', blip_caption: 'a photo of a dog' },
      { speaker: 'Bob', dia_id: 'D2:2', text: '', blip_caption: 'a cat' },
      { speaker: 'Bob', dia_id: 'D2:3', text: 'nice' },
    ],
    session_3_date_time: '1:00 pm on 9 May, 2023',
  },
};

test('a LoCoMo sample becomes a memory per turn, in the order of sessions and turns', () => {
  assert.ok(isLocomo([{ ...SAMPLE, conversation: { session_1: [] } }]));
  const [conversation, ...others] = locomoToConversations([SAMPLE]);
  assert.equal(others.length, 0);
  assert.equal(conversation?.name, 'conv-1');
  assert.deepEqual(
    conversation.turns.map(({ memory }) => memory),
    [
      ['Look! [shares an image: a photo of a dog]', 'Ann', 'session_2', '2023-05-08T13:56:00.000Z', 'D2:1'],
      ['[shares an image: a cat]', 'Bob', 'session_2', '2023-05-08T13:56:01.000Z', 'D2:2'],
      ['nice', 'Bob', 'session_2', '2023-05-08T13:56:02.000Z', 'D2:3'],
      ['later', 'Ann', 'session_10', '2023-06-02T09:00:00.000Z', 'D10:1'],
    ].map(([text, speaker, session, at, id]) => ({
      text,
      kind: 'message',
      speaker,
      conversation: session,
      at,
      metadata: { dia_id: id },
    })),
  );
});

test('transcripts of every understood shape give the same turns', () => {
  const turns = [
    { role: 'user', content: 'hi' },
    { role: 'assistant', content: 'hello' },
  ];
  const lines = (conversation: string): string[] => [
    `${conversation}|user|-|hi`,
    `${conversation}|assistant|-|hello`,
  ];
  assert.deepEqual(shown(turns), ['# file', ...lines('file')]);
  assert.deepEqual(shown({ messages: turns }), ['# file', ...lines('file')]);
  assert.deepEqual(shown({ id: 7, turns }), ['# 7', ...lines('7')]);
  assert.deepEqual(shown([{ title: 'a', messages: turns }, { dialogue: turns }]), [
    '# a',
    ...lines('a'),
    '# conversation-2',
    ...lines('conversation-2'),
  ]);
  assert.deepEqual(shown({ conversations: [{ id: 'x', conversation: turns }] }), ['# x', ...lines('x')]);
  assert.deepEqual(shown({ id: 'x', sessions: [{ id: 's', messages: turns }, { turns }] }), [
    '# x',
    ...lines('s'),
    ...lines('session_2'),
  ]);
  assert.deepEqual(shown({ session_1: turns, session_1_date_time: '2023-05-08 10:00' }), [
    '# file',
    'session_1|user|2023-05-08T10:00:00.000Z|hi',
    'session_1|assistant|2023-05-08T10:00:01.000Z|hello',
  ]);
});

test('speakers, times and texts are found under the names they go by', () => {
  assert.deepEqual(
    shown([
      { name: 'Ann', role: 'user', text: 'a', timestamp: 1683554160 },
      { from: 'human', value: 'b', date: '8 May 2023' },
      { author: { role: 'tool' }, content: { parts: ['c', 'd'] } },
      {
        sender: 'Bob',
        message: [
          { type: 'text', text: 'e' },
          { type: 'image_url', image_url: {} },
        ],
        created_at: 'whenever',
      },
      { text: 'f' },
    ]),
    [
      '# file',
      'file|Ann|2023-05-08T13:56:00.000Z|a',
      'file|human|2023-05-08T00:00:00.000Z|b',
      'file|tool|-|c\nd',
      'file|Bob|-|e',
      'file|-|-|f',
    ],
  );
});

test('what has no field of its own is kept as metadata', () => {
  const document = [{ name: 'Ann', role: 'user', text: 'a', date: '05/07/2023', metadata: { mood: 'good' } }];
  const [conversation] = documentToConversations(document, 'file');
  assert.deepEqual(conversation?.turns[0]?.memory?.metadata, {
    mood: 'good',
    role: 'user',
    date: '05/07/2023',
  });
});

test('what is not a turn is named by its place, and loses nothing else', () => {
  assert.deepEqual(
    shown([
      { messages: [{ role: 'user', content: 'a' }, 'text', { role: 'user', content: '  ' }, { content: 7 }] },
      5,
    ]),
    [
      '# conversation-1',
      'conversation-1|user|-|a',
      '/0/messages/1: a turn must be an object with a speaker and a text',
      '/0/messages/2: the turn has no text',
      '/0/messages/3: the turn has no text',
      '# conversation-2',
      '/1: no conversation is here',
    ],
  );
  assert.deepEqual(shown({ id: 'x' }), ['# x', '/: no messages are here']);
  assert.deepEqual(shown('text'), ['# file', '/: no conversation is here']);
  assert.deepEqual(shown([]), ['# file']);
  assert.deepEqual(shown({ session_1: 'text' }), [
    '# file',
    '/session_1: a session must be an array of turns',
  ]);
  assert.deepEqual(shown([{ text: '\ud800' }]), [
    '# file',
    '/0: text holds half a character (a lone surrogate)',
  ]);
});
