// SPDX-License-Identifier: BSD-3-Clause
//
// A shopping cart: a hash of article -> count, that is forgotten after a week without a change.
'use strict';
const assert = require('node:assert/strict');
const { example, forget } = require('./example');

const WEEK_S = 7 * 24 * 3600;
const cartOf = (user) => `cart:${user}`;

// Change the count of an article; what falls to nothing leaves the cart.
const CHANGE = `
local count = redis.call('HINCRBY', KEYS[1], ARGV[1], ARGV[2])
if count <= 0 then redis.call('HDEL', KEYS[1], ARGV[1]) count = 0 end
redis.call('EXPIRE', KEYS[1], ARGV[3])
return count`;

const change = (redis, user, article, by) =>
  redis.eval(CHANGE, 1, cartOf(user), article, by, WEEK_S);

// Check-out takes the cart away as it reads it: two clicks make one order.
async function checkOut(redis, user) {
  const [[, items]] = await redis.multi().hgetall(cartOf(user)).del(cartOf(user)).exec();
  return items;
}

example(async (redis) => {
  await forget(redis, cartOf('ada'));
  await change(redis, 'ada', 'tea', 2);
  await change(redis, 'ada', 'cup', 1);
  await change(redis, 'ada', 'tea', 1);
  assert.equal(await change(redis, 'ada', 'cup', -1), 0);
  await change(redis, 'ada', 'pot', 1);
  console.log('the cart has', await redis.hlen(cartOf('ada')), 'articles');
  assert.equal(await redis.hlen(cartOf('ada')), 2);
  assert.ok((await redis.ttl(cartOf('ada'))) > WEEK_S - 10);

  const [order, again] = await Promise.all([checkOut(redis, 'ada'), checkOut(redis, 'ada')]);
  console.log('the order:', order, 'the second click:', again);
  const full = Object.keys(order).length > 0 ? order : again;
  const empty = full === order ? again : order;
  assert.deepEqual({ ...full }, { tea: '3', pot: '1' });
  assert.deepEqual({ ...empty }, {});
});
