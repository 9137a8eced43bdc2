// SPDX-License-Identifier: BSD-3-Clause
//
// An activity feed: each event is stored once, and its number goes into the feed of each follower,
// a sorted set by time. A page is read from wherever the reader stopped.
'use strict';
const assert = require('node:assert/strict');
const { example, forget } = require('./example');

const KEPT = 100;
const feedOf = (user) => `feed:${user}`;
const followersOf = (user) => `feed-followers:${user}`;
const eventKey = (id) => `event:${id}`;

async function post(redis, user, text, at) {
  const id = await redis.incr('event-number');
  await redis.hset(eventKey(id), { user, text, at });
  // The feeds of followers lie in many slots: each is a command of its own, all on their way at once.
  const followers = await redis.smembers(followersOf(user));
  await Promise.all(
    followers.map((follower) =>
      redis
        .multi()
        .zadd(feedOf(follower), at, id)
        .zremrangebyrank(feedOf(follower), 0, -KEPT - 1)
        .exec(),
    ),
  );
}

// Up to count events before that time, newest first.
async function page(redis, user, before, count) {
  const ids = await redis.zrange(feedOf(user), `(${before}`, '-inf', 'BYSCORE', 'REV', 'LIMIT', 0, count);
  return Promise.all(ids.map((id) => redis.hgetall(eventKey(id))));
}

example(async (redis) => {
  await forget(redis, 'event-number', feedOf('cy'), feedOf('dot'), followersOf('ada'), followersOf('bob'));
  await redis.sadd(followersOf('ada'), 'cy', 'dot');
  await redis.sadd(followersOf('bob'), 'cy');
  for (let i = 1; i <= 6; i++) {
    await post(redis, i % 2 ? 'ada' : 'bob', `news ${i}`, 1000 * i);
  }
  const first = await page(redis, 'cy', '+inf', 3);
  console.log('cy reads:', first.map((e) => `${e.user}: ${e.text}`).join(', '));
  assert.deepEqual(first.map((e) => e.text), ['news 6', 'news 5', 'news 4']);
  const second = await page(redis, 'cy', first.at(-1).at, 3);
  console.log('next page:', second.map((e) => `${e.user}: ${e.text}`).join(', '));
  assert.deepEqual(second.map((e) => e.text), ['news 3', 'news 2', 'news 1']);
  assert.deepEqual((await page(redis, 'dot', '+inf', 9)).map((e) => e.text), ['news 5', 'news 3', 'news 1']);
});
