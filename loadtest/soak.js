/**
 * RATE tasks a second for DURATION, half an hour unless told otherwise: does anything wear out?
 *
 * The summary shows the first, the middle and the last third side by side. Memory and dead tuples are on the
 * dashboards.
 */

import exec from 'k6/execution';

import { connect } from './lib/api.js';
import { constant, options as optionsOf } from './lib/options.js';
import { durationMs, readSettings } from './lib/settings.js';

const settings = readSettings(__ENV, { DURATION: '30m' });
const api = connect(settings);
const wholeMs = durationMs(settings.duration) ?? 0;

export const options = optionsOf(
  settings,
  { soak: constant(settings, settings.rate, settings.duration) },
  {
    dropped_iterations: ['count==0'],
    // The same limits for each third: what drifts crosses them in the last one.
    'task_start_delay{third:1}': [`p(99)<${settings.startP99Ms}`],
    'task_start_delay{third:2}': [`p(99)<${settings.startP99Ms}`],
    'task_start_delay{third:3}': [`p(99)<${settings.startP99Ms}`],
    'http_req_duration{name:submit,third:1}': [`p(99)<${settings.submitP99Ms}`],
    'http_req_duration{name:submit,third:2}': [`p(99)<${settings.submitP99Ms}`],
    'http_req_duration{name:submit,third:3}': [`p(99)<${settings.submitP99Ms}`],
  },
);

export function setup() {
  api.ready();
}

export default function () {
  const passed = Date.now() - exec.scenario.startTime;
  exec.vu.metrics.tags.third = String(Math.min(3, Math.floor((passed / wholeMs) * 3) + 1));
  const task = api.submit();
  if (task !== undefined) {
    api.follow(task);
  }
}

export function teardown() {
  api.settled();
}
