// SPDX-License-Identifier: BSD-3-Clause
//
// Order events by a stream with a consumer group: each event goes to one worker of the group, and
// is kept as pending until that worker confirms it. What a crashed worker left is taken over.
'use strict';
const assert = require('node:assert/strict');
const { example, forget, sleep } = require('./example');

const STREAM = 'orders';
const GROUP = 'billing';

const place = (redis, order, total) =>
  redis.xadd(STREAM, 'MAXLEN', '~', 10_000, '*', 'order', order, 'total', total);

const toOrder = ([id, fields]) => ({ id, order: fields[1], total: Number(fields[3]) });

async function take(redis, worker, count) {
  const reply = await redis.xreadgroup('GROUP', GROUP, worker, 'COUNT', count, 'STREAMS', STREAM, '>');
  return reply === null ? [] : reply[0][1].map(toOrder);
}

// What any worker has had for that long without confirming it.
async function takeOver(redis, worker, idleMs) {
  const [, entries] = await redis.xautoclaim(STREAM, GROUP, worker, idleMs, '0');
  return entries.map(toOrder);
}

const confirm = (redis, events) => redis.xack(STREAM, GROUP, ...events.map((e) => e.id));

example(async (redis) => {
  await forget(redis, STREAM);
  await redis.xgroup('CREATE', STREAM, GROUP, '0', 'MKSTREAM');
  for (let i = 1; i <= 6; i++) {
    await place(redis, `A-${i}`, 10 * i);
  }
  const first = await take(redis, 'worker-1', 4);
  const second = await take(redis, 'worker-2', 4);
  console.log('worker-1 has', first.map((e) => e.order).join(' '));
  console.log('worker-2 has', second.map((e) => e.order).join(' '));
  assert.deepEqual([first.length, second.length], [4, 2]);
  assert.equal(await confirm(redis, second), 2);

  // worker-1 confirms one and crashes; worker-2 finishes its work a little later.
  await confirm(redis, first.slice(0, 1));
  assert.equal((await redis.xpending(STREAM, GROUP))[0], 3);
  await sleep(60);
  const left = await takeOver(redis, 'worker-2', 50);
  console.log('worker-2 takes over', left.map((e) => e.order).join(' '));
  assert.deepEqual(left.map((e) => e.order), ['A-2', 'A-3', 'A-4']);
  await confirm(redis, left);
  assert.equal((await redis.xpending(STREAM, GROUP))[0], 0);
  const total = [...first.slice(0, 1), ...second, ...left].reduce((sum, e) => sum + e.total, 0);
  console.log('billed in all:', total);
  assert.equal(total, 210);
});
