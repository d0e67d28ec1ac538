import { record } from './record.js';

export function check(value, checks) {
  let all = true;
  for (const [name, holds] of Object.entries(checks)) {
    const held = Boolean(holds(value));
    record('checks', held, { check: name });
    all &&= held;
  }
  return all;
}

export function sleep(seconds) {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, seconds * 1000);
}
