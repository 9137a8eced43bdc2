// SPDX-License-Identifier: BSD-3-Clause
//
// Rate limiting by windows: a counter per client that ends with its window. Cheap, and exact enough:
// around the border of two windows a client may do up to twice as much.
'use strict';
const assert = require('node:assert/strict');
const { example, forget, sleep } = require('./example');

const LIMIT = 5;
const WINDOW_MS = 400;

async function allowed(redis, client) {
  const key = `requests:${client}`;
  // NX: only the first request starts the clock. In one transaction, so that no counter is left
  // behind without an end.
  const [[, count]] = await redis.multi().incr(key).pexpire(key, WINDOW_MS, 'NX').exec();
  return count <= LIMIT;
}

example(async (redis) => {
  await forget(redis, 'requests:203.0.113.9');
  const answers = await Promise.all(Array.from({ length: 8 }, () => allowed(redis, '203.0.113.9')));
  console.log('8 requests at once:', answers.map((yes) => (yes ? 'served' : '429')).join(' '));
  assert.equal(answers.filter(Boolean).length, LIMIT);
  await sleep(WINDOW_MS + 100);
  assert.ok(await allowed(redis, '203.0.113.9'));
  console.log('in the next window: served');
});
