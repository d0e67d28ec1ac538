/** What was measured: metric → values. A metric that exists and has none is an empty list. */
export const measured = {};

/** Checks that did not hold. */
export const broken = [];

export function record(name, value, tags = {}) {
  measured[name] ??= [];
  if (value !== undefined) {
    measured[name].push(value);
  }
  if (name === 'checks' && value === false) {
    broken.push(tags.check);
  }
}
