/**
 * The scripts against a real `distrack up`, with a token, by the stand-in for k6 of shim/run.js.
 * DISTRACK_PROGRAM names the program.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test, { after, before } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const program = process.env.DISTRACK_PROGRAM;
const skip = program === undefined && 'DISTRACK_PROGRAM names no program';
const here = fileURLToPath(new URL('.', import.meta.url));
const scripts = readdirSync(join(here, '..')).filter((file) => file.endsWith('.js'));

/** What k6 measures by itself, as far as thresholds ask for it. */
const BUILT_IN = ['checks', 'dropped_iterations', 'http_req_duration', 'http_req_failed'];

const folder = mkdtempSync(join(tmpdir(), 'distrack-loadtest-'));
const token = join(folder, 'token');
let up;
let url;

before(async () => {
  if (skip) return;
  const ports = ['scheduler', 'coordinator', 'worker', 'metrics'].map((name) => `--${name}_port=:0`);
  const folders = [`--data_dir=${folder}`, `--output_dir=${join(folder, 'output')}`];
  up = spawn(program, ['up', '--auth=tokens', ...ports, ...folders], { stdio: ['ignore', 'pipe', 'ignore'] });
  for await (const line of createInterface(up.stdout)) {
    url = /API +(http:\S+)/.exec(line)?.[1] ?? url;
    if (url !== undefined) break;
  }
  assert.ok(url, 'distrack up did not start');
  up.stdout.resume();
  const made = await run(program, [
    'token',
    'create',
    'loadtest',
    '--scope=submit,read,cancel',
    `--data_dir=${folder}`,
  ]);
  writeFileSync(token, made.stdout);
});

after(async () => {
  if (up?.exitCode === null) {
    up.kill('SIGTERM');
    await once(up, 'exit');
  }
  rmSync(folder, { recursive: true });
});

/** Runs a script and returns what it measured. */
async function measure(script, more = {}) {
  const shim = (file) => join(here, 'shim', file);
  const env = {
    PATH: process.env.PATH,
    DISTRACK_URL: url,
    DISTRACK_TOKEN_FILE: token,
    LOST_AFTER_S: '20',
    ...more,
  };
  const args = ['--import', shim('register.js'), shim('run.js'), join(here, '..', script)];
  const { stdout, stderr } = await run(process.execPath, args, { env, timeout: 60_000 });
  return { ...JSON.parse(stdout.trim().split('\n').pop()), told: stderr };
}

const sum = (values) => values.reduce((all, value) => all + value, 0);

for (const script of scripts) {
  test(`${script} submits tasks that all end, as they should`, { skip }, async () => {
    const { measured, broken, thresholds } = await measure(script);
    assert.deepEqual(broken, []);
    assert.ok(measured.checks.length > 0);
    assert.ok(sum(measured.tasks_accepted) >= 2);
    assert.equal(sum(measured.tasks_lost), 0);
    assert.equal(sum(measured.tasks_failed), 0);
    assert.ok(measured.http_req_failed.every((failed) => !failed));
    for (const name of ['task_start_delay', 'task_end_to_end']) {
      assert.ok(measured[name].length >= 2, name);
      assert.ok(
        measured[name].every((ms) => ms >= 0 && ms < 20_000),
        `${name}: ${measured[name]}`,
      );
    }
    for (const threshold of thresholds) {
      const metric = threshold.replace(/\{.*/, '');
      assert.ok(
        metric in measured || BUILT_IN.includes(metric),
        `a threshold on ${metric}, which nothing measures`,
      );
    }
  });
}

test('a task that has not ended in time is lost, and told of', { skip }, async () => {
  const { measured, told } = await measure('arrival.js', {
    COMMAND: 'sleep 4',
    QUEUE: 'lost',
    LOST_AFTER_S: '1',
  });
  assert.ok(sum(measured.tasks_lost) >= 2);
  assert.match(told, /lost: task [0-9a-f-]{36} is running, trace [0-9a-f]{32}/);
});

test('a task that fails is told of, and is not lost', { skip }, async () => {
  const { measured, told } = await measure('arrival.js', { COMMAND: 'exit 3', QUEUE: 'fails' });
  assert.equal(sum(measured.tasks_failed), 2);
  assert.equal(sum(measured.tasks_lost), 0);
  assert.match(told, /is failed instead of completed/);
});

test('a slow request and a slow task are told of, with their traces', { skip }, async () => {
  const more = {
    SLOW_MS: '1',
    COMMAND: 'sleep 0.1',
    QUEUE: 'slow',
    DISTRACK_JAEGER_URL: 'http://jaeger:16686/',
  };
  const { told } = await measure('arrival.js', more);
  assert.match(
    told,
    /slow request: POST \/v1\/tasks took \d+ ms, status 201, trace http:\/\/jaeger:16686\/trace\/[0-9a-f]{32}\n/,
  );
  assert.match(
    told,
    /slow task: [0-9a-f-]{36} ended after \d+ ms, trace http:\/\/jaeger:16686\/trace\/[0-9a-f]{32}, why http/,
  );
});

test('a scheduler that is not there ends the run before its first task', { skip }, async () => {
  await assert.rejects(measure('arrival.js', { DISTRACK_URL: 'http://127.0.0.1:1' }), /not ready: status 0/);
});
