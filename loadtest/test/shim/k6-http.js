/** Requests that are answered before the call returns, as in k6: a thread sends them while this one waits. */
import { MessageChannel, receiveMessageOnPort, Worker } from 'node:worker_threads';

import { record } from './record.js';

const SENDER = `
  const { workerData: { port, bell } } = require('node:worker_threads');
  port.on('message', async ({ url, init }) => {
    const began = performance.now();
    let answer;
    try {
      const response = await fetch(url, init);
      answer = { status: response.status, body: await response.text(), error: '' };
    } catch (error) {
      answer = { status: 0, body: null, error: String(error.cause ?? error) };
    }
    port.postMessage({ ...answer, timings: { duration: performance.now() - began } });
    Atomics.store(bell, 0, 1);
    Atomics.notify(bell, 0);
  });
`;

const { port1: ours, port2: port } = new MessageChannel();
const bell = new Int32Array(new SharedArrayBuffer(4));
new Worker(SENDER, { eval: true, workerData: { port, bell }, transferList: [port] }).unref();

function request(method, url, body, params = {}) {
  Atomics.store(bell, 0, 0);
  ours.postMessage({ url, init: { method, body: body ?? undefined, headers: params.headers } });
  Atomics.wait(bell, 0, 0);
  const answer = receiveMessageOnPort(ours).message;
  const expected = params.responseCallback ?? ((status) => status >= 200 && status < 400);
  record('http_req_duration', answer.timings.duration);
  record('http_req_failed', !expected(answer.status));
  return { ...answer, json: (path) => at(JSON.parse(answer.body), path) };
}

/** The part of a document that a path like `errors.0.field` names. */
function at(document, path) {
  return (path?.split('.') ?? []).reduce((part, key) => part?.[key], document);
}

const expectedStatuses =
  (...statuses) =>
  (status) =>
    statuses.includes(status);

export default { request, expectedStatuses };
