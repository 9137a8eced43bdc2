// SPDX-License-Identifier: BSD-3-Clause
//
// A leaderboard: a sorted set keeps players in the order of their points at all times.
'use strict';
const assert = require('node:assert/strict');
const { example, forget } = require('./example');

const BOARD = 'board:2026-11';

const win = (redis, player, points) => redis.zincrby(BOARD, points, player);

// [{ player, points }, ...], best first.
async function top(redis, count) {
  const flat = await redis.zrange(BOARD, 0, count - 1, 'REV', 'WITHSCORES');
  return Array.from({ length: flat.length / 2 }, (_, i) => ({
    player: flat[2 * i],
    points: Number(flat[2 * i + 1]),
  }));
}

// A player with the neighbours above and below.
async function around(redis, player) {
  const rank = await redis.zrevrank(BOARD, player);
  return redis.zrange(BOARD, Math.max(0, rank - 1), rank + 1, 'REV');
}

example(async (redis) => {
  await forget(redis, BOARD);
  await redis.zadd(BOARD, 120, 'ada', 90, 'barbara', 75, 'grace', 40, 'hedy');
  console.log('hedy wins 45 points and has', await win(redis, 'hedy', 45));
  const best = await top(redis, 3);
  console.log('the best three:', best.map((p) => `${p.player} ${p.points}`).join(', '));
  assert.deepEqual(best[0], { player: 'ada', points: 120 });
  assert.deepEqual(best.map((p) => p.player), ['ada', 'barbara', 'hedy']);

  const neighbours = await around(redis, 'hedy');
  console.log('around hedy:', neighbours.join(', '));
  assert.deepEqual(neighbours, ['barbara', 'hedy', 'grace']);

  // GT: a record is only ever improved, whatever the order in which results arrive.
  await redis.zadd(BOARD, 'GT', 80, 'barbara');
  assert.equal(await redis.zscore(BOARD, 'barbara'), '90');
  const good = await redis.zcount(BOARD, 80, '+inf');
  console.log(`${good} players have 80 points and more`);
  assert.equal(good, 3);
});
