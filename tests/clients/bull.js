// SPDX-License-Identifier: BSD-3-Clause
//
// Bull, the older sister of BullMQ. It is given connections by a function; in a cluster the prefix
// is a hash tag.
'use strict';
const assert = require('node:assert/strict');
const Bull = require('bull');
const { eventually, ioredis, parts, run, sleep } = require('./connect');

const shared = ioredis();
const open = [];

// Bull refuses connections for waiting and subscribing that check readiness or limit retries.
function createClient(type) {
  if (type === 'client') {
    return shared;
  }
  const forWaiting = { enableReadyCheck: false, maxRetriesPerRequest: null };
  return ioredis(forWaiting, { enableReadyCheck: false });
}

async function makeQueue(name, more = {}) {
  const queue = new Bull(name, { createClient, prefix: '{bull}', ...more });
  queue.on('error', () => {});
  await queue.isReady();
  await queue.obliterate({ force: true });
  open.push(queue);
  return queue;
}

async function results() {
  const queue = await makeQueue('results');
  queue.process(4, async (job) => {
    await job.progress(10);
    return job.data.n + 1;
  });
  const told = [];
  queue.on('global:completed', (id) => told.push(id));
  const jobs = await queue.addBulk([1, 2, 3].map((n) => ({ data: { n } })));
  assert.deepEqual(await Promise.all(jobs.map((job) => job.finished())), [2, 3, 4]);
  await eventually(() => told.length === 3, 'events of completion');
  assert.equal(await queue.getCompletedCount(), 3);
}

async function delaysAndPriorities() {
  const queue = await makeQueue('ordered');
  await queue.pause();
  await queue.add('late', {}, { delay: 300 });
  await queue.add('low', {}, { priority: 9 });
  await queue.add('high', {}, { priority: 1 });
  const order = [];
  queue.process('*', async (job) => order.push(job.name));
  await sleep(30);
  assert.deepEqual(order, []);
  await queue.resume();
  await eventually(() => order.length === 3, 'all three');
  assert.deepEqual(order, ['high', 'low', 'late']);
}

async function retries() {
  const queue = await makeQueue('retries');
  queue.process(async (job) => {
    if (job.attemptsMade < job.data.failures) {
      throw new Error('again');
    }
    return job.attemptsMade;
  });
  const options = { attempts: 3, backoff: { type: 'fixed', delay: 20 } };
  assert.equal(await (await queue.add({ failures: 2 }, options)).finished(), 2);
  await assert.rejects((await queue.add({ failures: 5 }, options)).finished(), /again/);
  assert.equal(await queue.getFailedCount(), 1);
}

async function repeats() {
  const queue = await makeQueue('repeats');
  let ticks = 0;
  queue.process('tick', async () => ticks++);
  const { opts } = await queue.add('tick', {}, { repeat: { every: 100 } });
  await eventually(() => ticks >= 3, 'three ticks');
  await queue.removeRepeatable('tick', opts.repeat);
  assert.deepEqual(await queue.getRepeatableJobs(), []);
}

async function rateLimits() {
  const queue = await makeQueue('limited', { limiter: { max: 2, duration: 250 } });
  const times = [];
  await queue.addBulk(Array.from({ length: 4 }, (_, n) => ({ data: { n } })));
  queue.process(4, async () => times.push(Date.now()));
  await eventually(() => times.length === 4, 'all limited jobs');
  assert.ok(times[2] - times[0] >= 200, `${times}`);
}

const end = () => Promise.all(open.map((queue) => queue.close()));

run(() => parts(results, delaysAndPriorities, retries, repeats, rateLimits, end));
