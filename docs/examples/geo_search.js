// SPDX-License-Identifier: BSD-3-Clause
//
// Geo search: what is near, how far is it, what lies within a box.
'use strict';
const assert = require('node:assert/strict');
const { example, forget } = require('./example');

const PLACES = 'places';

example(async (redis) => {
  await forget(redis, PLACES);
  // Longitude first, then latitude.
  await redis.geoadd(PLACES, 13.3777, 52.5163, 'Brandenburger Tor');
  await redis.geoadd(PLACES, 13.4094, 52.5208, 'Fernsehturm', 13.2955, 52.5208, 'Schloss Charlottenburg');
  await redis.geoadd(PLACES, 13.0386, 52.4042, 'Sanssouci');

  const near = await redis.geosearch(
    ...[PLACES, 'FROMLONLAT', 13.3889, 52.517, 'BYRADIUS', 7, 'km', 'ASC', 'WITHDIST'],
  );
  console.log('within 7 km:', near.map(([name, km]) => `${name} ${Number(km).toFixed(1)} km`).join(', '));
  assert.deepEqual(near.map(([name]) => name), ['Brandenburger Tor', 'Fernsehturm', 'Schloss Charlottenburg']);

  const km = Number(await redis.geodist(PLACES, 'Fernsehturm', 'Sanssouci', 'km'));
  console.log(`from the Fernsehturm to Sanssouci: ${km.toFixed(1)} km`);
  assert.ok(Math.abs(km - 28.2) < 0.3, `${km}`);

  // The nearest one to a member; itself is always the first.
  const [, nearest] = await redis.geosearch(
    ...[PLACES, 'FROMMEMBER', 'Sanssouci', 'BYRADIUS', 100, 'km', 'ASC', 'COUNT', 2],
  );
  console.log('nearest to Sanssouci:', nearest);
  assert.equal(nearest, 'Schloss Charlottenburg');

  const box = await redis.geosearch(PLACES, 'FROMMEMBER', 'Fernsehturm', 'BYBOX', 6, 2, 'km', 'ASC');
  console.log('in a box of 6 x 2 km around the Fernsehturm:', box.join(', '));
  assert.deepEqual(box, ['Fernsehturm', 'Brandenburger Tor']);
});
