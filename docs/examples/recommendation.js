// SPDX-License-Identifier: BSD-3-Clause
//
// Recommendation by set intersection: who read much of what you read? What they read and you did
// not is recommended, by the number of such readers.
'use strict';
const assert = require('node:assert/strict');
const { example, forget } = require('./example');

const readBy = (user) => `{books}:read-by:${user}`;
const readersOf = (book) => `{books}:readers-of:${book}`;

async function read(redis, user, ...books) {
  const all = redis.multi().sadd(readBy(user), ...books);
  books.forEach((book) => all.sadd(readersOf(book), user));
  await all.exec();
}

// Users with at least that many books in common.
async function alike(redis, user, atLeast) {
  const books = await redis.smembers(readBy(user));
  const others = new Set(await redis.sunion(...books.map(readersOf)));
  others.delete(user);
  const found = [];
  for (const other of others) {
    // LIMIT: that they are enough is all we want to know.
    const common = await redis.sintercard(2, readBy(user), readBy(other), 'LIMIT', atLeast);
    if (common === atLeast) {
      found.push(other);
    }
  }
  return found.sort();
}

async function recommend(redis, user) {
  const votes = new Map();
  for (const other of await alike(redis, user, 2)) {
    for (const book of await redis.sdiff(readBy(other), readBy(user))) {
      votes.set(book, (votes.get(book) ?? 0) + 1);
    }
  }
  return [...votes].sort(([a, n], [b, m]) => m - n || a.localeCompare(b)).map(([book]) => book);
}

example(async (redis) => {
  const shelves = {
    ada: ['emma', 'ulysses', 'dune'],
    bob: ['emma', 'dune', 'ivanhoe', 'solaris'],
    cy: ['ulysses', 'dune', 'solaris'],
    dot: ['emma', 'heidi'],
  };
  const books = [...new Set(Object.values(shelves).flat())];
  await forget(redis, ...Object.keys(shelves).map(readBy), ...books.map(readersOf));
  for (const [user, list] of Object.entries(shelves)) {
    await read(redis, user, ...list);
  }
  const similar = await alike(redis, 'ada', 2);
  console.log('readers like ada:', similar.join(', '));
  assert.deepEqual(similar, ['bob', 'cy']);
  const recommended = await recommend(redis, 'ada');
  console.log('ada may like:', recommended.join(', '));
  assert.deepEqual(recommended, ['solaris', 'ivanhoe']);
});
