// SPDX-License-Identifier: BSD-3-Clause
//
// node-redis in RESP3: types of replies, its cache kept true by tracking, publish and subscribe,
// scripts, functions and blocking commands.
'use strict';
const assert = require('node:assert/strict');
const { defineScript } = require('redis');
const { clustered, eventually, nodeRedis, parts, run, sleep } = require('./connect');

const SCRIPTS = {
  addTo: defineScript({
    NUMBER_OF_KEYS: 1,
    SCRIPT: "return redis.call('INCRBY', KEYS[1], ARGV[1])",
    parseCommand(parser, key, by) {
      parser.pushKey(key);
      parser.push(String(by));
    },
    transformReply: (reply) => reply,
  }),
};
let redis;

async function connect() {
  redis = await nodeRedis({ RESP: 3, scripts: SCRIPTS });
}

async function types() {
  assert.equal(await redis.hSet('h', { a: '1', b: '2' }), 2);
  assert.deepEqual({ ...(await redis.hGetAll('h')) }, { a: '1', b: '2' });
  await redis.zAdd('z', [{ value: 'one', score: 1 }, { value: 'half', score: 0.5 }]);
  assert.equal(await redis.zScore('z', 'half'), 0.5);
  assert.equal(await redis.zScore('z', 'none'), null);
  assert.deepEqual(
    (await redis.zRangeWithScores('z', 0, -1)).map((m) => ({ ...m })),
    [{ value: 'half', score: 0.5 }, { value: 'one', score: 1 }],
  );
  await redis.sAdd('s', ['x', 'y']);
  assert.deepEqual([...(await redis.sMembers('s'))].sort(), ['x', 'y']);
  const near = redis.geoAdd('g', { longitude: 13.361389, latitude: 38.115556, member: 'Palermo' });
  assert.equal(await near, 1);
  const [position] = await redis.geoPos('g', 'Palermo');
  assert.ok(Math.abs(Number(position.longitude) - 13.361389) < 1e-5);
}

async function scripts() {
  assert.equal(await redis.addTo('sum', 5), 5);
  assert.equal(await redis.addTo('sum', 6), 11);
  const done = await redis.multi().addTo('sum', 1).get('sum').exec();
  assert.deepEqual(done, [12, '12']);
}

// The cache answers without the server until another client changes the key.
async function tracking() {
  const cached = await nodeRedis({ RESP: 3, clientSideCache: { ttl: 0, maxEntries: 100, evictPolicy: 'LRU' } });
  const stats = () => cached.clientSideCache.stats();
  for (let i = 0; i < 5; i++) {
    await redis.set(`t${i}`, 'old');
    assert.equal(await cached.get(`t${i}`), 'old');
    assert.equal(await cached.get(`t${i}`), 'old');
  }
  assert.equal(stats().hitCount, 5);
  for (let i = 0; i < 5; i++) {
    await redis.set(`t${i}`, 'new');
    await eventually(async () => (await cached.get(`t${i}`)) === 'new', `t${i} is invalidated`);
  }
  // By expiry as well.
  await redis.set('t0', 'short', { PX: 60 });
  await eventually(async () => (await cached.get('t0')) === 'short', 'the short-lived value');
  await eventually(async () => (await cached.get('t0')) === null, 'its end');
  await cached.close();
}

async function subscriptions() {
  const subscriber = await nodeRedis({ RESP: 3 });
  const heard = [];
  const hear = (message, channel) => heard.push(`${channel} ${message}`);
  await subscriber.subscribe('news', hear);
  await subscriber.pSubscribe('new*', hear);
  await subscriber.sSubscribe('shard', hear);
  await redis.publish('news', 'a');
  await redis.sPublish('shard', 'b');
  await eventually(() => heard.length === 3, 'channel, pattern and shard channel');
  assert.deepEqual(heard.sort(), ['news a', 'news a', 'shard b']);
  await subscriber.unsubscribe('news', hear);
  await redis.publish('news', 'c');
  await eventually(() => heard.length === 4, 'the pattern alone');
  await subscriber.close();
}

async function blocking() {
  const waiting = await nodeRedis({ RESP: 3 });
  const popped = waiting.blPop('queue', 10);
  await sleep(50);
  await redis.rPush('queue', 'job');
  assert.deepEqual({ ...(await popped) }, { key: 'queue', element: 'job' });
  await waiting.close();
}

async function functions() {
  const code = "#!lua name=lib\nredis.register_function('twice', function(keys, args) return args[1] * 2 end)";
  // The library is the cluster's: loaded at one master, it is soon to be called at each.
  const clients = clustered ? await Promise.all(redis.masters.map((m) => redis.nodeClient(m))) : [redis];
  assert.equal(await clients[0].functionLoad(code, { REPLACE: true }), 'lib');
  for (const client of clients) {
    const call = () => client.fCall('twice', { keys: [], arguments: ['21'] }).catch(() => null);
    assert.equal(await eventually(call, 'the function is there'), 42);
  }
}

async function streams() {
  const first = await redis.xAdd('{x}st', '*', { a: '1' });
  await redis.xAdd('{x}st', '*', { a: '2' });
  await redis.xGroupCreate('{x}st', 'g', '0');
  const reader = await nodeRedis({ RESP: 3 });
  const replies = await reader.xReadGroup('g', 'me', { key: '{x}st', id: '>' }, { COUNT: 5 });
  const text = JSON.stringify(replies);
  assert.ok(text.includes(first) && text.includes('"2"'), text);
  assert.equal(await redis.xAck('{x}st', 'g', first), 1);
  assert.equal((await redis.xPending('{x}st', 'g')).pending, 1);
  await reader.close();
}

run(() => parts(connect, types, scripts, tracking, subscriptions, blocking, functions, streams));
