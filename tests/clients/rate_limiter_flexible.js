// SPDX-License-Identifier: BSD-3-Clause
//
// rate-limiter-flexible over ioredis and over node-redis.
'use strict';
const assert = require('node:assert/strict');
const { BurstyRateLimiter, RateLimiterQueue, RateLimiterRedis } = require('rate-limiter-flexible');
const { ioredis, nodeRedis, parts, run, sleep } = require('./connect');

const redis = ioredis();

async function limits(name, more) {
  const limiter = new RateLimiterRedis({ keyPrefix: name, points: 5, duration: 1, ...more });
  await limiter.delete('ada');
  const tries = await Promise.allSettled(Array.from({ length: 20 }, () => limiter.consume('ada')));
  assert.equal(tries.filter((t) => t.status === 'fulfilled').length, 5);
  const refused = tries.find((t) => t.status === 'rejected').reason;
  assert.ok(!(refused instanceof Error), `${refused}`); // an answer, not a failure
  assert.equal(refused.remainingPoints, 0);
  assert.ok(refused.msBeforeNext > 0 && refused.msBeforeNext <= 1000, `${refused.msBeforeNext}`);
  await sleep(refused.msBeforeNext + 20);
  assert.equal((await limiter.consume('ada', 2)).remainingPoints, 3);
  assert.equal((await limiter.penalty('ada', 1)).consumedPoints, 3);
  assert.equal((await limiter.reward('ada', 2)).consumedPoints, 1);
  assert.equal((await limiter.get('ada')).consumedPoints, 1);
  assert.equal(await limiter.delete('ada'), true);
  assert.equal(await limiter.get('ada'), null);
}

const withIoredis = () => limits('io', { storeClient: redis });

async function withNodeRedis() {
  const storeClient = await nodeRedis();
  await limits('nr', { storeClient, useRedisPackage: true });
  await storeClient.close();
}

async function blocked() {
  const limiter = new RateLimiterRedis({
    ...{ storeClient: redis, keyPrefix: 'block', points: 1, duration: 1, blockDuration: 60 },
  });
  await limiter.delete('bob');
  await limiter.consume('bob');
  await assert.rejects(limiter.consume('bob'), (answer) => answer.msBeforeNext > 59000);
  await limiter.delete('bob');
}

async function bursts() {
  const make = (keyPrefix, points, duration) =>
    new RateLimiterRedis({ storeClient: redis, keyPrefix, points, duration });
  const bursty = new BurstyRateLimiter(make('steady', 1, 1), make('burst', 3, 10));
  await redis.del('steady:cy');
  await redis.del('burst:cy');
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => bursty.consume('cy')));
  assert.equal(tries.filter((t) => t.status === 'fulfilled').length, 4);
}

async function queued() {
  const limiter = new RateLimiterRedis({ storeClient: redis, keyPrefix: 'q', points: 2, duration: 1 });
  await limiter.delete('dot');
  const queue = new RateLimiterQueue(limiter);
  const start = Date.now();
  await Promise.all([1, 2, 3].map(() => queue.removeTokens(1, 'dot')));
  assert.ok(Date.now() - start >= 500, 'the third had to wait');
}

run(() => parts(withIoredis, withNodeRedis, blocked, bursts, queued));
