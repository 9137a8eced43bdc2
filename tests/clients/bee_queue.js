// SPDX-License-Identifier: BSD-3-Clause
//
// Bee-Queue knows no clusters: it is given one node, which must serve the slot of its prefix.
'use strict';
const assert = require('node:assert/strict');
const Queue = require('bee-queue');
const { eventually, parts, ports, run } = require('./connect');

const options = {
  prefix: '{bee}',
  redis: { host: '127.0.0.1', port: ports[0] },
  activateDelayedJobs: true,
};
const open = [];

async function makeQueue(name) {
  const queue = new Queue(name, options);
  await queue.ready();
  await queue.destroy();
  open.push(queue);
  return queue;
}

const outcome = (job) =>
  new Promise((resolve, reject) => job.on('succeeded', resolve).on('failed', reject));

async function results() {
  const queue = await makeQueue('results');
  queue.process(3, async (job) => {
    job.reportProgress({ at: 50 });
    return job.data.n * 3;
  });
  const progress = [];
  const jobs = [1, 2, 3].map((n) => queue.createJob({ n }).on('progress', (p) => progress.push(p.at)));
  const all = Promise.all(jobs.map(outcome));
  await Promise.all(jobs.map((job) => job.save()));
  assert.deepEqual(await all, [3, 6, 9]);
  await eventually(() => progress.length === 3, 'events of progress');
  assert.equal((await queue.checkHealth()).succeeded, 3);
}

async function retries() {
  const queue = await makeQueue('retries');
  let attempts = 0;
  queue.process(async () => {
    if (++attempts < 3) {
      throw new Error('again');
    }
    return attempts;
  });
  const job = queue.createJob({}).retries(2).backoff('fixed', 20);
  const result = outcome(job);
  await job.save();
  assert.equal(await result, 3);
}

async function delayed() {
  const queue = await makeQueue('delayed');
  queue.process(async () => Date.now());
  const due = Date.now() + 300;
  const job = queue.createJob({}).delayUntil(due);
  const result = outcome(job);
  await job.save();
  assert.ok((await result) >= due);
}

const end = () => Promise.all(open.map((queue) => queue.close()));

run(() => parts(results, retries, delayed, end));
