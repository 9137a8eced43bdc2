// SPDX-License-Identifier: BSD-3-Clause
//
// Sets: tags of articles in both directions, and who follows whom.
'use strict';
const assert = require('node:assert/strict');
const { example, forget } = require('./example');

// Sets that are to be intersected share a hash tag, {tags} and {follow}: one slot in a cluster.
const tagKey = (tag) => `{tags}:${tag}`;
const articleKey = (id) => `{tags}:of:${id}`;
const followers = (user) => `{follow}:followers:${user}`;
const following = (user) => `{follow}:following:${user}`;

async function tag(redis, id, ...tags) {
  const both = redis.multi().sadd(articleKey(id), ...tags);
  tags.forEach((t) => both.sadd(tagKey(t), id));
  await both.exec();
}

async function follow(redis, who, whom) {
  await redis.multi().sadd(following(who), whom).sadd(followers(whom), who).exec();
}

example(async (redis) => {
  await forget(redis, ...['c', 'raft', 'lua'].map(tagKey), ...[1, 2, 3].map(articleKey));
  await tag(redis, 1, 'c', 'raft');
  await tag(redis, 2, 'c', 'lua');
  await tag(redis, 3, 'c', 'raft', 'lua');
  const both = (await redis.sinter(tagKey('c'), tagKey('raft'))).sort();
  console.log('articles about c and raft:', both.join(', '));
  assert.deepEqual(both, ['1', '3']);
  assert.deepEqual((await redis.sdiff(tagKey('c'), tagKey('raft'))).sort(), ['2']);
  assert.deepEqual((await redis.smembers(articleKey(3))).sort(), ['c', 'lua', 'raft']);

  const people = ['ada', 'bob', 'cy', 'dot'];
  await forget(redis, ...people.map(followers), ...people.map(following));
  await follow(redis, 'ada', 'dot');
  await follow(redis, 'bob', 'dot');
  await follow(redis, 'cy', 'dot');
  await follow(redis, 'bob', 'ada');
  await follow(redis, 'ada', 'bob');
  console.log('dot has', await redis.scard(followers('dot')), 'followers');
  assert.equal(await redis.scard(followers('dot')), 3);
  const friends = await redis.sinter(following('ada'), followers('ada'));
  console.log('ada and these follow each other:', friends.join(', '));
  assert.deepEqual(friends, ['bob']);
  assert.deepEqual(await redis.smismember(following('bob'), 'dot', 'cy'), [1, 0]);
});
