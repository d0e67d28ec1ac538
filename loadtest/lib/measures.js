/**
 * The metrics that k6 has not by itself. In Prometheus they are `k6_task_start_delay_p99`,
 * `k6_tasks_lost_total`, …
 */

import { Counter, Rate, Trend } from 'k6/metrics';

/** `started_at − scheduled_at`, in ms. */
export const startDelay = new Trend('task_start_delay', true);

/** From `scheduled_at` to the end, in ms. */
export const endToEnd = new Trend('task_end_to_end', true);

/** Tasks that were answered with 2xx. */
export const accepted = new Counter('tasks_accepted');

/** Submissions that were turned away, 429 or 503: told, and no loss. */
export const refused = new Rate('tasks_refused');

/** Tasks that ended in another state than they should. */
export const failed = new Counter('tasks_failed');

/**
 * Tasks that were accepted, and are unknown or have not ended long after their time. One that has not at the
 * end of the run either is counted twice.
 */
export const lost = new Counter('tasks_lost');
