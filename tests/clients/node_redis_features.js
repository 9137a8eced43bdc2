// SPDX-License-Identifier: BSD-3-Clause
//
// node-redis as its users use it:
//   node node_redis_features.js redis|redis-4 2|3 single PORT | cluster MASTERS PORT PORT ...
'use strict';
const assert = require('node:assert/strict');
const [library, resp, mode, ...rest] = process.argv.slice(2);
const masters = mode === 'cluster' ? Number(rest.shift()) : 1;
const ports = rest;
const { createClient, createCluster } = require(library);

const protocol = library === 'redis' ? { RESP: Number(resp) } : {};
const url = (port) => `redis://127.0.0.1:${port}`;

function quiet(client) {
  client.on('error', () => {}); // what goes wrong fails the commands
  return client;
}

async function common(redis) {
  assert.equal(await redis.set('{f}a', 'α\r\nβ'), 'OK');
  assert.equal(await redis.get('{f}a'), 'α\r\nβ');
  assert.equal(await redis.get('{f}nosuch'), null);
  assert.equal(await redis.set('{f}a', 'x', { NX: true }), null);
  assert.equal(await redis.set('{f}n', '41', { EX: 100 }), 'OK');
  assert.equal(await redis.incr('{f}n'), 42);
  assert.ok((await redis.ttl('{f}n')) > 90);
  assert.equal(await redis.incrByFloat('{f}n', 0.5), '42.5');
  assert.deepEqual(await redis.mGet(['{f}a', '{f}nosuch', '{f}n']), ['α\r\nβ', null, '42.5']);
  assert.deepEqual(await redis.lcsLen('{f}a', '{f}n'), 0);
  await assert.rejects(redis.incr('{f}a'), /ERR value is not an integer or out of range/);

  const done = await redis.multi().set('{f}t', '1').incr('{f}t').get('{f}t').exec();
  assert.deepEqual(done, ['OK', 2, '2']);
  await assert.rejects(redis.multi().set('{f}t', '1').incr('{f}a').exec());
  const copied = await redis.copy('{f}t', '{f}t2');
  assert.ok(copied === 1 || copied === true);
  assert.equal(await redis.getDel('{f}t2'), '1');

  const n = 5000;
  await Promise.all(Array.from({ length: n }, (_, i) => redis.set(`many:${i}`, String(i))));
  const values = await Promise.all(Array.from({ length: n }, (_, i) => redis.get(`many:${i}`)));
  assert.deepEqual(values, Array.from({ length: n }, (_, i) => String(i)));
  const big = 'x'.repeat(5_000_000);
  await redis.set('{f}big', big);
  assert.equal((await redis.get('{f}big')).length, big.length);
}

async function scanAll(client) {
  const seen = new Set();
  for await (const found of client.scanIterator({ MATCH: 'many:*', COUNT: 500 })) {
    (Array.isArray(found) ? found : [found]).forEach((k) => seen.add(k));
  }
  return seen;
}

async function single(port) {
  const client = quiet(createClient({ url: url(port), name: 'features', ...protocol }));
  await client.connect();
  await common(client);
  assert.equal((await scanAll(client)).size, 5000);
  const info = await client.sendCommand(['CLIENT', 'INFO']);
  assert.match(String(info), new RegExp(` name=features .* resp=${protocol.RESP ?? 2} .*lib-name=node-redis`));

  // CONFIG GET is a map in RESP3 and becomes an object in both.
  assert.equal((await client.configGet('hz')).hz, '10');

  // Optimistic locking on a connection of its own.
  const other = quiet(client.duplicate());
  await other.connect();
  await client.set('w', '1');
  await other.watch('w');
  await client.set('w', '2');
  await assert.rejects(other.multi().set('w', '3').exec(), /watched keys/);
  assert.equal(await client.get('w'), '2');

  // A connection that is cut comes back into its database.
  await other.select(3);
  await other.set('in', 'three');
  const id = await other.sendCommand(['CLIENT', 'ID']);
  const again = new Promise((resolve) => other.once('ready', resolve));
  assert.equal(await client.sendCommand(['CLIENT', 'KILL', 'ID', String(id)]), 1);
  await again;
  assert.equal(await other.get('in'), 'three');
  assert.equal(await client.exists('in'), 0);
}

async function clustered() {
  const rootNodes = ports.map((port) => ({ url: url(port) }));
  const cluster = quiet(createCluster({ rootNodes, ...protocol }));
  await cluster.connect();
  await common(cluster);
  assert.equal(cluster.masters.length, masters);
  let found = 0; // each master has keys of its own
  for (const master of cluster.masters) {
    found += (await scanAll(await cluster.nodeClient(master))).size;
  }
  assert.equal(found, 5000);
  await assert.rejects(cluster.mSet(['a', '1', 'b', '2']), /CROSSSLOT/);

  const readers = quiet(createCluster({ rootNodes: rootNodes.slice(0, 1), useReplicas: true, ...protocol }));
  await readers.connect();
  assert.equal(readers.masters.length, masters);
  assert.equal(readers.replicas.length, 3 - masters);
  await cluster.set('fresh', 'yes');
  const deadline = Date.now() + 20000;
  while ((await readers.get('fresh')) !== 'yes') {
    assert.ok(Date.now() < deadline, 'followers never showed it');
  }
}

(mode === 'single' ? single(ports[0]) : clustered()).then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
