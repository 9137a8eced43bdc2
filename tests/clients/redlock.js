// SPDX-License-Identifier: BSD-3-Clause
//
// Redlock over one client: with a set whose acknowledged writes are on a majority, more independent
// servers add nothing.
'use strict';
const assert = require('node:assert/strict');
const Redlock = require('redlock');
const { ioredis, parts, run, sleep } = require('./connect');

const redis = ioredis();
const patient = new Redlock([redis], { retryCount: -1, retryDelay: 10, retryJitter: 10 });
const impatient = new Redlock([redis], { retryCount: 0 });

async function exclusion() {
  const lock = await impatient.lock('lock:a', 5000);
  await assert.rejects(impatient.lock('lock:a', 5000), Redlock.LockError);
  const longer = await lock.extend(9000);
  assert.ok((await redis.pttl('lock:a')) > 5000);
  await longer.unlock();
  assert.equal(await redis.exists('lock:a'), 0);
  await assert.rejects(longer.unlock(), Redlock.LockError); // it is not ours any more
}

async function ends() {
  const lost = await impatient.lock('lock:b', 100);
  await sleep(150);
  const mine = await impatient.lock('lock:b', 5000);
  await assert.rejects(lost.unlock(), Redlock.LockError);
  assert.equal(await redis.exists('lock:b'), 1);
  await mine.unlock();
}

async function severalAtOnce() {
  const both = await impatient.lock(['{lock}:c', '{lock}:d'], 5000);
  await assert.rejects(impatient.lock(['{lock}:d', '{lock}:e'], 5000), Redlock.LockError);
  assert.equal(await redis.exists('{lock}:e'), 0);
  await both.unlock();
}

// Without the lock, read and write of ten workers would overlap and increments be lost.
async function contention() {
  await redis.set('counter', 0);
  const worker = async () => {
    for (let i = 0; i < 5; i++) {
      const lock = await patient.lock('lock:counter', 5000);
      const n = Number(await redis.get('counter'));
      await sleep(1);
      await redis.set('counter', n + 1);
      await lock.unlock();
    }
  };
  await Promise.all(Array.from({ length: 10 }, worker));
  assert.equal(await redis.get('counter'), '50');
}

run(() => parts(exclusion, ends, severalAtOnce, contention));
