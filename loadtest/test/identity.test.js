import assert from 'node:assert/strict';
import test from 'node:test';

import { hex, newKey, newTrace } from '../lib/identity.js';

test('a traceparent is valid, sampled, and names the trace that is told of', () => {
  for (let i = 0; i < 1000; i++) {
    const { traceId, traceparent } = newTrace();
    const parts = /^00-([0-9a-f]{32})-([0-9a-f]{16})-01$/.exec(traceparent);
    assert.ok(parts, traceparent);
    assert.equal(parts[1], traceId);
    assert.notEqual(parts[1], '0'.repeat(32));
    assert.notEqual(parts[2], '0'.repeat(16));
  }
});

test('ids are never all zeros, whatever chance says', () => {
  assert.match(newTrace(() => 0).traceparent, /^00-0{31}1-0{15}1-01$/);
});

test('each bit of an id may be set', () => {
  assert.equal(
    hex(2, () => 0.999999999),
    'ffff',
  );
  const seen = Array.from({ length: 1000 }, () => BigInt(`0x${newTrace().traceId}`)).reduce(
    (all, id) => all | id,
    0n,
  );
  assert.equal(seen, (1n << 128n) - 1n);
});

test('no two traces and no two keys are the same', () => {
  const ids = Array.from({ length: 10_000 }, () => [newTrace().traceId, newKey()]).flat();
  assert.equal(new Set(ids).size, ids.length);
});

test('a key is one that the API takes', () => {
  assert.match(newKey(), /^[\x21-\x7e]{1,255}$/);
});
