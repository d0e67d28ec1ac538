/**
 * Runs a script's functions a few times, one after the other, against a real scheduler, and prints what they
 * measured:
 * `DISTRACK_URL=… node --import ./loadtest/test/shim/register.js loadtest/test/shim/run.js loadtest/smoke.js`
 *
 * This is not k6: no rate, no virtual users, no thresholds, no other engine of JavaScript. It shows that the
 * requests are right and that the answers are understood, and says nothing about load.
 */
import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

import { broken, measured } from './record.js';

const TIMES = 2;

globalThis.__ENV = process.env;
globalThis.open = (path) => readFileSync(path, 'utf8');
const script = await import(pathToFileURL(process.argv[2]).href);

const { scenarios, thresholds } = script.options;
script.setup();
for (const { exec = 'default' } of Object.values(scenarios)) {
  for (let i = 0; i < TIMES; i++) {
    script[exec]();
  }
}
script.teardown();
console.log(JSON.stringify({ measured, broken, thresholds: Object.keys(thresholds) }));
