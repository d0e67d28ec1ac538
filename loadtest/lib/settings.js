/**
 * What a run is told by environment variables. Knows nothing of k6: it runs under Node, too.
 *
 * @typedef {object} Settings
 * @property {string} url where the scheduler is, without a slash at its end
 * @property {string} jaegerUrl where traces are looked at; empty for nowhere
 * @property {string} tokenFile the file that has the token; empty for no token
 * @property {string} queue the queue that all tasks of the run go to
 * @property {string} command what each task runs
 * @property {number} rate tasks a second, before a peak if the script has one
 * @property {number} peak tasks a second at the peak
 * @property {string} duration how long the script's main part lasts
 * @property {number} maxVus how many iterations may be under way at once
 * @property {number} slowMs a request or a task slower than this is told of, with its trace
 * @property {number} startP99Ms threshold: how late 99 % of the tasks may start
 * @property {number} submitP99Ms threshold: how long 99 % of the submissions may take
 * @property {number} lostAfterS a task that has not ended this many seconds after its time is lost
 */

/** What applies where neither the environment nor the script says anything. */
const DEFAULTS = {
  DISTRACK_URL: 'http://localhost:8081',
  DISTRACK_JAEGER_URL: '',
  DISTRACK_TOKEN_FILE: '',
  QUEUE: 'loadtest',
  COMMAND: 'echo hello',
  RATE: '20',
  PEAK: '200',
  DURATION: '1m',
  MAX_VUS: '500',
  SLOW_MS: '1000',
  START_P99_MS: '1000',
  SUBMIT_P99_MS: '250',
  LOST_AFTER_S: '120',
};

/**
 * Reads the settings; all that is wrong with them is told at once.
 *
 * @param {Record<string, string | undefined>} env
 * @param {Partial<typeof DEFAULTS>} [script] defaults of the script's own
 * @returns {Settings}
 */
export function readSettings(env, script = {}) {
  const defaults = { ...DEFAULTS, ...script };
  /** @type {string[]} */
  const problems = [];

  /** @param {keyof typeof DEFAULTS} name */
  const text = (name) => (env[name] ?? '') || defaults[name];
  /** @param {keyof typeof DEFAULTS} name */
  const number = (name) => {
    const value = Number(text(name));
    if (!Number.isInteger(value) || value < 1 || value > 1000000) {
      problems.push(`${name} is '${text(name)}': it must be a whole number of 1 to 1000000`);
    }
    return value;
  };
  /** @param {keyof typeof DEFAULTS} name */
  const address = (name) => {
    const value = text(name).replace(/\/+$/, '');
    if (value !== '' && !/^https?:\/\/[^/\s]+(\/\S*)?$/.test(value)) {
      problems.push(`${name} is '${value}': it must be like http://host:port`);
    }
    return value;
  };

  const duration = text('DURATION');
  if (durationMs(duration) === undefined) {
    problems.push(`DURATION is '${duration}': it must be like 90s, 5m or 1h30m`);
  }
  const settings = {
    url: address('DISTRACK_URL'),
    jaegerUrl: address('DISTRACK_JAEGER_URL'),
    tokenFile: text('DISTRACK_TOKEN_FILE'),
    queue: text('QUEUE'),
    command: text('COMMAND'),
    rate: number('RATE'),
    peak: number('PEAK'),
    duration,
    maxVus: number('MAX_VUS'),
    slowMs: number('SLOW_MS'),
    startP99Ms: number('START_P99_MS'),
    submitP99Ms: number('SUBMIT_P99_MS'),
    lostAfterS: number('LOST_AFTER_S'),
  };
  if (problems.length > 0) {
    throw new Error(`settings: ${problems.join('; ')}`);
  }
  return settings;
}

const UNITS_MS = { h: 3600000, m: 60000, s: 1000 };

/**
 * The milliseconds of a duration like `1h30m`, or undefined if it is none.
 *
 * @param {string} duration
 * @returns {number | undefined}
 */
export function durationMs(duration) {
  if (!/^(\d+[hms])+$/.test(duration)) {
    return undefined;
  }
  let sum = 0;
  for (const [, count, unit] of duration.matchAll(/(\d+)([hms])/g)) {
    sum += Number(count) * UNITS_MS[/** @type {keyof typeof UNITS_MS} */ (unit)];
  }
  return sum > 0 ? sum : undefined;
}
