import assert from 'node:assert/strict';
import test from 'node:test';

import { askedDelay, endToEnd, isTerminal, startDelay, unended } from '../lib/task.js';

const waiting = {
  task_id: '01a20e14-ceaf-7235-b82c-f5198810ecc6',
  state: 'pending',
  trace_id: '4bf92f3577b34da6a3ce929d0e0e4736',
  created_at: '2026-11-24T15:02:54.383Z',
  scheduled_at: '2026-11-24T15:02:56.383Z',
  started_at: null,
  completed_at: null,
  failed_at: null,
};
const started = { ...waiting, state: 'running', started_at: '2026-11-24T15:02:56.387Z' };
const completed = { ...started, state: 'completed', completed_at: '2026-11-24T15:02:57.383Z' };

test('a task starts late by the time between its due time and its start', () => {
  assert.equal(startDelay(started), 4);
  assert.equal(startDelay(waiting), undefined);
});

test('the delay that was asked for is no part of what a task took', () => {
  assert.equal(askedDelay(completed), 2000);
  assert.equal(endToEnd(completed), 1000);
  assert.equal(endToEnd(started), undefined);
});

test('a task has ended, however it ended', () => {
  for (const state of ['completed', 'failed', 'cancelled', 'expired']) {
    const ended = { ...waiting, state, [`${state}_at`]: '2026-11-24T15:02:56.483Z' };
    assert.equal(isTerminal(ended), true, state);
    assert.equal(endToEnd(ended), 100, state);
  }
  for (const state of ['pending', 'dispatched', 'running']) {
    assert.equal(isTerminal({ ...waiting, state }), false, state);
  }
});

test('an instant that is none is an error, not a number', () => {
  assert.throws(() => startDelay({ ...started, started_at: 'soon' }), /not two instants/);
});

test('a queue is empty when nothing in it waits or runs', () => {
  const queue = { queue: 'loadtest', scheduled: 1, ready: 2, dispatched: 3, running: 4 };
  assert.equal(unended([{ ...queue, queue: 'other' }, queue], 'loadtest'), 10);
  assert.equal(unended([queue], 'unheard-of'), 0);
});
