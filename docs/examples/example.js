// SPDX-License-Identifier: BSD-3-Clause
//
// What all examples share: connect to the address of the command line, run, close, and end with
// status 1 when something was not as expected.
'use strict';
const Redis = require('ioredis');

// A cluster is found from any one of its nodes; a plain node is what it is.
async function connect() {
  const [host, port] = (process.argv[2] ?? '127.0.0.1:7001').split(':');
  const node = new Redis({ host, port: Number(port) });
  if (!/cluster_enabled:1/.test(await node.info('cluster'))) {
    return node;
  }
  node.disconnect();
  return new Redis.Cluster([{ host, port: Number(port) }]);
}

// Keys of an earlier run would be in the way. One by one: they may be in different slots.
async function forget(redis, ...keys) {
  await Promise.all(keys.map((key) => redis.del(key)));
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function example(main) {
  connect()
    .then(async (redis) => {
      await main(redis);
      await redis.quit();
    })
    .catch((error) => {
      console.error(error);
      process.exit(1);
    });
}

module.exports = { example, forget, sleep };
