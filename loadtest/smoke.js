/** Does everything work at all? One client, every route that the other scripts use, half a minute at most. */

import { check } from 'k6';

import { connect, taskOf } from './lib/api.js';
import { newKey } from './lib/identity.js';
import { options as optionsOf } from './lib/options.js';
import { readSettings } from './lib/settings.js';

const settings = readSettings(__ENV);
const api = connect(settings);

export const options = optionsOf(settings, {
  smoke: { executor: 'per-vu-iterations', vus: 1, iterations: 5, maxDuration: `${settings.lostAfterS * 5}s` },
});

export function setup() {
  api.ready();
}

export default function () {
  completes();
  olderRoutes();
  repeats();
  cancels();
  refuses();
}

export function teardown() {
  api.settled();
}

/** A task runs, and can be read in every way. */
function completes() {
  const task = api.submit({ command: 'echo hello' });
  if (task === undefined || api.follow(task) === undefined) {
    return;
  }
  const path = `/v1/tasks/${task.task_id}`;
  const output = api.read('output', `${path}/output`);
  check(output, { 'its output is kept': (o) => o?.stdout.head === 'hello\n' });
  check(api.read('why', `${path}/why`), {
    'it is explained': (w) => w?.state === 'completed' && w.summary !== '',
  });
  check(api.read('trace', `${path}/trace`), {
    'its trace is told': (t) => t?.submission.trace_id === task.trace_id && t.attempts.length === 1,
  });
  const listed = api.read('list', `/v1/tasks?queue=${encodeURIComponent(settings.queue)}&limit=100`);
  check(listed, {
    'it is listed': (l) =>
      l?.tasks.some((/** @type {import('./lib/task.js').Task} */ one) => one.task_id === task.task_id),
  });
}

/** The two routes of old. */
function olderRoutes() {
  const body = { command: settings.command, delay_seconds: 1, queue: settings.queue };
  const response = api.send('POST', '/schedule', { name: 'schedule', key: newKey(), body });
  if (check(response, { 'schedule: 200': (r) => r.status === 200 })) {
    const task = taskOf(response);
    api.follow(task);
    check(api.read('status', `/status?task_id=${task.task_id}`), {
      'status knows it': (s) => s?.state === 'completed',
    });
  }
}

/** A submission that is repeated is the same task; another one under its key is refused. */
function repeats() {
  const key = newKey();
  const body = { command: settings.command, queue: settings.queue };
  const first = api.send('POST', '/v1/tasks', { name: 'submit', key, body });
  const again = api.send('POST', '/v1/tasks', { name: 'submit', key, body });
  const same = check([first, again], {
    'a repeated submission is accepted once': ([one, other]) => one?.status === 201 && other?.status === 200,
    'a repeated submission is the same task': ([one, other]) =>
      one?.json('task_id') === other?.json('task_id'),
  });
  if (same) {
    api.follow(taskOf(again));
  }
  const changed = { ...body, command: 'echo changed' };
  const refused = api.send('POST', '/v1/tasks', { name: 'refused', key, body: changed, expected: 422 });
  check(refused, {
    'another submission under its key is refused': (r) => r.json('code') === 'idempotency_key_reused',
  });
}

/** A task that is not due yet is cancelled, and stays so. */
function cancels() {
  const task = api.submit({ delay_seconds: 3600 });
  if (task !== undefined) {
    const response = api.send('POST', `/v1/tasks/${task.task_id}/cancel`, { name: 'cancel' });
    check(response, { 'cancel: 200': (r) => r.status === 200 });
    api.follow(task, 'cancelled');
  }
}

/** What cannot be read names the field at fault. */
function refuses() {
  const body = { command: '', queue: settings.queue };
  const response = api.send('POST', '/v1/tasks', { name: 'refused', body, expected: 422 });
  check(response, {
    'an empty command is refused': (r) => r.status === 422 && r.json('errors.0.field') === 'command',
  });
}
