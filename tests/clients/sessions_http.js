// SPDX-License-Identifier: BSD-3-Clause
//
// express-session with connect-redis over HTTP: two web servers that share their sessions.
'use strict';
const assert = require('node:assert/strict');
const http = require('node:http');
const { RedisStore } = require('connect-redis');
const session = require('express-session');
const { clustered, ioredis, nodeRedis, parts, run } = require('./connect');

function serve(store) {
  const middleware = session({
    ...{ store, secret: 'a secret', resave: false, saveUninitialized: false, cookie: { maxAge: 60000 } },
  });
  const server = http.createServer((request, response) =>
    middleware(request, response, (error) => {
      if (error) {
        response.writeHead(500).end(String(error));
      } else if (request.url === '/logout') {
        request.session.destroy((failed) => response.writeHead(failed ? 500 : 200).end('bye'));
      } else {
        request.session.visits = (request.session.visits ?? 0) + 1;
        response.end(String(request.session.visits));
      }
    }),
  );
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

// A browser: keeps its cookie, whichever server it talks to.
class Browser {
  cookie = '';

  async get(server, path = '/') {
    const url = `http://127.0.0.1:${server.address().port}${path}`;
    const response = await fetch(url, { headers: { cookie: this.cookie } });
    const cookie = response.headers.get('set-cookie');
    if (cookie !== null) {
      this.cookie = cookie.split(';')[0];
    }
    return { status: response.status, text: await response.text() };
  }
}

async function shared(prefix, client) {
  const store = new RedisStore({ client, prefix, ttl: 60 });
  const [one, two] = await Promise.all([serve(store), serve(new RedisStore({ client, prefix, ttl: 60 }))]);
  const ada = new Browser();
  const bob = new Browser();
  for (let i = 1; i <= 4; i++) {
    assert.deepEqual(await ada.get(i % 2 ? one : two), { status: 200, text: String(i) });
  }
  assert.equal((await bob.get(one)).text, '1');
  if (!clustered || client.masters !== undefined) {
    assert.equal(await store.length(), 2); // connect-redis scans a cluster only with node-redis
    assert.equal((await store.ids()).length, 2);
  }
  const id = decodeURIComponent(ada.cookie).match(/s:([^.]+)\./)[1];
  const ttl = await client.ttl(prefix + id);
  assert.ok(ttl > 50 && ttl <= 60, `${ttl}`);
  assert.equal((await ada.get(two, '/logout')).text, 'bye');
  assert.equal(await client.exists(prefix + id), 0);
  assert.equal((await ada.get(one)).text, '1'); // a new session
  one.close();
  two.close();
}

const withIoredis = () => shared('sess-io:', ioredis());
const withNodeRedis = async () => shared('sess-nr:', await nodeRedis({}, 'redis-4'));

if (require.main === module) {
  run(() => parts(withIoredis, withNodeRedis));
}

module.exports = { Browser, serve };
