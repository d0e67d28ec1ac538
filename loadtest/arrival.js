/** RATE tasks a second for DURATION, come what may: how late do they start, how long do they take? */

import { connect } from './lib/api.js';
import { constant, options as optionsOf } from './lib/options.js';
import { readSettings } from './lib/settings.js';

const settings = readSettings(__ENV);
const api = connect(settings);

export const options = optionsOf(
  settings,
  { arrival: constant(settings, settings.rate, settings.duration) },
  // An iteration that could not begin is a task that was never submitted: the rate was not held. More
  // MAX_VUS, then.
  { dropped_iterations: ['count==0'] },
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
