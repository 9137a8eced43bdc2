// SPDX-License-Identifier: BSD-3-Clause
//
// How the scripts of this folder reach the servers: node SCRIPT single PORT | cluster PORT PORT ...
'use strict';
const assert = require('node:assert/strict');
const Redis = require('ioredis');

const [mode, ...words] = process.argv.slice(2);
const ports = words.map(Number);
const clustered = mode === 'cluster';

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// An ioredis client of either kind; options are those of a connection.
function ioredis(options = {}, ofCluster = {}) {
  const client = clustered
    ? new Redis.Cluster(
        ports.map((port) => ({ host: '127.0.0.1', port })),
        { ...ofCluster, redisOptions: options },
      )
    : new Redis({ port: ports[0], ...options });
  client.on('error', () => {}); // what goes wrong fails the commands
  return client;
}

// A connected node-redis client of either kind.
async function nodeRedis(options = {}, library = 'redis') {
  const { createClient, createCluster } = require(library);
  const client = clustered
    ? createCluster({ rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })), ...options })
    : createClient({ url: `redis://127.0.0.1:${ports[0]}`, ...options });
  client.on('error', () => {});
  await client.connect();
  return client;
}

// Wait until condition() is true; its value is the answer.
async function eventually(condition, what, within_ms = 20000) {
  const deadline = Date.now() + within_ms;
  for (;;) {
    const value = await condition();
    if (value) {
      return value;
    }
    assert.ok(Date.now() < deadline, `not in ${within_ms} ms: ${what}`);
    await sleep(10);
  }
}

// Each part of a script is a function of its own; the output says how far it came.
async function parts(...functions) {
  for (const part of functions) {
    const start = Date.now();
    await part();
    console.log(`${part.name}: ${Date.now() - start} ms`);
  }
}

function run(main) {
  process.on('unhandledRejection', (error) => {
    console.error('unhandled:', error);
    process.exit(1);
  });
  main().then(
    () => process.exit(0),
    (error) => {
      console.error(error);
      process.exit(1);
    },
  );
}

module.exports = { Redis, clustered, eventually, ioredis, nodeRedis, parts, ports, run, sleep };
