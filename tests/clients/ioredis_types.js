// SPDX-License-Identifier: BSD-3-Clause
//
// ioredis with data types, scripts, blocking commands, publish and subscribe.
'use strict';
const assert = require('node:assert/strict');
const { clustered, eventually, ioredis, parts, run, sleep } = require('./connect');

const redis = ioredis();

async function types() {
  assert.equal(await redis.hset('h', { a: '1', b: '2' }), 2);
  assert.deepEqual(await redis.hgetall('h'), { a: '1', b: '2' });
  assert.equal(await redis.hincrbyfloat('h', 'a', 0.25), '1.25');
  assert.equal(await redis.rpush('l', 'a', 'b', 'c'), 3);
  assert.deepEqual(await redis.lrange('l', 0, -1), ['a', 'b', 'c']);
  assert.equal(await redis.sadd('s', 'x', 'y', 'x'), 2);
  assert.deepEqual((await redis.smembers('s')).sort(), ['x', 'y']);
  assert.equal(await redis.zadd('z', 1, 'one', 2, 'two', '+inf', 'all'), 3);
  assert.deepEqual(await redis.zrange('z', 0, -1, 'WITHSCORES'), ['one', '1', 'two', '2', 'all', 'inf']);
  assert.equal(await redis.pfadd('p', 1, 2, 3), 1);
  assert.equal(await redis.pfcount('p'), 3);
  assert.equal(await redis.setbit('bits', 7, 1), 0);
  assert.deepEqual(await redis.bitfield('bits', 'GET', 'u8', 0, 'INCRBY', 'u8', 0, 2), [1, 3]);
  assert.equal(await redis.geoadd('g', 13.361389, 38.115556, 'Palermo'), 1);
  assert.deepEqual(await redis.geohash('g', 'Palermo'), ['sqc8b49rny0']);
  const found = [];
  for await (const items of redis.sscanStream('s')) {
    found.push(...items);
  }
  assert.deepEqual(found.sort(), ['x', 'y']);
  await assert.rejects(redis.lpush('h', 'x'), /^ReplyError: WRONGTYPE/);
}

async function scripts() {
  redis.defineCommand('addAll', {
    numberOfKeys: 1,
    lua: "local n = 0 for i, v in ipairs(ARGV) do n = redis.call('INCRBY', KEYS[1], v) end return {n, #ARGV}",
  });
  // The first sends EVALSHA, is told NOSCRIPT, and sends the script; the others find it there.
  assert.deepEqual(await redis.addAll('sum', 1, 2, 3), [6, 3]);
  assert.deepEqual(await redis.addAll('sum', 4), [10, 1]);
  await redis.script('FLUSH');
  assert.deepEqual(await redis.addAll('sum', 5), [15, 1]);
  const piped = await redis.pipeline().addAll('sum', 1).get('sum').exec();
  assert.deepEqual(piped, [[null, [16, 1]], [null, '16']]);
  await assert.rejects(redis.eval("return redis.error_reply('MY own')", 0), /MY own/);
}

async function blocking() {
  const waiting = redis.duplicate();
  const popped = waiting.blpop('{b}none', '{b}queue', 10);
  await sleep(50);
  await redis.rpush('{b}queue', 'job');
  assert.deepEqual(await popped, ['{b}queue', 'job']);
  const lowest = waiting.bzpopmin('{b}z', 10);
  await sleep(50);
  await redis.zadd('{b}z', 3, 'c', 1, 'a');
  assert.deepEqual(await lowest, ['{b}z', 'a', '1']);
  assert.equal(await waiting.blmove('{b}none', '{b}to', 'LEFT', 'RIGHT', 0.05), null);
  waiting.disconnect();
}

// Patterns and channels reach subscribers wherever they are connected.
async function subscriptions() {
  const subscriber = redis.duplicate();
  const heard = [];
  subscriber.on('message', (channel, message) => heard.push([channel, message]));
  subscriber.on('pmessage', (pattern, channel, message) => heard.push([pattern, channel, message]));
  assert.equal(await subscriber.subscribe('news'), 1);
  assert.equal(await subscriber.psubscribe('ne?s'), 2);
  await redis.publish('news', 'hello');
  await eventually(() => heard.length === 2, 'message and pattern');
  assert.deepEqual(heard.sort((a, b) => a.length - b.length), [['news', 'hello'], ['ne?s', 'news', 'hello']]);
  await subscriber.unsubscribe('news');
  await redis.publish('news', 'again');
  await eventually(() => heard.length === 3, 'the pattern alone');
  subscriber.disconnect();
}

async function shardedSubscriptions() {
  const subscriber = clustered ? ioredis({}, { shardedSubscribers: true }) : redis.duplicate();
  const heard = [];
  subscriber.on('smessage', (channel, message) => heard.push(`${channel} ${message}`));
  const channels = ['s1', 's2', 's3', 's4'];
  for (const channel of channels) {
    await subscriber.ssubscribe(channel);
  }
  for (const channel of channels) {
    await redis.spublish(channel, 'x');
  }
  await eventually(() => heard.length === channels.length, 'all shard channels');
  assert.deepEqual(heard.sort(), channels.map((c) => `${c} x`));
  subscriber.disconnect();
}

async function keyspaceEvents() {
  const nodes = clustered ? redis.nodes('all') : [redis];
  await Promise.all(nodes.map((node) => node.config('SET', 'notify-keyspace-events', 'KEA')));
  // Such events are told by the node that serves the key, and only there.
  const listeners = (clustered ? redis.nodes('master') : [redis]).map((node) => node.duplicate());
  const heard = [];
  for (const listener of listeners) {
    listener.on('pmessage', (_pattern, channel, event) => heard.push(`${channel} ${event}`));
    await listener.psubscribe('__keyspace@0__:watched');
  }
  await redis.set('watched', '1', 'PX', 40);
  await eventually(() => heard.length >= 3, 'set, expire, expired');
  assert.deepEqual(heard, ['set', 'expire', 'expired'].map((e) => `__keyspace@0__:watched ${e}`));
  listeners.forEach((listener) => listener.disconnect());
  await Promise.all(nodes.map((node) => node.config('SET', 'notify-keyspace-events', '')));
}

async function streams() {
  const id = await redis.xadd('{x}st', 'MAXLEN', '~', 1000, '*', 'f', 'v');
  assert.match(id, /^\d+-0$/);
  const reader = redis.duplicate();
  const next = reader.xread('BLOCK', 10000, 'STREAMS', '{x}st', id);
  const second = await redis.xadd('{x}st', '*', 'g', 'w');
  assert.deepEqual(await next, [['{x}st', [[second, ['g', 'w']]]]]);
  await redis.xgroup('CREATE', '{x}st', 'group', '0');
  const taken = await reader.xreadgroup('GROUP', 'group', 'me', 'COUNT', 9, 'STREAMS', '{x}st', '>');
  assert.deepEqual(taken[0][1].map((entry) => entry[0]), [id, second]);
  assert.equal(await redis.xack('{x}st', 'group', id), 1);
  assert.deepEqual(await redis.xpending('{x}st', 'group'), [1, second, second, [['me', '1']]]);
  reader.disconnect();
}

run(() => parts(types, scripts, blocking, subscriptions, shardedSubscriptions, keyspaceEvents, streams));
