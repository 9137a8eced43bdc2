// SPDX-License-Identifier: BSD-3-Clause
//
// Rate limiting by a sliding window: the times of the last requests in a sorted set. Never more
// than LIMIT in any stretch of WINDOW_MS, at the price of one entry per request.
'use strict';
const assert = require('node:assert/strict');
const { example, forget, sleep } = require('./example');

const LIMIT = 3;
const WINDOW_MS = 600;

// The server's clock decides, in microseconds: the clocks of many web servers differ. A number
// beside the time makes members distinct. Answers 0, or the milliseconds to wait.
const ALLOW = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local window = ARGV[2] * 1000
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[1]) then
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
  return math.ceil((oldest + window - now) / 1000)
end
redis.call('ZADD', KEYS[1], now, ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 0`;

let n = 0;
function waitMs(redis, client) {
  return redis.eval(ALLOW, 1, `window:${client}`, LIMIT, WINDOW_MS, `${process.pid}-${n++}`);
}

example(async (redis) => {
  await forget(redis, 'window:ada');
  assert.equal(await waitMs(redis, 'ada'), 0);
  await sleep(WINDOW_MS / 2);
  assert.equal(await waitMs(redis, 'ada'), 0);
  assert.equal(await waitMs(redis, 'ada'), 0);
  const wait = await waitMs(redis, 'ada');
  console.log(`the fourth request within ${WINDOW_MS} ms has to wait ${wait} ms`);
  assert.ok(wait > 0 && wait <= WINDOW_MS / 2, `${wait}`);

  // Only the first has left the window by then: there is room for one, not for three.
  await sleep(wait + 5);
  assert.equal(await waitMs(redis, 'ada'), 0);
  assert.ok((await waitMs(redis, 'ada')) > 0);
  console.log('after that time one more is served, not three');
});
