// SPDX-License-Identifier: BSD-3-Clause
//
// ioredis as its users use it: node ioredis_features.js single PORT | cluster MASTERS PORT PORT ...
'use strict';
const assert = require('node:assert/strict');
const Redis = require('ioredis');

// What holds for one connection and for a cluster alike; keys share a hash tag where they must.
async function common(redis) {
  assert.equal(await redis.set('{f}a', 'α\r\nβ'), 'OK');
  assert.equal(await redis.get('{f}a'), 'α\r\nβ');
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await redis.set('{f}bytes', bytes);
  assert.deepEqual(await redis.getBuffer('{f}bytes'), bytes);
  assert.equal(await redis.get('{f}nosuch'), null);
  assert.equal(await redis.set('{f}a', 'x', 'PX', 60000, 'NX'), null);
  assert.equal(await redis.set('{f}n', '41', 'EX', 100), 'OK');
  assert.equal(await redis.incr('{f}n'), 42);
  assert.ok((await redis.ttl('{f}n')) > 90);
  assert.deepEqual(await redis.mget('{f}a', '{f}nosuch', '{f}n'), ['α\r\nβ', null, '42']);
  await assert.rejects(redis.incr('{f}a'), /ERR value is not an integer or out of range/);
  await assert.rejects(redis.call('NOSUCH'), /ERR unknown command 'NOSUCH'/);

  const piped = await redis.pipeline().set('{f}p', '1').incr('{f}p').incr('{f}a').get('{f}p').exec();
  assert.deepEqual([piped[0], piped[1], piped[3]], [[null, 'OK'], [null, 2], [null, '2']]);
  assert.match(piped[2][0].message, /not an integer/);

  const done = await redis.multi().set('{f}t', '1').incr('{f}t').incr('{f}a').get('{f}t').exec();
  assert.deepEqual([done[0], done[1], done[3]], [[null, 'OK'], [null, 2], [null, '2']]);
  assert.match(done[2][0].message, /not an integer/);
  await assert.rejects(redis.multi().set('{f}t', '9').call('SET', '{f}t').exec(), /EXECABORT/);
  assert.equal(await redis.get('{f}t'), '2');

  // Thousands of commands on their way at once.
  const n = 5000;
  await Promise.all(Array.from({ length: n }, (_, i) => redis.set(`many:${i}`, i)));
  const values = await Promise.all(Array.from({ length: n }, (_, i) => redis.get(`many:${i}`)));
  assert.deepEqual(values, Array.from({ length: n }, (_, i) => String(i)));
  const big = 'x'.repeat(5_000_000);
  await redis.set('{f}big', big);
  assert.equal((await redis.get('{f}big')).length, big.length);
}

async function scanAll(redis, match) {
  const seen = new Set();
  for await (const keys of redis.scanStream({ match, count: 500 })) {
    keys.forEach((k) => seen.add(k));
  }
  return seen;
}

async function single(port) {
  const redis = new Redis({ port, connectionName: 'features', enableAutoPipelining: false });
  await common(redis);
  assert.equal((await scanAll(redis, 'many:*')).size, 5000);
  assert.equal(await redis.client('GETNAME'), 'features');
  assert.match(await redis.client('INFO'), / name=features .*lib-name=ioredis/);

  // Optimistic locking on a connection of its own.
  const other = redis.duplicate();
  await redis.set('w', '1');
  await other.watch('w');
  await redis.set('w', '2');
  assert.equal(await other.multi().set('w', '3').exec(), null);
  assert.equal(await redis.get('w'), '2');
  other.disconnect();

  // Another database, and a connection that is cut finds back into it.
  const db3 = redis.duplicate({ db: 3 });
  await db3.set('in', 'three');
  const id = await db3.client('ID');
  assert.equal(await redis.client('KILL', 'ID', id), 1);
  assert.equal(await db3.get('in'), 'three');
  assert.equal(await redis.exists('in'), 0);
  db3.disconnect();

  const auto = redis.duplicate({ enableAutoPipelining: true });
  const auto_values = await Promise.all(Array.from({ length: 100 }, (_, i) => auto.get(`many:${i}`)));
  assert.deepEqual(auto_values, Array.from({ length: 100 }, (_, i) => String(i)));
  auto.disconnect();
  assert.equal(await redis.quit(), 'OK');
}

async function clustered(masters, ...ports) {
  const start = ports.map((port) => ({ host: '127.0.0.1', port }));
  const cluster = new Redis.Cluster(start, { redisOptions: { connectionName: 'features' } });
  await common(cluster);
  assert.equal(cluster.nodes('all').length, 3);
  assert.equal(cluster.nodes('master').length, masters);
  assert.equal(cluster.nodes('slave').length, 3 - masters);
  // Each master has keys of its own; together they have all.
  const parts = await Promise.all(cluster.nodes('master').map((node) => scanAll(node, 'many:*')));
  assert.equal(parts.reduce((sum, part) => sum + part.size, 0), 5000);
  assert.ok(parts.every((part) => part.size > 1000));
  await assert.rejects(cluster.mset('a', '1', 'b', '2'), /CROSSSLOT/);
  assert.match(await cluster.cluster('INFO'), /cluster_state:ok/);

  // Reads from followers: what was written a moment ago shows there soon.
  const readers = new Redis.Cluster(start, { scaleReads: 'slave' });
  await cluster.set('fresh', 'yes');
  const deadline = Date.now() + 20000;
  while ((await readers.get('fresh')) !== 'yes') {
    assert.ok(Date.now() < deadline, 'followers never showed it');
  }
  // Knowing only one node of the three is enough to find all.
  for (const port of ports) {
    const found = new Redis.Cluster([{ host: '127.0.0.1', port }]);
    assert.equal(await found.get('fresh'), 'yes');
    found.disconnect();
  }
  readers.disconnect();
  assert.equal(await cluster.quit(), 'OK');
}

const [mode, ...ports] = process.argv.slice(2);
(mode === 'single' ? single(Number(ports[0])) : clustered(...ports.map(Number))).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
