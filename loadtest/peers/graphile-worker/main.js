/**
 * Measures graphile-worker, a task queue over PostgreSQL for Node.js, by the workloads that distrack is measured
 * by.
 *
 * It prints one line of JSON a run. It works in a schema of its own, which each run drops and makes anew; nothing
 * else in the database is touched. It is a yardstick: what it does not do is told in the README beside it.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { parseArgs, promisify } from 'node:util';

import { Logger, makeWorkerUtils, run, runOnce } from 'graphile-worker';

const USAGE = `usage: node main.js [--workers N] DATABASE_URL MODE

  drain-shell TASKS         runs sh -c 'echo hello' for each of TASKS waiting tasks
  drain-noop TASKS          completes TASKS waiting tasks that do nothing
  insert CLIENTS SECONDS    inserts one task at a time from each of CLIENTS
  latency TASKS             inserts TASKS tasks, one after the other, and times how soon each starts

  --workers N    tasks that run at a time; by default what was found to be best for the mode
`;

/** The schema that a run has for itself. */
const SCHEMA = 'distrack_peer_graphile_worker';

/** How many tasks run at a time unless told otherwise: the best of what was tried on 2 cores. */
const WORKERS = { 'drain-shell': 16, 'drain-noop': 4, latency: 4 };

/** Tasks inserted by one statement. */
const CHUNK = 5000;

const sh = promisify(execFile);

/** What tasks do. Nothing keeps what the command prints: graphile-worker has no place for it. */
const taskList = {
  noop() {},
  async shell() {
    const { stdout } = await sh('/bin/sh', ['-c', 'echo hello']);
    if (stdout !== 'hello\n') {
      throw new Error(`printed '${stdout}'`);
    }
  },
};

const logger = new Logger(() => (level, message) => {
  if (level === 'error' || level === 'warning') {
    console.error('graphile-worker:', message);
  }
});

/** Connects, and makes graphile-worker's tables anew. */
async function open(url, connections) {
  const utils = await makeWorkerUtils({
    connectionString: url,
    maxPoolSize: connections,
    schema: SCHEMA,
    logger,
  });
  const query = (text, values) =>
    utils.withPgClient(async (client) => (await client.query(text, values)).rows);
  await query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE`);
  await utils.migrate();
  return { query, utils };
}

/**
 * Lets a worker complete tasks that all wait already, and times it from its start until it has ended of itself,
 * which it does when none is left. A completed task is a deleted row, so that an empty table says that all are.
 */
async function drain(url, identifier, tasks, workers) {
  const { query, utils } = await open(url, 4);
  for (let left = tasks; left > 0; left -= CHUNK) {
    await utils.addJobs(
      Array.from({ length: Math.min(left, CHUNK) }, () => ({ identifier, maxAttempts: 1 })),
    );
  }
  await query(`VACUUM ANALYZE ${SCHEMA}._private_jobs`);
  await query('CHECKPOINT');

  const began = performance.now();
  await runOnce({
    taskList,
    logger,
    noHandleSignals: true,
    preset: {
      worker: {
        connectionString: url,
        schema: SCHEMA,
        concurrentJobs: workers,
        maxPoolSize: workers + 2,
        // As its own benchmark has it, but for the size: rows are locked and deleted by the thousand.
        localQueue: { size: 2000, refetchDelay: { durationMs: 10 } },
        completeJobBatchDelay: 0,
        failJobBatchDelay: 0,
      },
    },
  });
  const seconds = (performance.now() - began) / 1000;

  const [{ left }] = await query(`SELECT count(*)::int AS left FROM ${SCHEMA}._private_jobs`);
  await utils.release();
  if (left > 0) {
    throw new Error(`${left} of ${tasks} tasks failed or were left`);
  }
  return { n: tasks, workers, seconds, rate: tasks / seconds };
}

/** Adds one task at a time from each client, which has a connection of its own, each with a commit of its own. */
async function insert(url, clients, lasting) {
  const { utils } = await open(url, clients);
  let n = 0;
  const began = performance.now();
  const passed = () => (performance.now() - began) / 1000;
  await Promise.all(
    Array.from({ length: clients }, async () => {
      while (passed() < lasting) {
        await utils.addJob('noop');
        n += 1;
      }
    }),
  );
  const seconds = passed();
  await utils.release();
  return { n, clients, seconds, rate: n / seconds };
}

/** Inserts tasks one after the other into a worker with nothing else to do. */
async function latency(url, tasks, workers) {
  const { utils } = await open(url, 2);
  let ran;
  const shell = async () => {
    const started = performance.now();
    const child = spawn('/bin/sh', ['-c', 'echo hello'], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child, 'spawn'); // comes when the child has become /bin/sh
    ran({ started, spawned: performance.now() });
    await once(child, 'close');
  };
  const runner = await run({
    taskList: { shell },
    logger,
    noHandleSignals: true,
    preset: { worker: { connectionString: url, schema: SCHEMA, concurrentJobs: workers } },
  });
  const started = [];
  const spawned = [];
  // The first ones warm up what a running service has warm: connections, prepared statements, compiled code.
  for (let i = -50; i < tasks; i++) {
    // Everything comes to rest, for a time that keeps no step with any timer.
    await new Promise((resolve) => setTimeout(resolve, 20 + Math.random() * 40));
    const begun = new Promise((resolve) => (ran = resolve));
    const asked = performance.now();
    await utils.addJob('shell');
    const at = await begun;
    if (i >= 0) {
      started.push(at.started - asked);
      spawned.push(at.spawned - asked);
    }
  }
  await runner.stop();
  await utils.release();
  return {
    n: tasks,
    workers,
    p50_ms: percentile(started, 50),
    p99_ms: percentile(started, 99),
    spawned_p50_ms: percentile(spawned, 50),
    spawned_p99_ms: percentile(spawned, 99),
  };
}

/** The smallest value that at least p of a hundred do not exceed. */
function percentile(values, p) {
  values.sort((a, b) => a - b);
  return values[Math.ceil((p / 100) * values.length) - 1];
}

function version() {
  const file = new URL('./node_modules/graphile-worker/package.json', import.meta.url);
  return `v${JSON.parse(readFileSync(file, 'utf8')).version}`;
}

/** A number as a line of JSON has it: three decimals say enough. */
function rounded(key, value) {
  return typeof value === 'number' ? Math.round(value * 1000) / 1000 : value;
}

const { values, positionals } = parseArgs({
  options: { workers: { type: 'string' } },
  allowPositionals: true,
});
const [url, mode, ...words] = positionals;
const numbers = words.map(Number);
const workers = Number(values.workers ?? WORKERS[mode] ?? 1);
const measure = {
  'drain-shell': () => drain(url, 'shell', numbers[0], workers),
  'drain-noop': () => drain(url, 'noop', numbers[0], workers),
  insert: () => insert(url, numbers[0], numbers[1]),
  latency: () => latency(url, numbers[0], workers),
}[mode];
const right = [workers, ...numbers].every((number) => Number.isInteger(number) && number > 0);
if (measure === undefined || !right || numbers.length !== (mode === 'insert' ? 2 : 1)) {
  process.stderr.write(USAGE);
  process.exit(2);
}
console.log(
  JSON.stringify({ peer: 'graphile-worker', version: version(), mode, ...(await measure()) }, rounded),
);
