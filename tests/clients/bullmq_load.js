// SPDX-License-Identifier: BSD-3-Clause
//
// BullMQ under way: jobs are added and done until a line arrives on the standard input. Then every
// job whose addition was acknowledged must be done within a deadline; the outcome is printed as JSON.
// An addition that failed is repeated under the same number: BullMQ takes each number once.
'use strict';
const { Queue, Worker } = require('bullmq');
const { eventually, ioredis, run, sleep } = require('./connect');

const options = { connection: ioredis({ maxRetriesPerRequest: null }), prefix: '{mq}' };
const ADDERS = 4;

run(async () => {
  const queue = new Queue('load', options);
  // A job whose handing over was cut off counts as stalled after a while, and is done again.
  const worker = new Worker('load', async (job) => done.set(job.data.n, (done.get(job.data.n) ?? 0) + 1), {
    ...options,
    concurrency: 8,
    lockDuration: 3000,
    stalledInterval: 1000,
    maxStalledCount: 9,
  });
  const done = new Map();
  const added = [];
  let [running, next, failed] = [true, 0, 0];
  queue.on('error', () => {});
  worker.on('error', () => {});

  async function add(n) {
    for (;;) {
      try {
        return await queue.add('job', { n }, { jobId: `job-${n}` });
      } catch {
        failed++;
        await sleep(20);
      }
    }
  }
  async function adder() {
    while (running) {
      const n = next++;
      await add(n);
      added.push(n);
      await sleep(2);
    }
  }

  const progress = setInterval(() => console.log(done.size), 50);
  process.stdin.once('data', () => {
    running = false;
  });
  await Promise.all(Array.from({ length: ADDERS }, adder));
  clearInterval(progress);
  await eventually(() => added.every((n) => done.has(n)), 'every job is done', 40000);
  const again = [...done.values()].filter((times) => times > 1).length;
  console.log(JSON.stringify({ added: added.length, done: done.size, again, failed }));
});
