// SPDX-License-Identifier: BSD-3-Clause
//
// A job queue of two lists: a worker moves a job from "waiting" to its own list in one step, and
// removes it there when it is done. What a crashed worker left goes back to "waiting".
'use strict';
const assert = require('node:assert/strict');
const { example, forget } = require('./example');

const WAITING = '{jobs}:waiting';
const workingOn = (worker) => `{jobs}:at:${worker}`;

const add = (redis, job) => redis.lpush(WAITING, JSON.stringify(job));

// Waits up to seconds for a job; null when there is none.
const take = (connection, worker, seconds) =>
  connection.blmove(WAITING, workingOn(worker), 'RIGHT', 'LEFT', seconds);

const finish = (redis, worker, job) => redis.lrem(workingOn(worker), 1, job);

async function putBack(redis, worker) {
  let n = 0;
  while ((await redis.lmove(workingOn(worker), WAITING, 'LEFT', 'RIGHT')) !== null) {
    n++;
  }
  return n;
}

// Work until nothing is left; a worker that dies leaves its third job unfinished.
async function work(redis, worker, done, dies = false) {
  const connection = redis.duplicate(); // one that waits serves nobody else
  for (let job; (job = await take(connection, worker, 0.2)) !== null; ) {
    if (dies && done.length === 2) {
      break;
    }
    done.push(JSON.parse(job).n);
    await finish(redis, worker, job);
  }
  connection.disconnect();
}

example(async (redis) => {
  await forget(redis, WAITING, workingOn('a'), workingOn('b'));
  const doneByA = [];
  const doneByB = [];
  const a = work(redis, 'a', doneByA, true); // waits already when the jobs come
  for (let n = 1; n <= 8; n++) {
    await add(redis, { n });
  }
  await a;
  console.log('worker a did', doneByA.join(' '), 'and died');
  assert.deepEqual(doneByA, [1, 2]);
  assert.equal(await putBack(redis, 'a'), 1);
  await work(redis, 'b', doneByB);
  console.log('worker b did', doneByB.join(' '));
  assert.deepEqual(doneByB, [3, 4, 5, 6, 7, 8]);
  assert.equal(await redis.exists(WAITING, workingOn('a'), workingOn('b')), 0);
});
