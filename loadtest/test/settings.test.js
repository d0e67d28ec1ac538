import assert from 'node:assert/strict';
import test from 'node:test';

import { durationMs, readSettings } from '../lib/settings.js';

test('nothing has to be set', () => {
  const settings = readSettings({});
  assert.equal(settings.url, 'http://localhost:8081');
  assert.equal(settings.tokenFile, '');
  assert.equal(settings.queue, 'loadtest');
});

test('the environment wins over the script, and the script over the defaults', () => {
  assert.equal(readSettings({}, { RATE: '7' }).rate, 7);
  assert.equal(readSettings({ RATE: '8' }, { RATE: '7' }).rate, 8);
  assert.equal(readSettings({ RATE: '' }, { RATE: '7' }).rate, 7);
});

test('an address may end in a slash', () => {
  assert.equal(readSettings({ DISTRACK_URL: 'https://scheduler:8081/' }).url, 'https://scheduler:8081');
});

test('all that is wrong is told at once, by name', () => {
  const env = {
    DISTRACK_URL: 'localhost:8081',
    RATE: '1.5',
    PEAK: '0',
    MAX_VUS: 'many',
    DURATION: '5 minutes',
  };
  assert.throws(
    () => readSettings(env),
    (/** @type {Error} */ error) => {
      for (const name of Object.keys(env)) {
        assert.match(error.message, new RegExp(name));
      }
      return true;
    },
  );
});

test('a duration is one that k6 takes', () => {
  assert.equal(durationMs('90s'), 90_000);
  assert.equal(durationMs('1h30m'), 5_400_000);
  for (const none of ['', '0s', '5', '5d', '-5s', 's', '1m ']) {
    assert.equal(durationMs(none), undefined, none);
  }
});
