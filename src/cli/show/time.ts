/** A time as people read it, in UTC and without what is zero: 2026-05-07 10:00:00. */
export function showTime(text: string | undefined): string {
  if (text === undefined) return '';
  const match = /^(\d{4}-\d{2}-\d{2})T(\d{2}:\d{2})(?::(\d{2}))?/.exec(text);
  if (match === null) return text;
  const [, day = '', minutes = '', seconds = '00'] = match;
  return seconds === '00' ? `${day} ${minutes}` : `${day} ${minutes}:${seconds}`;
}

/** A span as people read it: 0.4 s, 2 min 5 s, 1 h 3 min. */
export function showSpan(seconds: number): string {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}
