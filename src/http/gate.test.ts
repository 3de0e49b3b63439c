import assert from 'node:assert/strict';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { Gate, type GateLimits } from './gate.ts';

const LIMITS = {
  connectionsMax: 6,
  waitingMax: 3,
  connections: { perSecond: 10, burst: 2 },
  perLook: 9,
  fine: 2,
};

function gateAt(limits: Partial<GateLimits> = {}) {
  const clock = { ms: 0 };
  const admitted: Socket[] = [];
  const gate = new Gate(
    { ...LIMITS, ...limits },
    () => clock.ms,
    (socket) => admitted.push(socket),
  );
  let port = 1000;
  const arrive = (remoteAddress: string): Socket => {
    const socket = new Socket();
    Object.defineProperties(socket, {
      remoteAddress: { value: remoteAddress },
      remotePort: { value: port++ },
    });
    gate.arrive(socket);
    return socket;
  };
  /** Gone, after so much time in which nobody else did anything. */
  const leave = (socket: Socket): void => void socket.emit('close');
  const look = (ms: number): number => {
    clock.ms += ms;
    gate.look();
    return admitted.length;
  };
  return { gate, arrive, leave, look, admitted };
}

test('who opens more connections at once than its budget waits, in order, and is served at its rate', () => {
  const { arrive, look, admitted, gate } = gateAt();
  const sockets = Array.from({ length: 5 }, () => arrive('192.0.2.1'));
  assert.deepEqual(admitted, sockets.slice(0, 2));
  assert.ok(gate.isCrowded);
  assert.equal(look(99), 2);
  assert.equal(look(1), 3);
  assert.equal(look(200), 5);
  assert.deepEqual(admitted, sockets);
  look(0);
  assert.ok(!gate.isCrowded && sockets.every(({ destroyed }) => !destroyed));
});

test('what may be opened at once still comes a few at a time', () => {
  const { arrive, look, admitted } = gateAt({
    connections: { perSecond: 10, burst: 100 },
    connectionsMax: 100,
    waitingMax: 100,
    perLook: 2,
  });
  for (let count = 0; count < 7; count++) arrive('192.0.2.1');
  arrive('192.0.2.2');
  assert.equal(admitted.length, 3);
  assert.deepEqual([look(0), look(0), look(0)], [5, 7, 8]);
});

test('what does not fit among those that wait is dropped, and so is what is more than one may hold', () => {
  const { arrive, look } = gateAt();
  const sockets = Array.from({ length: 6 }, () => arrive('192.0.2.1'));
  assert.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [false, false, false, false, false, true],
  );
  look(1_000);
  arrive('192.0.2.1');
  assert.ok(arrive('192.0.2.1').destroyed);
});

test('a neighbour does not wait for the one that floods; a /64 is one neighbour, and a mapped address is the address', () => {
  const { arrive, admitted } = gateAt();
  for (let count = 0; count < 6; count++) arrive('2001:db8:1:2::1');
  assert.equal(admitted.length, 2);
  arrive('2001:db8:1:2:3::7');
  assert.equal(admitted.length, 2);
  arrive('2001:db8:1:3::1');
  arrive('192.0.2.1');
  arrive('::ffff:192.0.2.1');
  assert.equal(admitted.length, 5);
  arrive('::ffff:192.0.2.1');
  assert.equal(admitted.length, 5);
});

test('a connection on which nothing was asked costs several, one that was used costs itself', () => {
  const { gate, arrive, leave, look, admitted } = gateAt();
  for (const [address, isUsed] of [
    ['192.0.2.1', true],
    ['192.0.2.2', false],
  ] as const) {
    const socket = arrive(address);
    if (isUsed) gate.used(socket);
    leave(socket);
  }
  assert.equal(look(100), 2);
  const before = admitted.length;
  for (const address of ['192.0.2.1', '192.0.2.2']) for (let count = 0; count < 2; count++) arrive(address);
  assert.equal(admitted.length, before + 2, 'only who was good is served at once');
  assert.equal(look(100), before + 3);
  assert.equal(look(100), before + 4);
});

test('a connection on which somebody signed in costs nothing, however often they do', () => {
  const { gate, arrive, leave, look, admitted } = gateAt();
  for (let count = 0; count < 20; count++) {
    const socket = arrive('192.0.2.1');
    gate.used(socket);
    for (let times = 0; times < 3; times++) gate.signedIn(socket);
    leave(socket);
    gate.signedIn(socket);
    look(0);
  }
  assert.equal(admitted.length, 20);
  for (let count = 0; count < 4; count++) arrive('192.0.2.1');
  assert.equal(look(0), 22, 'and nobody saves up more than a burst');
});

test('a fine makes wait, and no debt is larger than a burst', () => {
  const { gate, arrive, look, admitted } = gateAt();
  for (let count = 0; count < 100; count++) gate.fine('192.0.2.1');
  arrive('192.0.2.1');
  assert.equal(admitted.length, 0);
  assert.equal(look(290), 0);
  assert.equal(look(20), 1);
});

test('when the server closes, those that wait are let go', () => {
  const { gate, arrive, look } = gateAt();
  const sockets = Array.from({ length: 4 }, () => arrive('192.0.2.1'));
  gate.close();
  assert.deepEqual(
    sockets.map(({ destroyed }) => destroyed),
    [false, false, true, true],
  );
  assert.equal(look(1_000), 2);
});

test('who hung up while it waited is passed over and takes nobody’s turn', () => {
  const { arrive, leave, look, admitted } = gateAt();
  const sockets = Array.from({ length: 4 }, () => arrive('192.0.2.1'));
  sockets[2]?.destroy();
  leave(sockets[2]!);
  assert.equal(look(1_000), 3);
  assert.equal(admitted.at(-1), sockets[3]);
});

test('the address of a proxy on the machine is everybody’s and is not limited; other loopback addresses are', () => {
  const { gate, arrive, admitted } = gateAt();
  for (const address of ['127.0.0.1', '::ffff:127.0.0.1', '::1']) {
    gate.fine(address);
    for (let count = 0; count < 10; count++) arrive(address);
  }
  assert.equal(admitted.length, 30);
  for (let count = 0; count < 10; count++) arrive('127.0.0.2');
  assert.equal(admitted.length, 32);
});
