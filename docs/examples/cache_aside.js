// SPDX-License-Identifier: BSD-3-Clause
//
// Cache-aside: read the cache first; on a miss read the database and keep the answer for a while;
// whoever changes the database deletes the cached answer.
'use strict';
const assert = require('node:assert/strict');
const { example, forget } = require('./example');

const LIFETIME_S = 60;
const database = new Map([[17, { name: 'Kettle', price: 39 }]]);
let databaseReads = 0;

function readDatabase(id) {
  databaseReads++;
  return database.get(id) ?? null;
}

async function product(redis, id) {
  const key = `product:${id}`;
  const cached = await redis.get(key);
  if (cached !== null) {
    return JSON.parse(cached);
  }
  const found = readDatabase(id);
  // That there is no such product is an answer as well ("null"), worth keeping, but not for long.
  await redis.set(key, JSON.stringify(found), 'EX', found === null ? 5 : LIFETIME_S);
  return found;
}

async function setPrice(redis, id, price) {
  database.get(id).price = price;
  await redis.del(`product:${id}`);
}

example(async (redis) => {
  await forget(redis, 'product:17', 'product:18');
  console.log('first read: ', await product(redis, 17));
  console.log('second read:', await product(redis, 17));
  assert.equal(databaseReads, 1);

  await setPrice(redis, 17, 35);
  const fresh = await product(redis, 17);
  console.log('after a change:', fresh);
  assert.equal(fresh.price, 35);
  assert.equal(databaseReads, 2);

  assert.equal(await product(redis, 18), null);
  assert.equal(await product(redis, 18), null);
  assert.equal(databaseReads, 3);
  const ttl = await redis.ttl('product:17');
  assert.ok(ttl > 0 && ttl <= LIFETIME_S);
  console.log(`${databaseReads} reads of the database for 5 questions`);
});
