// SPDX-License-Identifier: BSD-3-Clause
//
// Socket.IO servers that reach each other's clients through the adapter of @socket.io/redis-adapter:
// by publish and subscribe, and by its sharded form.
'use strict';
const assert = require('node:assert/strict');
const http = require('node:http');
const { createAdapter, createShardedAdapter } = require('@socket.io/redis-adapter');
const { Server } = require('socket.io');
const { io } = require('socket.io-client');
const { eventually, ioredis, nodeRedis, parts, run } = require('./connect');

function serve(adapter) {
  const server = http.createServer();
  const sockets = new Server(server, { adapter });
  sockets.on('connection', (socket) => {
    socket.on('join', async (room, done) => {
      await socket.join(room);
      done();
    });
    socket.on('say', (room, words) => socket.to(room).emit('said', words));
    socket.on('question', (answer) => answer('forty-two'));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve({ server, sockets })));
}

async function visit({ server }) {
  const socket = io(`http://127.0.0.1:${server.address().port}`, { transports: ['websocket'] });
  const heard = [];
  socket.on('said', (words) => heard.push(words));
  socket.on('asked', (answer) => answer(socket.id));
  await new Promise((resolve) => socket.once('connect', resolve));
  return { socket, heard };
}

async function conversation(one, two) {
  const ada = await visit(one);
  const bob = await visit(two);
  const cy = await visit(two);
  for (const person of [ada, bob]) {
    await person.socket.emitWithAck('join', 'kitchen');
  }
  // Servers learn of each other by what they publish; until then they are alone.
  await eventually(async () => (await one.sockets.fetchSockets()).length === 3, 'one knows all sockets');
  ada.socket.emit('say', 'kitchen', 'tea?');
  await eventually(() => bob.heard.length === 1, 'a word from the other server');
  one.sockets.emit('said', 'to all');
  await eventually(() => [ada, bob, cy].every((p) => p.heard.includes('to all')), 'a word to all');
  assert.deepEqual(bob.heard, ['tea?', 'to all']);
  assert.deepEqual(cy.heard, ['to all']);

  const answers = await one.sockets.timeout(5000).emitWithAck('asked');
  assert.deepEqual(answers.sort(), [ada, bob, cy].map((p) => p.socket.id).sort());
  two.sockets.on('ping from afar', (n, answer) => answer(n + 1));
  assert.deepEqual(await one.sockets.serverSideEmitWithAck('ping from afar', 1), [2]);

  two.sockets.in('kitchen').socketsLeave('kitchen');
  await eventually(async () => (await two.sockets.in('kitchen').fetchSockets()).length === 0, 'an empty kitchen');
  for (const { socket } of [ada, bob, cy]) {
    socket.disconnect();
  }
  one.server.close();
  two.server.close();
}

async function classic() {
  const make = () => createAdapter(ioredis(), ioredis(), { key: 'classic' });
  await conversation(await serve(make()), await serve(make()));
}

async function sharded() {
  const make = async () =>
    createShardedAdapter(await nodeRedis(), await nodeRedis(), { channelPrefix: 'sharded' });
  await conversation(await serve(await make()), await serve(await make()));
}

run(() => parts(classic, sharded));
