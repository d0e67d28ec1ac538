/**
 * People look while work comes in: RATE tasks a second, some of them cancelled, and half as many readers a
 * second, who list tasks, open one, and look at the fleet.
 *
 * Reading has thresholds of its own: a list must stay quick while the database writes, and the other way
 * round.
 */

import { check } from 'k6';

import { connect } from './lib/api.js';
import { constant, options as optionsOf } from './lib/options.js';
import { readSettings } from './lib/settings.js';

/** @typedef {import('./lib/task.js').Task} Task */

const settings = readSettings(__ENV);
const api = connect(settings);

/** One task in this many is cancelled. */
const CANCELLED = 20;

const reading = Object.fromEntries(
  ['list', 'get', 'output', 'why', 'workers', 'queues'].map((name) => [
    `http_req_duration{name:${name}}`,
    [`p(99)<${settings.submitP99Ms}`],
  ]),
);

export const options = optionsOf(
  settings,
  {
    writers: constant(settings, settings.rate, settings.duration, { exec: 'write' }),
    cancellers: constant(settings, Math.ceil(settings.rate / CANCELLED), settings.duration, {
      exec: 'cancel',
    }),
    readers: constant(settings, Math.ceil(settings.rate / 2), settings.duration, { exec: 'look' }),
  },
  { dropped_iterations: ['count==0'], ...reading },
);

export function setup() {
  api.ready();
}

export function write() {
  const task = api.submit();
  if (task !== undefined) {
    api.follow(task);
  }
}

export function cancel() {
  const task = api.submit({ delay_seconds: 60 });
  if (task !== undefined) {
    const response = api.send('POST', `/v1/tasks/${task.task_id}/cancel`, { name: 'cancel' });
    check(response, { 'cancel: 200': (r) => r.status === 200 });
    api.follow(task, 'cancelled');
  }
}

export function look() {
  /** @type {{ tasks: Task[] } | undefined} */
  const page = api.read('list', `/v1/tasks?queue=${encodeURIComponent(settings.queue)}&limit=50`);
  const tasks = page?.tasks ?? [];
  const task = tasks[Math.floor(Math.random() * tasks.length)];
  if (task !== undefined) {
    const path = `/v1/tasks/${task.task_id}`;
    check(api.read('get', path), { 'it is the task that was asked for': (t) => t?.task_id === task.task_id });
    api.read('output', `${path}/output`);
    api.read('why', `${path}/why`);
  }
  api.read('workers', '/v1/workers');
  api.read('queues', '/v1/queues');
}

export function teardown() {
  api.settled();
}
