/**
 * From RATE to PEAK tasks a second, evenly over DURATION, until something gives: what does the fleet hold?
 *
 * The run ends at the first threshold that is crossed; the rate of `tasks_accepted` by then is the answer.
 * Where it ends without that, PEAK is held: ask for more.
 */

import { connect } from './lib/api.js';
import { options as optionsOf, ramping } from './lib/options.js';
import { readSettings } from './lib/settings.js';

const settings = readSettings(__ENV, { DURATION: '5m', PEAK: '2000', MAX_VUS: '1000' });
const api = connect(settings);

/** @param {string} threshold */
const breaking = (threshold) => [{ threshold, abortOnFail: true, delayAbortEval: '10s' }];

export const options = optionsOf(
  settings,
  { ramp: ramping(settings, settings.rate, [{ target: settings.peak, duration: settings.duration }]) },
  {
    task_start_delay: breaking(`p(99)<${settings.startP99Ms}`),
    'http_req_duration{name:submit}': breaking(`p(99)<${settings.submitP99Ms}`),
    tasks_refused: breaking('rate<0.01'),
    http_req_failed: breaking('rate<0.05'),
    // All of MAX_VUS wait for their tasks: work comes faster than it is done.
    dropped_iterations: breaking('count<100'),
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
