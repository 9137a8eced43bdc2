// SPDX-License-Identifier: BSD-3-Clause
//
// One-time passwords: a code that ends by itself, counts for one log-in, and allows few guesses.
'use strict';
const assert = require('node:assert/strict');
const { createHash, randomInt } = require('node:crypto');
const { example, forget, sleep } = require('./example');

const GUESSES = 3;
const hashOf = (code) => createHash('sha256').update(code).digest('hex');
const keyOf = (user) => `otp:${user}`;

async function send(redis, user, lifetimeMs) {
  const code = String(randomInt(1_000_000)).padStart(6, '0');
  await redis
    .multi()
    .del(keyOf(user))
    .hset(keyOf(user), { hash: hashOf(code), guesses: GUESSES })
    .pexpire(keyOf(user), lifetimeMs)
    .exec();
  return code; // by mail or text message; the server keeps the hash only
}

// Look and decide in one step: of two log-ins at once with the right code one succeeds.
const VERIFY = `
local hash = redis.call('HGET', KEYS[1], 'hash')
if not hash then return 'ended' end
if hash == ARGV[1] then redis.call('DEL', KEYS[1]) return 'welcome' end
if redis.call('HINCRBY', KEYS[1], 'guesses', -1) == 0 then redis.call('DEL', KEYS[1]) end
return 'wrong'`;

function verify(redis, user, code) {
  return redis.eval(VERIFY, 1, keyOf(user), hashOf(code));
}

const wrongOf = (code) => (code === '000000' ? '000001' : '000000');

example(async (redis) => {
  await forget(redis, keyOf('ada'));
  let code = await send(redis, 'ada', 60_000);
  assert.equal(await verify(redis, 'ada', wrongOf(code)), 'wrong');
  const twice = await Promise.all([verify(redis, 'ada', code), verify(redis, 'ada', code)]);
  console.log('the right code, twice at once:', twice);
  assert.deepEqual(twice.sort(), ['ended', 'welcome']);

  code = await send(redis, 'ada', 60_000);
  for (let i = 0; i < GUESSES; i++) {
    assert.equal(await verify(redis, 'ada', wrongOf(code)), 'wrong');
  }
  const late = await verify(redis, 'ada', code);
  console.log(`the right code after ${GUESSES} wrong ones:`, late);
  assert.equal(late, 'ended');

  code = await send(redis, 'ada', 100);
  await sleep(150);
  const ended = await verify(redis, 'ada', code);
  console.log('the right code, too late:', ended);
  assert.equal(ended, 'ended');
});
