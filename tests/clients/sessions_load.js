// SPDX-License-Identifier: BSD-3-Clause
//
// One browser visits a web server whose sessions are in a cluster, until a line arrives on the
// standard input; then the outcome is printed as JSON. Every answer must continue the session:
// a visit that failed may have counted or not, one that was answered has.
'use strict';
const assert = require('node:assert/strict');
const { RedisStore } = require('connect-redis');
const { ioredis, run, sleep } = require('./connect');
const { Browser, serve } = require('./sessions_http');

run(async () => {
  const server = await serve(new RedisStore({ client: ioredis(), prefix: 'sess:' }));
  const browser = new Browser();
  const outcome = { visits: 0, last: 0, failed: 0 };
  let running = true;
  process.stdin.once('data', () => {
    running = false;
  });
  const progress = setInterval(() => console.log(outcome.visits), 50);
  while (running) {
    const { status, text } = await browser.get(server);
    if (status === 200) {
      assert.ok(Number(text) > outcome.last, `visit ${text} after visit ${outcome.last}`);
      outcome.last = Number(text);
      outcome.visits++;
    } else {
      outcome.failed++;
      await sleep(20);
    }
  }
  clearInterval(progress);
  console.log(JSON.stringify(outcome));
});
