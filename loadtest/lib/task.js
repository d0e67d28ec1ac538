/**
 * What a task tells of itself. All its instants are the database's: differences between them are free of the
 * skew of clocks, and exact to a millisecond.
 *
 * @typedef {object} Task what of a task's resource is read here
 * @property {string} task_id
 * @property {string} state
 * @property {string} trace_id
 * @property {string} created_at
 * @property {string} scheduled_at
 * @property {string | null} [started_at]
 * @property {string | null} [completed_at]
 * @property {string | null} [failed_at]
 * @property {string | null} [cancelled_at]
 * @property {string | null} [expired_at]
 */

const TERMINAL = ['completed', 'failed', 'cancelled', 'expired'];

/**
 * Whether the task has ended, for good.
 *
 * @param {Task} task
 */
export function isTerminal(task) {
  return TERMINAL.includes(task.state);
}

/**
 * How late the task started, in milliseconds; undefined if it never did.
 *
 * @param {Task} task
 */
export function startDelay(task) {
  return between(task.scheduled_at, task.started_at);
}

/**
 * How long after its time the task had ended, in milliseconds; undefined if it has not. The delay that was
 * asked for does not count.
 *
 * @param {Task} task
 */
export function endToEnd(task) {
  return between(
    task.scheduled_at,
    task.completed_at ?? task.failed_at ?? task.cancelled_at ?? task.expired_at,
  );
}

/**
 * The delay that was asked for, in milliseconds.
 *
 * @param {Task} task
 */
export function askedDelay(task) {
  return between(task.created_at, task.scheduled_at) ?? 0;
}

/**
 * @param {string} from
 * @param {string | null | undefined} to
 */
function between(from, to) {
  if (to === null || to === undefined) {
    return undefined;
  }
  const ms = Date.parse(to) - Date.parse(from);
  if (Number.isNaN(ms)) {
    throw new Error(`not two instants: '${from}', '${to}'`);
  }
  return ms;
}

/**
 * How many tasks of a queue have not ended, by the answer of `GET /v1/queues`.
 *
 * @param {{ queue: string, scheduled: number, ready: number, dispatched: number, running: number }[]} queues
 * @param {string} name
 */
export function unended(queues, name) {
  const queue = queues.find((one) => one.queue === name);
  return queue === undefined ? 0 : queue.scheduled + queue.ready + queue.dispatched + queue.running;
}
