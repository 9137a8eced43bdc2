// SPDX-License-Identifier: BSD-3-Clause
//
// A lock with fencing: it ends by itself when its holder is lost, and each holder gets a higher
// number than the one before. The storage behind refuses lower numbers than it has seen: a holder
// that slept through the end of its lock cannot do harm.
'use strict';
const assert = require('node:assert/strict');
const { randomUUID } = require('node:crypto');
const { example, forget, sleep } = require('./example');

const lockKey = (name) => `{lock:${name}}:holder`;
const numberKey = (name) => `{lock:${name}}:number`;

const ACQUIRE = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return redis.call('INCR', KEYS[2])
end
return false`;
// Only the holder ends its lock: after its time it may be another's.
const RELEASE = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`;

// { owner, number }, or null when somebody else has it.
async function acquire(redis, name, lifetimeMs) {
  const owner = randomUUID();
  const number = await redis.eval(ACQUIRE, 2, lockKey(name), numberKey(name), owner, lifetimeMs);
  return number === null ? null : { owner, number };
}

const release = (redis, name, lock) => redis.eval(RELEASE, 1, lockKey(name), lock.owner);

// Stands for what the lock protects: a database, a file store, a machine.
class Storage {
  highest = 0;
  content = null;

  write(number, content) {
    if (number < this.highest) {
      throw new Error(`number ${number} is older than ${this.highest}`);
    }
    this.highest = number;
    this.content = content;
  }
}

example(async (redis) => {
  await forget(redis, lockKey('report'), numberKey('report'));
  const storage = new Storage();
  const slow = await acquire(redis, 'report', 150);
  assert.equal(await acquire(redis, 'report', 150), null);
  console.log(`slow has the lock with number ${slow.number}, and falls asleep`);
  await sleep(250);

  const quick = await acquire(redis, 'report', 5000);
  assert.ok(quick.number > slow.number);
  storage.write(quick.number, 'by quick');
  console.log(`quick has the lock with number ${quick.number}, and writes`);
  assert.throws(() => storage.write(slow.number, 'by slow'), /older/);
  console.log('slow awakes, and its write is refused');
  assert.equal(storage.content, 'by quick');

  assert.equal(await release(redis, 'report', slow), 0);
  assert.equal(await release(redis, 'report', quick), 1);
  assert.equal(await redis.exists(lockKey('report')), 0);
});
