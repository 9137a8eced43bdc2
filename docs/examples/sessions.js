// SPDX-License-Identifier: BSD-3-Clause
//
// Sessions: a hash per session that lives as long as it is used, and a set of the sessions of each
// user, so that "log out everywhere" finds them.
'use strict';
const assert = require('node:assert/strict');
const { randomBytes } = require('node:crypto');
const { example, forget } = require('./example');

const IDLE_S = 1800;
const sessionKey = (id) => `session:${id}`;
const userKey = (user) => `sessions-of:${user}`;

async function login(redis, user, device) {
  const id = randomBytes(16).toString('hex');
  // One transaction: no session without an end, not even when this program dies in between.
  await redis
    .multi()
    .hset(sessionKey(id), { user, device, visits: 0 })
    .expire(sessionKey(id), IDLE_S)
    .exec();
  await redis.sadd(userKey(user), id);
  return id;
}

// The session as an object, or null when it has ended. Each visit prolongs it.
async function visit(redis, id) {
  const [[, alive]] = await redis.multi().expire(sessionKey(id), IDLE_S).exec();
  if (alive === 0) {
    return null;
  }
  await redis.hincrby(sessionKey(id), 'visits', 1);
  return redis.hgetall(sessionKey(id));
}

async function logoutEverywhere(redis, user) {
  const ids = await redis.smembers(userKey(user));
  await Promise.all(ids.map((id) => redis.del(sessionKey(id))));
  await redis.del(userKey(user));
  return ids.length;
}

example(async (redis) => {
  await forget(redis, userKey('ada'));
  const phone = await login(redis, 'ada', 'phone');
  const laptop = await login(redis, 'ada', 'laptop');
  await visit(redis, phone);
  const session = await visit(redis, phone);
  console.log('second visit:', session);
  assert.deepEqual({ ...session }, { user: 'ada', device: 'phone', visits: '2' });
  assert.ok((await redis.ttl(sessionKey(phone))) > IDLE_S - 10);
  assert.equal(await visit(redis, 'a-made-up-id'), null);

  const ended = await logoutEverywhere(redis, 'ada');
  console.log(`${ended} sessions ended`);
  assert.equal(ended, 2);
  assert.equal(await visit(redis, laptop), null);
});
