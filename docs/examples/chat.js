// SPDX-License-Identifier: BSD-3-Clause
//
// Chat by publish and subscribe: messages to who listens now, on whichever node. Nothing is kept;
// orders_stream.js shows what to do when everything must arrive.
'use strict';
const assert = require('node:assert/strict');
const { once } = require('node:events');
const { example } = require('./example');

// A connection that subscribes does nothing else, so each member of the chat has one of its own.
async function join(redis, name, ...rooms) {
  const connection = redis.duplicate();
  const heard = [];
  connection.on('message', (room, text) => {
    const { from, words } = JSON.parse(text);
    console.log(`${name} hears in ${room}: <${from}> ${words}`);
    heard.push(words);
    connection.emit('heard');
  });
  await connection.subscribe(...rooms.map((room) => `chat:${room}`));
  return { connection, heard };
}

function say(redis, room, from, words) {
  return redis.publish(`chat:${room}`, JSON.stringify({ from, words }));
}

async function waitFor(member, count) {
  while (member.heard.length < count) {
    await once(member.connection, 'heard', { signal: AbortSignal.timeout(10_000) });
  }
}

example(async (redis) => {
  const ada = await join(redis, 'ada', 'kitchen', 'garden');
  const bob = await join(redis, 'bob', 'kitchen');
  await say(redis, 'kitchen', 'ada', 'the tea is ready');
  await say(redis, 'garden', 'cy', 'the roses are out');
  await say(redis, 'kitchen', 'bob', 'I come');
  await Promise.all([waitFor(ada, 3), waitFor(bob, 2)]);
  assert.deepEqual(ada.heard, ['the tea is ready', 'the roses are out', 'I come']);
  assert.deepEqual(bob.heard, ['the tea is ready', 'I come']);
  ada.connection.disconnect();
  bob.connection.disconnect();
});
