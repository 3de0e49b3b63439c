import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DAY_MS } from '../durations.ts';
import { parseDates, type DateHint } from './dates.ts';
import { LANGUAGE_CODES, type LanguageCode } from './languages.ts';

/** A Wednesday. */
const NOW = Date.UTC(2026, 4, 20, 12);
const day = (text: string): number => Date.parse(text) / DAY_MS;

const days = (from: string, to: string, weight = 1): DateHint => ({
  kind: 'days',
  from: day(from),
  to: day(to),
  weight,
});
const yearly = (month: number, from = 1, to = 32): DateHint => ({
  kind: 'yearly',
  month,
  days: [from, to],
  weight: 1,
});
const YEAR_2023 = days('2023-01-01', '2024-01-01', 0.3);
const MAY_2023 = days('2023-05-01', '2023-06-01');
const SEVENTH = days('2023-05-06', '2023-05-10');

test('dates in a question are read in their usual forms', () => {
  const forms: readonly [string, readonly DateHint[]][] = [
    ['on 2023-05-07', [SEVENTH, MAY_2023, YEAR_2023]],
    ['on 7 May 2023', [SEVENTH, MAY_2023, YEAR_2023]],
    ['on the 7th of May, 2023?', [SEVENTH, MAY_2023, YEAR_2023]],
    ['May 7th, 2023', [SEVENTH, MAY_2023, YEAR_2023]],
    ['on May 7', [yearly(4), yearly(4, 6, 10)]],
    ['in 2023-05', [MAY_2023, YEAR_2023]],
    ['in May 2023', [MAY_2023, YEAR_2023]],
    ['during may of 2023', [MAY_2023, YEAR_2023]],
    ['in Sept. 2023', [days('2023-09-01', '2023-10-01'), YEAR_2023]],
    ['in december', [yearly(11)]],
    ['in may', [yearly(4)]],
    ['What happened in 2023?', [YEAR_2023]],
    ['last May', [days('2025-05-01', '2025-06-01')]],
    ['last April', [days('2026-04-01', '2026-05-01')]],
    ['next May', [days('2027-05-01', '2027-06-01')]],
    ['yesterday', [days('2026-05-18', '2026-05-22')]],
    ['last week', [days('2026-05-11', '2026-05-18')]],
    ['this month', [days('2026-05-01', '2026-06-01')]],
    ['last year', [days('2025-01-01', '2026-01-01')]],
    ['last Friday', [days('2026-05-14', '2026-05-18')]],
    ['two weeks ago', [days('2026-05-03', '2026-05-10')]],
    ['a month ago', [days('2026-04-01', '2026-05-01')]],
    ['a couple of weeks ago', [days('2026-05-03', '2026-05-10')]],
    ['a couple days ago', [days('2026-05-17', '2026-05-21')]],
    ['at 2023-05-07T10:00:00Z', [SEVENTH, MAY_2023, YEAR_2023]],
    ['5 days ago', [days('2026-05-14', '2026-05-18')]],
    ['on 7.5.2023', [SEVENTH, MAY_2023, YEAR_2023]],
    ['the day before yesterday', [days('2026-05-17', '2026-05-21')]],
    ['last night', [days('2026-05-18', '2026-05-22')]],
    ['this morning', [days('2026-05-19', '2026-05-23')]],
    ['last weekend', [days('2026-05-16', '2026-05-19')]],
    ['this weekend', [days('2026-05-23', '2026-05-26')]],
    ['in the summer of 2023', [days('2023-06-01', '2023-09-01')]],
    ['last summer', [days('2025-06-01', '2025-09-01')]],
    ['last winter', [days('2025-12-01', '2026-03-01')]],
    ['this spring', [days('2026-03-01', '2026-06-01')]],
    ['next autumn', [days('2026-09-01', '2026-12-01')]],
  ];
  for (const [question, hints] of forms) assert.deepEqual(parseDates(question, NOW), hints, question);
});

test('words that are only like dates are left alone', () => {
  for (const question of [
    'may I march on?',
    'room 2145',
    'the 12 monkeys',
    'decide',
    '99999-12',
    'secondly',
    '',
  ])
    assert.deepEqual(parseDates(question, NOW), [], question);
});

test('dates that no calendar has do no harm', () => {
  for (const question of ['2023-13-45', '99 May 2023', '2023-00', 'February 31', '0 weeks ago'])
    for (const hint of parseDates(question, NOW)) assert.ok(Number.isFinite(hint.weight));
});

test('a day that its month does not have says no more than the month', () => {
  const february = [days('2023-02-01', '2023-03-01'), YEAR_2023];
  for (const question of ['2023-02-29', 'on 31 February 2023', 'February 30, 2023', '0 February 2023'])
    assert.deepEqual(parseDates(question, NOW), february, question);
  assert.deepEqual(parseDates('2024-02-29', NOW)[0], days('2024-02-28', '2024-03-03'));
});

test('months, days and near times are read in other languages too', () => {
  const forms: readonly [LanguageCode, string, readonly DateHint[]][] = [
    ['de', 'Was war am 7. Mai 2023?', [SEVENTH, MAY_2023, YEAR_2023]],
    ['de', 'im Mai 2023', [MAY_2023, YEAR_2023]],
    ['de', 'letzte Woche', [days('2026-05-11', '2026-05-18')]],
    ['de', 'vorgestern', [days('2026-05-17', '2026-05-21')]],
    ['de', 'im März', [yearly(2)]],
    ['de', '2023-05', [MAY_2023, YEAR_2023]],
    ['fr', 'le 7 mai 2023', [SEVENTH, MAY_2023, YEAR_2023]],
    ['fr', 'le 1er août', [yearly(7), yearly(7, 0, 4)]],
    ['fr', 'la semaine dernière', [days('2026-05-11', '2026-05-18')]],
    ['es', 'el 7 de mayo de 2023', [SEVENTH, MAY_2023, YEAR_2023]],
    ['es', '¿qué pasó ayer?', [days('2026-05-18', '2026-05-22')]],
    ['pt', 'em maio de 2023', [MAY_2023, YEAR_2023]],
    ['it', 'il mese scorso', [days('2026-04-01', '2026-05-01')]],
    ['sv', 'i går', [days('2026-05-18', '2026-05-22')]],
    ['fi', 'toukokuussa 2023', [MAY_2023, YEAR_2023]],
    ['tr', "Mayıs'ta", [yearly(4)]],
    ['ru', '7 мая 2023', [SEVENTH, MAY_2023, YEAR_2023]],
    ['cs', '7. května 2023', [SEVENTH, MAY_2023, YEAR_2023]],
    ['de', 'yesterday', [days('2026-05-18', '2026-05-22')]],
  ];
  for (const [language, question, hints] of forms)
    assert.deepEqual(parseDates(question, NOW, language), hints, question);
});

test('every language that has a stemmer has words for dates', () => {
  for (const language of LANGUAGE_CODES) {
    assert.deepEqual(parseDates('', NOW, language), []);
    const yesterday = new Intl.RelativeTimeFormat(language, { numeric: 'auto' }).format(-1, 'day');
    assert.deepEqual(parseDates(yesterday, NOW, language), [days('2026-05-18', '2026-05-22')], language);
    const long = new Intl.DateTimeFormat(language, { month: 'long', timeZone: 'UTC' });
    const may = long.format(Date.UTC(2023, 4, 1));
    assert.deepEqual(parseDates(`${may} 2023`, NOW, language), [MAY_2023, YEAR_2023], language);
  }
});
