import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { encodeHex } from '../bytes/encoding.ts';
import { SigningKey } from '../crypto/signature.ts';
import { encodeVkey, openNote, parseVkey, signNote, verifierKey } from './note.ts';

// The examples of c2sp.org/signed-note.
const VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
const NOTE =
  'This is an example message.\n\n' +
  '— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n';
const FOREIGN =
  'Ognuno sta solo sul cuor della terra\ntrafitto da un raggio di sole:\n\ned è subito sera.\n\n' +
  '— quasimodo.example/salvatore ' +
  'NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=\n';

const SIGNER = new SigningKey(new Uint8Array(32).fill(5));
const NAME = 'log.example/ours';
const KEY = verifierKey(NAME, SIGNER.publicKey);

test('the verifier key and the note of the specification verify', () => {
  const key = parseVkey(VKEY);
  assert.equal(key.name, 'example.com/foo');
  assert.equal(encodeHex(key.id), '530d903a');
  assert.equal(encodeVkey(key), VKEY);
  assert.equal(openNote(NOTE, [key]), 'This is an example message.\n');
});

test('a note signed by nobody known has no text', () => {
  assert.equal(openNote(FOREIGN, [parseVkey(VKEY), KEY]), null);
  assert.equal(openNote(NOTE, []), null);
  // The name alone, or the id alone, is not the key.
  const { id, publicKey } = parseVkey(VKEY);
  assert.equal(openNote(NOTE, [{ name: 'example.com/bar', id, publicKey }]), null);
  assert.equal(openNote(NOTE, [verifierKey('example.com/foo', SIGNER.publicKey)]), null);
});

test('what was signed opens again, empty lines and all, among signatures of others', () => {
  const text = 'one\n\nthree — é\n';
  const note = signNote(text, NAME, SIGNER);
  assert.equal(openNote(note, [KEY]), text);
  const other = FOREIGN.slice(FOREIGN.lastIndexOf('— '));
  assert.equal(openNote(note + other, [KEY]), text);
  assert.equal(openNote(note.replace('\n— ', `\n${other}— `), [KEY]), text);
  assert.equal(openNote(note + other.repeat(15), [KEY]), text, 'sixteen signatures');
});

test('a wrong signature of a known key condemns the note, whoever else signed it', () => {
  const note = signNote('text\n', NAME, SIGNER);
  const forged = note.replace('text', 'test');
  assert.throws(() => openNote(forged, [KEY]), RangeError);
  const line = forged.slice(forged.lastIndexOf('— '));
  const example = parseVkey(VKEY);
  assert.equal(openNote(NOTE + line, [example]), 'This is an example message.\n');
  assert.throws(() => openNote(NOTE + line, [example, KEY]), RangeError);
});

test('a note with any character changed, left out or doubled is never taken for the original', () => {
  const text = 'line one\nline two\n';
  const note = signNote(text, NAME, SIGNER);
  assert.equal(openNote(note, [KEY]), text);
  for (let at = 0; at < note.length; at++) {
    const others = [note.slice(0, at) + note.slice(at + 1), note.slice(0, at + 1) + note.slice(at)];
    const changed = String.fromCharCode(note.charCodeAt(at) ^ 1);
    for (const other of [...others, note.slice(0, at) + changed + note.slice(at + 1)]) {
      if (other !== note) assert.ok(attempt(() => openNote(other, [KEY])) === null, `${at}`);
    }
  }
});

test('what is no note is refused', () => {
  const note = signNote('text\n', NAME, SIGNER);
  const line = note.slice(note.indexOf('— '));
  const faulty = [
    '',
    'text\n',
    'text\n\n',
    `text\n${line}`,
    note.slice(0, -1),
    `${note}\n`,
    note.replace('text', 'te\u0000xt'),
    note.replace('text', 'te\txt'),
    note.replace('\n', '\r\n'),
    note.replace('— ', '- '),
    note.replace('— ', '—  '),
    note.replace(' log', ' +log'),
    note.replace(/ \S+\n$/, ' AAAA\n'),
    note.replace(/ \S+\n$/, ' AAAAA\n'),
    `\ud800\n\n${line}`,
    `text\n\n${line.repeat(65)}`,
    `${'x'.repeat(2 ** 20)}\n\n${line}`,
  ];
  for (const text of faulty)
    assert.throws(() => openNote(text, [KEY]), RangeError, JSON.stringify(text.slice(0, 80)));
  for (const text of ['', '\n', 'no newline', 'nul\0\n'])
    assert.throws(() => signNote(text, NAME, SIGNER), RangeError);
  for (const name of ['', 'two words', 'a+b', 'a\u00a0b', 'a\nb']) {
    assert.throws(() => signNote('text\n', name, SIGNER), RangeError);
  }
});

test('a verifier key that is not in its one form, or whose id is not its own, is refused', () => {
  const faulty = [
    '',
    'example.com/foo',
    VKEY.replace('530d903a', '530d903b'),
    VKEY.replace('530d903a', '530D903A'),
    VKEY.replace('foo', 'bar'),
    VKEY.slice(0, -1),
    `${VKEY}=`,
    ` ${VKEY}`,
    VKEY.replace('+Aek', '+Bek'),
  ];
  for (const text of faulty) assert.throws(() => parseVkey(text), RangeError, text);
});

test('any text at all is a note, no note or a RangeError, and nothing else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      const text = Buffer.from(bytes).toString('latin1');
      attempt(() => openNote(`${text}\n\n— ${text} ${text}\n`, [KEY]));
      attempt(() => parseVkey(text));
    }),
    { numRuns: 30 },
  );
});

function attempt<Result>(work: () => Result): Result | null {
  try {
    return work();
  } catch (error) {
    assert.ok(error instanceof RangeError, String(error));
    return null;
  }
}
