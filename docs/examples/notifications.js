// SPDX-License-Identifier: BSD-3-Clause
//
// A notification list: the newest on top, bounded, with a count of what was not yet read.
'use strict';
const assert = require('node:assert/strict');
const { example, forget } = require('./example');

const KEPT = 5;
// {…}: both keys of a user are in one slot of the cluster, so one transaction may use both.
const listOf = (user) => `{user:${user}}:notifications`;
const unreadOf = (user) => `{user:${user}}:unread`;

async function notify(redis, user, text) {
  await redis
    .multi()
    .lpush(listOf(user), JSON.stringify({ text, at: Date.now() }))
    .ltrim(listOf(user), 0, KEPT - 1)
    .incr(unreadOf(user))
    .exec();
}

async function open(redis, user) {
  const [[, items]] = await redis
    .multi()
    .lrange(listOf(user), 0, -1)
    .del(unreadOf(user))
    .exec();
  return items.map((item) => JSON.parse(item).text);
}

example(async (redis) => {
  await forget(redis, listOf('ada'), unreadOf('ada'));
  for (let i = 1; i <= 7; i++) {
    await notify(redis, 'ada', `message ${i}`);
  }
  assert.equal(await redis.get(unreadOf('ada')), '7');
  const items = await open(redis, 'ada');
  console.log('7 were sent; kept, newest first:', items.join(', '));
  assert.deepEqual(items, ['message 7', 'message 6', 'message 5', 'message 4', 'message 3']);
  assert.equal(await redis.exists(unreadOf('ada')), 0);
});
