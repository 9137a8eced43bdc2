// SPDX-License-Identifier: BSD-3-Clause
//
// The index of an append-only chain of blocks: blocks by hash and by height, and the payments of an
// address in order. A block is appended only on top of the newest one, with all its entries or none.
'use strict';
const assert = require('node:assert/strict');
const { createHash } = require('node:crypto');
const { example, forget } = require('./example');

const HEIGHTS = '{chain}:heights'; // sorted set: hash by height
const TIP = '{chain}:tip'; // hash of the newest block
const blockKey = (hash) => `{chain}:block:${hash}`;
const addressKey = (address) => `{chain}:address:${address}`;
const GENESIS = '0'.repeat(64);

function makeBlock(previous, height, payments) {
  const body = JSON.stringify({ previous, height, payments });
  return { hash: createHash('sha256').update(body).digest('hex'), previous, height, payments };
}

// KEYS: tip, heights, block, one per address. ARGV: previous, hash, height, block as JSON.
const APPEND = `
local tip = redis.call('GET', KEYS[1]) or ARGV[5]
if tip ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[2])
redis.call('SET', KEYS[3], ARGV[4])
for i = 4, #KEYS do redis.call('ZADD', KEYS[i], ARGV[3], ARGV[2]) end
return 1`;

// Whether it was appended: false when another block was quicker.
async function append(redis, block) {
  const addresses = [...new Set(block.payments.flatMap((p) => [p.from, p.to]))];
  const keys = [TIP, HEIGHTS, blockKey(block.hash), ...addresses.map(addressKey)];
  const { previous, hash, height } = block;
  const args = [previous, hash, height, JSON.stringify(block), GENESIS];
  return (await redis.eval(APPEND, keys.length, ...keys, ...args)) === 1;
}

async function blockAt(redis, height) {
  const [hash] = await redis.zrange(HEIGHTS, height, height, 'BYSCORE');
  return hash === undefined ? null : JSON.parse(await redis.get(blockKey(hash)));
}

async function historyOf(redis, address) {
  const hashes = await redis.zrange(addressKey(address), 0, -1);
  const blocks = (await redis.mget(...hashes.map(blockKey))).map((text) => JSON.parse(text));
  return blocks.flatMap((b) =>
    b.payments.filter((p) => p.from === address || p.to === address).map((p) => ({ height: b.height, ...p })),
  );
}

// Follow the chain from the tip to its beginning, checking each hash.
async function verify(redis) {
  let n = 0;
  for (let hash = await redis.get(TIP); hash !== GENESIS; n++) {
    const { previous, height, payments } = JSON.parse(await redis.get(blockKey(hash)));
    assert.equal(makeBlock(previous, height, payments).hash, hash);
    hash = previous;
  }
  return n;
}

example(async (redis) => {
  await forget(redis, TIP, HEIGHTS, ...['ada', 'bob', 'cy', 'dot'].map(addressKey));
  const first = makeBlock(GENESIS, 1, [{ from: 'ada', to: 'bob', amount: 5 }]);
  const second = makeBlock(first.hash, 2, [{ from: 'bob', to: 'cy', amount: 2 }]);
  const rival = makeBlock(first.hash, 2, [{ from: 'bob', to: 'dot', amount: 2 }]);
  const third = makeBlock(second.hash, 3, [
    { from: 'cy', to: 'ada', amount: 1 },
    { from: 'ada', to: 'bob', amount: 3 },
  ]);
  assert.ok(await append(redis, first));
  assert.ok(await append(redis, second));
  assert.equal(await append(redis, rival), false);
  console.log('a rival of block 2 is refused, and leaves nothing behind');
  assert.equal(await redis.exists(blockKey(rival.hash), addressKey('dot')), 0);
  assert.ok(await append(redis, third));

  assert.equal((await blockAt(redis, 2)).hash, second.hash);
  assert.equal(await blockAt(redis, 4), null);
  const history = await historyOf(redis, 'bob');
  console.log('payments of bob:', history.map((p) => `${p.from}->${p.to} ${p.amount} (${p.height})`).join(', '));
  assert.deepEqual(history.map((p) => p.height), [1, 2, 3]);
  assert.equal(await verify(redis), 3);
  console.log('3 blocks, each hash checked');
});
