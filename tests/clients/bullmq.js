// SPDX-License-Identifier: BSD-3-Clause
//
// BullMQ: delays, priorities, retries, repetition, flows, rate limits, events. All keys of a queue
// must be in one slot of a cluster: the prefix is a hash tag.
'use strict';
const assert = require('node:assert/strict');
const { FlowProducer, Queue, QueueEvents, Worker } = require('bullmq');
const { eventually, ioredis, parts, run, sleep } = require('./connect');

// A worker waits for as long as it takes: BullMQ asks for maxRetriesPerRequest null.
const connection = ioredis({ maxRetriesPerRequest: null });
const options = { connection, prefix: '{mq}' };

// Run body(queue, events, work): work(handler) starts a worker. All are closed in the end.
async function withQueue(name, body) {
  const queue = new Queue(name, options);
  const events = new QueueEvents(name, options);
  const closing = [events, queue];
  for (const item of closing) {
    item.on('error', () => {});
  }
  const work = (handler, more = {}) => {
    const worker = new Worker(name, handler, { ...options, ...more });
    worker.on('error', () => {});
    closing.unshift(worker);
    return worker;
  };
  await queue.obliterate({ force: true });
  await events.waitUntilReady();
  await body(queue, events, work);
  for (const item of closing) {
    await item.close();
  }
}

const results = () =>
  withQueue('results', async (queue, events, work) => {
    work(async (job) => {
      await job.updateProgress(50);
      return job.data.n * 2;
    });
    const progress = [];
    events.on('progress', ({ data }) => progress.push(data));
    const jobs = await queue.addBulk([1, 2, 3].map((n) => ({ name: 'double', data: { n } })));
    const results = await Promise.all(jobs.map((job) => job.waitUntilFinished(events, 10000)));
    assert.deepEqual(results, [2, 4, 6]);
    await eventually(() => progress.length === 3, 'events of progress');
    assert.deepEqual(progress, [50, 50, 50]);
    assert.equal((await queue.getJobCounts('completed')).completed, 3);
    assert.equal((await queue.getJob(jobs[1].id)).returnvalue, 4);
  });

const delayed = () =>
  withQueue('delayed', async (queue, events, work) => {
    const order = [];
    work(async (job) => {
      order.push(job.name);
      return Date.now() - job.timestamp;
    });
    const late = await queue.add('late', {}, { delay: 400 });
    const soon = await queue.add('soon', {}, { delay: 150 });
    assert.equal(await queue.getDelayedCount(), 2);
    const waited = await Promise.all([soon, late].map((job) => job.waitUntilFinished(events, 10000)));
    assert.ok(waited[0] >= 150 && waited[1] >= 400, `${waited}`);
    assert.deepEqual(order, ['soon', 'late']);
  });

const priorities = () =>
  withQueue('priorities', async (queue, events, work) => {
    const order = [];
    await queue.pause();
    for (const priority of [5, 1, 3, 0, 2]) {
      await queue.add(`p${priority}`, {}, priority === 0 ? {} : { priority });
    }
    work(async (job) => order.push(job.name));
    await sleep(50);
    assert.deepEqual(order, []);
    await queue.resume();
    await eventually(() => order.length === 5, 'all priorities');
    assert.deepEqual(order, ['p0', 'p1', 'p2', 'p3', 'p5']); // without a priority comes first
  });

const retries = () =>
  withQueue('retries', async (queue, events, work) => {
    const failed = [];
    events.on('failed', ({ failedReason }) => failed.push(failedReason));
    work(async (job) => {
      if (job.data.failures > job.attemptsMade) {
        throw new Error(`attempt ${job.attemptsMade + 1}`);
      }
      return job.attemptsMade;
    });
    const again = { attempts: 3, backoff: { type: 'fixed', delay: 30 } };
    const good = await queue.add('good', { failures: 2 }, again);
    assert.equal(await good.waitUntilFinished(events, 10000), 2);
    const bad = await queue.add('bad', { failures: 9 }, again);
    await assert.rejects(bad.waitUntilFinished(events, 10000), /attempt 3/);
    await eventually(() => failed.length === 1, 'the event of the failure');
    assert.deepEqual(failed, ['attempt 3']);
    assert.equal(await queue.getFailedCount(), 1);
    await (await queue.getJob(bad.id)).remove();
  });

const repeats = () =>
  withQueue('repeats', async (queue, events, work) => {
    const times = [];
    work(async () => times.push(Date.now()));
    await queue.upsertJobScheduler('tick', { every: 100 }, { name: 'tick', data: {} });
    await eventually(() => times.length >= 4, 'four ticks');
    assert.ok(times[3] - times[0] >= 200, `${times}`);
    assert.equal(await queue.removeJobScheduler('tick'), true);
    assert.deepEqual(await queue.getJobSchedulers(), []);
  });

const flows = () =>
  withQueue('flows', async (queue, events, work) => {
    work(
      async (job) => {
        if (job.name === 'child') {
          return job.data.n;
        }
        const values = Object.values(await job.getChildrenValues());
        return values.reduce((sum, n) => sum + n, 0);
      },
      { concurrency: 3 },
    );
    const producer = new FlowProducer(options);
    const children = [1, 2, 3, 4].map((n) => ({ name: 'child', queueName: 'flows', data: { n } }));
    const { job } = await producer.add({ name: 'sum', queueName: 'flows', children });
    assert.equal(await job.waitUntilFinished(events, 10000), 10);
    await producer.close();
  });

const rateLimits = () =>
  withQueue('limited', async (queue, events, work) => {
    const times = [];
    await queue.addBulk(Array.from({ length: 6 }, (_, n) => ({ name: 'j', data: { n } })));
    const begun = Date.now();
    work(async () => times.push(Date.now() - begun), { concurrency: 6, limiter: { max: 2, duration: 300 } });
    await eventually(() => times.length === 6, 'all limited jobs');
    // A job may be seen late, never early; a few ms are for the rounding of two clocks.
    for (let i = 0; i < 6; i++) {
      assert.ok(times[i] >= Math.floor(i / 2) * 300 - 5, `more than two in 300 ms: ${times}`);
    }
  });

run(() => parts(results, delayed, priorities, retries, repeats, flows, rateLimits));
