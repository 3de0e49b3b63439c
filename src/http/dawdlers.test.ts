import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { Dawdlers } from './dawdlers.ts';

const LIMITS = { windowMs: 10_000, bytesMin: 1_000 };

function watching() {
  const clock = { ms: 0 };
  const dawdlers = new Dawdlers<{ bytesRead: number; bytesWritten: number; writableLength: number }>(
    LIMITS,
    () => clock.ms,
  );
  const socket = { bytesRead: 0, bytesWritten: 0, writableLength: 0 };
  const req = { complete: false, readableFlowing: true as boolean | null };
  const res = Object.assign(new EventEmitter(), { writableLength: 0 });
  dawdlers.watch(socket, req, res);
  dawdlers.look();
  const after = (ms: number): readonly string[] => {
    clock.ms += ms;
    return dawdlers.look().map(({ owes }) => owes);
  };
  return { dawdlers, socket, req, res, after };
}

test('a body that trickles is ended after a window, and found once', () => {
  const { socket, after } = watching();
  socket.bytesRead += 400;
  assert.deepEqual(after(6_000), []);
  socket.bytesRead += 400;
  assert.deepEqual(after(4_000), ['body']);
  assert.deepEqual(after(20_000), []);
});

test('a body that gets on goes on, however long it takes', () => {
  const { socket, after } = watching();
  for (let window = 0; window < 100; window++) {
    socket.bytesRead += 1_000;
    assert.deepEqual(after(10_000), []);
  }
});

test('an answer that nobody takes is ended, also when it lies in the response or in the socket', () => {
  for (const place of ['socket', 'res'] as const) {
    const { req, after, ...at } = watching();
    req.complete = true;
    assert.deepEqual(after(60_000), [], 'who waits for the server is not looked at');
    at.socket.bytesWritten += 100_000;
    at.socket.writableLength = place === 'socket' ? 100_000 : 0;
    at.res.writableLength = place === 'res' ? 100_000 : 0;
    assert.deepEqual(after(2_000), []);
    // Written to the system a little at a time.
    if (place === 'socket') at.socket.writableLength -= 500;
    assert.deepEqual(after(10_000), ['answer']);
  }
});

test('an answer that is taken slowly but steadily is not ended', () => {
  const { socket, req, after } = watching();
  req.complete = true;
  socket.bytesWritten = socket.writableLength = 1_000_000;
  for (let window = 0; window < 50; window++) {
    socket.writableLength -= 1_000;
    assert.deepEqual(after(10_000), []);
  }
});

test('a body that the server does not read is not waited for, and what is over is forgotten', () => {
  const { req, res, after } = watching();
  req.readableFlowing = false;
  assert.deepEqual(after(60_000), []);
  req.readableFlowing = true;
  after(1);
  res.emit('close');
  assert.deepEqual(after(60_000), []);
});

test('the next request of a connection is watched when the one before is over', () => {
  const { dawdlers, socket, res, after } = watching();
  dawdlers.watch(
    socket,
    { complete: false, readableFlowing: true },
    Object.assign(new EventEmitter(), { writableLength: 0 }),
  );
  res.emit('close');
  after(0);
  assert.deepEqual(after(10_000), ['body']);
});

test('what the exchange before has waited is not held against the next one of the connection', () => {
  const { dawdlers, socket, res, after } = watching();
  assert.deepEqual(after(9_000), []);
  res.emit('close');
  dawdlers.watch(
    socket,
    { complete: false, readableFlowing: true },
    Object.assign(new EventEmitter(), { writableLength: 0 }),
  );
  assert.deepEqual(after(2_000), []);
  assert.deepEqual(after(10_000), ['body']);
});
