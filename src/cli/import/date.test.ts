import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchTime } from './date.ts';

const iso = (value: unknown): string | null => {
  const time = matchTime(value);
  return time === null ? null : new Date(time).toISOString();
};

test('times of transcripts are read as UTC unless they say otherwise', () => {
  const cases: [unknown, string][] = [
    ['1:56 pm on 8 May, 2023', '2023-05-08T13:56:00.000Z'],
    ['12:48 am on 1 February, 2023', '2023-02-01T00:48:00.000Z'],
    ['12:00 pm on 29 February, 2024', '2024-02-29T12:00:00.000Z'],
    ['May 8, 2023 at 13:56', '2023-05-08T13:56:00.000Z'],
    ['8th of Sept. 2023', '2023-09-08T00:00:00.000Z'],
    ['Monday, 8 May 2023 9:05:07 AM', '2023-05-08T09:05:07.000Z'],
    ['2023-05-08', '2023-05-08T00:00:00.000Z'],
    ['2023-05-08T13:56:01.25Z', '2023-05-08T13:56:01.250Z'],
    ['2023-05-08 13:56', '2023-05-08T13:56:00.000Z'],
    ['2023-05-08T13:56:00+0200', '2023-05-08T11:56:00.000Z'],
    ['2023-05-08 13:56:00 UTC', '2023-05-08T13:56:00.000Z'],
    [1683554160, '2023-05-08T13:56:00.000Z'],
    [1683554160123, '2023-05-08T13:56:00.123Z'],
    ['1683554160', '2023-05-08T13:56:00.000Z'],
    [1683554160.5, '2023-05-08T13:56:00.500Z'],
  ];
  for (const [value, expected] of cases) assert.equal(iso(value), expected, String(value));
});

test('what could be read in two ways, or is no day, is not a time', () => {
  const none = [
    '05/07/2023',
    '31 February 2023',
    '2023-02-30',
    '25:00 on 8 May 2023',
    '13:00 pm on 8 May 2023',
    '0:30 am on 8 May 2023',
    '10:60 on 8 May 2023',
    '8 Mai 2023',
    '8 Mayor 2023',
    '8 May',
    'yesterday',
    '',
    '   ',
    -1,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    9e15,
    null,
    undefined,
    true,
    {},
    [],
  ];
  for (const value of none) assert.equal(iso(value), null, JSON.stringify(value));
});
