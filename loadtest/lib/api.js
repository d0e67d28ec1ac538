/**
 * The API, as a careful client uses it: a trace and a key with each submission, and nothing given up too
 * early.
 */

import { check, sleep } from 'k6';
import http from 'k6/http';

import { newKey, newTrace } from './identity.js';
import * as measures from './measures.js';
import { askedDelay, endToEnd, isTerminal, startDelay, unended } from './task.js';

/** @typedef {import('./task.js').Task} Task */
/** @typedef {import('k6/http').Response} Response */

/** A request that waits for a task's end is answered after this many seconds at the latest. */
const WAIT_S = 10;

/**
 * @param {import('./settings.js').Settings} settings
 */
export function connect(settings) {
  // Files can be read before the first iteration only.
  const token = settings.tokenFile === '' ? '' : open(settings.tokenFile).trim();

  /** @param {string} traceId */
  const seen = (traceId) => (settings.jaegerUrl === '' ? traceId : `${settings.jaegerUrl}/trace/${traceId}`);

  /**
   * Sends a request in a trace, one of its own unless told otherwise, and tells of it if it was slow.
   *
   * @param {'GET' | 'POST'} method
   * @param {string} path
   * @param {object} request
   * @param {string} request.name what its metrics are tagged with
   * @param {object} [request.body]
   * @param {string} [request.key]
   * @param {number} [request.expected] a status that is no failure although it looks like one
   * @param {boolean} [request.waits] whether it may take its time
   * @param {ReturnType<typeof newTrace>} [request.trace]
   * @returns {Response}
   */
  function send(method, path, { name, body, key, expected, waits = false, trace = newTrace() }) {
    /** @type {Record<string, string>} */
    const headers = { traceparent: trace.traceparent };
    if (token !== '') {
      headers.Authorization = `Bearer ${token}`;
    }
    if (body !== undefined) {
      headers['Content-Type'] = 'application/json';
    }
    if (key !== undefined) {
      headers['Idempotency-Key'] = key;
    }
    const callback = expected === undefined ? {} : { responseCallback: http.expectedStatuses(expected) };
    const sent = body === undefined ? null : JSON.stringify(body);
    const response = http.request(method, settings.url + path, sent, {
      headers,
      tags: { name },
      ...callback,
    });
    if (!waits && response.timings.duration > settings.slowMs) {
      const took = Math.round(response.timings.duration);
      console.warn(
        `slow request: ${method} ${path} took ${took} ms, status ${response.status}, trace ${seen(trace.traceId)}`,
      );
    }
    return response;
  }

  /**
   * Reads something; undefined if it was not answered with 200.
   *
   * @param {string} name
   * @param {string} path
   * @returns {any}
   */
  function read(name, path) {
    const response = send('GET', path, { name });
    return check(response, { [`${name}: 200`]: (r) => r.status === 200 }) ? response.json() : undefined;
  }

  /**
   * Submits a task. One that may or may not have been stored, as far as its answer tells, is submitted again
   * under the same key: that is what keys are for.
   *
   * @param {object} [fields] of the task, beside command and queue
   * @returns {Task | undefined} none if it was turned away
   */
  function submit(fields = {}) {
    const body = { command: settings.command, queue: settings.queue, ...fields };
    const request = { name: 'submit', key: newKey(), trace: newTrace(), body };
    let response = send('POST', '/v1/tasks', request);
    for (let again = 0; again < 3 && isUnknown(response); again++) {
      sleep(0.5);
      response = send('POST', '/v1/tasks', request);
    }
    const turnedAway = response.status === 429 || response.status === 503;
    measures.refused.add(turnedAway);
    if (turnedAway || !check(response, { 'submit: accepted': (r) => r.status === 201 || r.status === 200 })) {
      return undefined;
    }
    measures.accepted.add(1);
    const task = taskOf(response);
    check(task, { 'submit: in our trace': (t) => t.trace_id === request.trace.traceId });
    return task;
  }

  /**
   * Waits for the task's end and measures it.
   *
   * @param {Task} task
   * @param {string} [expected] the state in which it should end
   * @returns {Task | undefined} none if it is lost
   */
  function follow(task, expected = 'completed') {
    const limit = Date.now() + (expected === 'cancelled' ? 0 : askedDelay(task)) + settings.lostAfterS * 1000;
    for (let now = task; ;) {
      if (isTerminal(now)) {
        measure(now, expected);
        return now;
      }
      const left = Math.max(1, Math.ceil((limit - Date.now()) / 1000));
      const path = `/v1/tasks/${task.task_id}?wait=${Math.min(WAIT_S, left)}s`;
      const response = send('GET', path, { name: 'wait', waits: true });
      if (response.status === 200) {
        now = taskOf(response);
      } else if (response.status !== 404) {
        sleep(1); // It cannot be asked just now, which says nothing of the task.
      }
      if (response.status === 404 || (Date.now() > limit && !isTerminal(now))) {
        measures.lost.add(1);
        const state = response.status === 404 ? 'unknown' : now.state;
        console.error(`lost: task ${task.task_id} is ${state}, trace ${seen(task.trace_id)}`);
        return undefined;
      }
    }
  }

  /**
   * @param {Task} task
   * @param {string} expected
   */
  function measure(task, expected) {
    const late = startDelay(task);
    const whole = endToEnd(task);
    if (late !== undefined) {
      measures.startDelay.add(late);
    }
    if (whole !== undefined && expected !== 'cancelled') {
      measures.endToEnd.add(whole);
      if (whole > settings.slowMs) {
        const why = `${settings.url}/v1/tasks/${task.task_id}/why`;
        console.warn(
          `slow task: ${task.task_id} ended after ${whole} ms, trace ${seen(task.trace_id)}, why ${why}`,
        );
      }
    }
    if (task.state !== expected) {
      measures.failed.add(1);
      console.error(
        `task ${task.task_id} is ${task.state} instead of ${expected}, trace ${seen(task.trace_id)}`,
      );
    }
  }

  /** Before the first task: is anybody there to take and to run it? */
  function ready() {
    const response = send('GET', '/readyz', { name: 'readyz' });
    if (response.status !== 200) {
      throw new Error(`${settings.url} is not ready: status ${response.status} ${response.error}`);
    }
    /** @type {{ workers: { state: string }[] } | undefined} */
    const fleet = read('workers', '/v1/workers');
    if (fleet === undefined || !fleet.workers.some((worker) => worker.state === 'alive')) {
      throw new Error(`${settings.url} has no worker that is alive, or does not say so`);
    }
  }

  /** After the last task: waits until the queue is empty. What then has not ended is lost. */
  function settled() {
    const limit = Date.now() + settings.lostAfterS * 1000;
    let left = 1;
    while (left > 0) {
      const answer = read('queues', '/v1/queues');
      left = answer === undefined ? 1 : unended(answer.queues, settings.queue);
      if (left > 0 && Date.now() > limit) {
        break;
      }
      sleep(left > 0 ? 0.5 : 0);
    }
    measures.lost.add(left);
    if (left > 0) {
      console.error(`lost: ${left} task(s) of queue ${settings.queue} have not ended`);
    }
  }

  return { send, read, submit, follow, ready, settled };
}

/**
 * The task that an answer holds.
 *
 * @param {Response} response
 * @returns {Task}
 */
export function taskOf(response) {
  return /** @type {any} */ (response.json());
}

/**
 * Whether an answer leaves open if the task was stored: none at all, or one that says so.
 *
 * @param {Response} response
 */
function isUnknown(response) {
  return (
    response.status === 0 || (response.status === 503 && String(response.body).includes('commit_unknown'))
  );
}
