/**
 * What the scripts' options have in common. Knows nothing of k6 but the form of its options.
 *
 * @typedef {import('k6/options').Options} Options
 * @typedef {import('k6/options').Scenario} Scenario
 */

/**
 * The options of a script.
 *
 * @param {import('./settings.js').Settings} settings
 * @param {Record<string, Scenario>} scenarios
 * @param {Options['thresholds']} [thresholds] more of them, or others in place of the common ones
 * @returns {Options}
 */
export function options(settings, scenarios, thresholds = {}) {
  return {
    scenarios,
    thresholds: {
      // Nothing that was accepted may get lost, however heavy the load.
      tasks_lost: ['count==0'],
      tasks_failed: ['count==0'],
      task_start_delay: [`p(99)<${settings.startP99Ms}`],
      'http_req_duration{name:submit}': [`p(99)<${settings.submitP99Ms}`],
      http_req_failed: ['rate<0.001'],
      checks: ['rate==1'],
      ...thresholds,
    },
    // Without `url`: it has a task's id in it, and would make a series of each in Prometheus.
    systemTags: ['name', 'method', 'status', 'error_code', 'expected_response', 'scenario', 'check'],
    summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
    // The end of the last task is waited for.
    teardownTimeout: `${settings.lostAfterS + 30}s`,
  };
}

/**
 * A scenario that begins tasks at a constant rate, whether or not earlier ones have ended: a slow answer then
 * lowers no rate, and hides nothing.
 *
 * @param {import('./settings.js').Settings} settings
 * @param {number} rate iterations a second
 * @param {string} duration
 * @param {{ startTime?: string, exec?: string }} [more]
 * @returns {Scenario}
 */
export function constant(settings, rate, duration, more = {}) {
  return { executor: 'constant-arrival-rate', rate, duration, ...iterations(settings, rate), ...more };
}

/**
 * A scenario that begins tasks at a rate which changes: each stage leads to its target.
 *
 * @param {import('./settings.js').Settings} settings
 * @param {number} startRate
 * @param {{ target: number, duration: string }[]} stages
 * @returns {Scenario}
 */
export function ramping(settings, startRate, stages) {
  const highest = Math.max(startRate, ...stages.map((stage) => stage.target));
  return { executor: 'ramping-arrival-rate', startRate, stages, ...iterations(settings, highest) };
}

/**
 * @param {import('./settings.js').Settings} settings
 * @param {number} rate
 */
function iterations(settings, rate) {
  return {
    // An iteration is under way until its task has ended. Enough for tasks of half a second at 1000 a second,
    // without making more of them amid the measurement.
    preAllocatedVUs: Math.min(settings.maxVus, 500, Math.ceil(rate / 2) + 1),
    maxVUs: settings.maxVus,
    // An iteration that is not let to its end cannot tell of its task.
    gracefulStop: `${settings.lostAfterS}s`,
  };
}
