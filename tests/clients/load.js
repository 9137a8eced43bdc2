// SPDX-License-Identifier: BSD-3-Clause
//
// Writers that count what was acknowledged: node load.js LIBRARY single|cluster PORT PORT ...
//
// Each writer sets its key to rising numbers and increments its counter. A line on the standard
// input ends it; then the outcome is printed as JSON: per key the last number acknowledged and the
// last one tried, per counter the increments acknowledged, errors by text, the longest time without
// an acknowledgement.
//
// "single" is what a program without sentinels does: it talks to one node and goes to the next one
// when that fails or says that it is not the leader.
'use strict';
const [library, mode, ...words] = process.argv.slice(2);
const ports = words.map(Number);
const WRITERS = 16;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function openIoredis() {
  const Redis = require('ioredis');
  if (mode === 'cluster') {
    const cluster = new Redis.Cluster(ports.map((port) => ({ host: '127.0.0.1', port })));
    cluster.on('error', () => {});
    return { client: cluster, close: () => cluster.disconnect() };
  }
  return null;
}

async function openNodeRedis() {
  const { createCluster } = require(library);
  const cluster = createCluster({ rootNodes: ports.map((port) => ({ url: `redis://127.0.0.1:${port}` })) });
  cluster.on('error', () => {});
  await cluster.connect();
  return { client: cluster, close: () => {} };
}

// One node at a time, in turn.
class Rotating {
  constructor() {
    this.at = 0;
    this.opening = null;
    this.client = null;
  }

  async open() {
    const port = ports[this.at % ports.length];
    if (library === 'ioredis') {
      const Redis = require('ioredis');
      const client = new Redis({ port, lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 });
      client.on('error', () => {});
      await client.connect();
      return client;
    }
    const { createClient } = require(library);
    const client = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } });
    client.on('error', () => {});
    await client.connect();
    return client;
  }

  async get() {
    this.opening ??= this.open();
    const opening = this.opening;
    try {
      return await opening;
    } catch (error) {
      this.next(opening);
      throw error;
    }
  }

  next(opening) {
    if (this.opening === opening) {
      this.at++;
      this.opening = null;
    }
  }

  async call(name, ...args) {
    const client = await this.get();
    const opening = this.opening;
    try {
      return await client[name](...args);
    } catch (error) {
      this.next(opening);
      throw error;
    }
  }

  set(...args) {
    return this.call('set', ...args);
  }

  incr(...args) {
    return this.call('incr', ...args);
  }
}

async function main() {
  const opened =
    mode === 'single'
      ? { client: new Rotating(), close: () => {} }
      : await (library === 'ioredis' ? openIoredis() : openNodeRedis());
  const { client } = opened;
  const result = { keys: {}, counters: {}, errors: {}, acknowledged: 0, longest_gap_ms: 0 };
  let last = Date.now();
  let running = true;

  function acknowledged() {
    const now = Date.now();
    result.longest_gap_ms = Math.max(result.longest_gap_ms, now - last);
    last = now;
    result.acknowledged++;
  }

  async function writer(i) {
    const key = `key:${i}`;
    const counter = `counter:${i}`;
    const state = (result.keys[key] = { acknowledged: 0, tried: 0 });
    result.counters[counter] = 0;
    for (let n = 1; running; n++) {
      try {
        state.tried = n;
        await client.set(key, String(n));
        state.acknowledged = n;
        acknowledged();
        await client.incr(counter);
        result.counters[counter]++;
        acknowledged();
      } catch (error) {
        result.errors[error.message] = (result.errors[error.message] ?? 0) + 1;
        await sleep(20);
      }
    }
  }

  const progress = setInterval(() => console.log(result.acknowledged), 50);
  process.stdin.once('data', () => {
    running = false;
  });
  await Promise.all(Array.from({ length: WRITERS }, (_, i) => writer(i)));
  clearInterval(progress);
  console.log(JSON.stringify(result));
  opened.close();
}

main().then(
  () => process.exit(0),
  (error) => {
    console.error(error);
    process.exit(1);
  },
);
