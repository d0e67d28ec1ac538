/**
 * RATE tasks a second, PEAK at once for DURATION, RATE again: does it come back, and how soon?
 *
 * During the peak tasks may start late, but none may be lost; afterwards all must be as before.
 */

import { connect } from './lib/api.js';
import { constant, options as optionsOf } from './lib/options.js';
import { durationMs, readSettings } from './lib/settings.js';

const settings = readSettings(__ENV, { DURATION: '30s', MAX_VUS: '1000' });
const api = connect(settings);

/** How long it is calm before the peak, how long it may take to recover, and how long it is calm again. */
const CALM_S = 30;
const RECOVERY_S = 30;
const peakS = (durationMs(settings.duration) ?? 0) / 1000;

export const options = optionsOf(
  settings,
  {
    before: constant(settings, settings.rate, `${CALM_S}s`),
    peak: constant(settings, settings.peak, settings.duration, { startTime: `${CALM_S}s` }),
    recovery: constant(settings, settings.rate, `${RECOVERY_S}s`, { startTime: `${CALM_S + peakS}s` }),
    after: constant(settings, settings.rate, `${CALM_S}s`, { startTime: `${CALM_S + peakS + RECOVERY_S}s` }),
  },
  {
    task_start_delay: [],
    'task_start_delay{scenario:before}': [`p(99)<${settings.startP99Ms}`],
    'task_start_delay{scenario:after}': [`p(99)<${settings.startP99Ms}`],
    'http_req_duration{name:submit}': [],
    'http_req_duration{name:submit,scenario:after}': [`p(99)<${settings.submitP99Ms}`],
    // To be turned away at the peak is right; at another time it is not.
    http_req_failed: [],
    'http_req_failed{scenario:before}': ['rate<0.001'],
    'http_req_failed{scenario:after}': ['rate<0.001'],
  },
);

export function setup() {
  api.ready();
}

export default function () {
  const task = api.submit();
  if (task !== undefined) {
    api.follow(task);
  }
}

export function teardown() {
  api.settled();
}
