-- distrack: attempts
-- Superseded attempts, then the one in the task's row unless it was given back or is among them.
SELECT
    epoch AS "epoch!: i64", attempt AS "attempt!: i32", worker AS "worker: String", picked_at AS "picked_at: Instant",
    started_at AS "started_at: Instant", finished_at AS "finished_at: Instant", cause AS "cause: i16",
    exit_code AS "exit_code: i32", signal AS "signal: i32", error AS "error: String",
    max_rss_bytes AS "max_rss_bytes: i64", cpu_user_us AS "cpu_user_us: i64", cpu_system_us AS "cpu_system_us: i64",
    trace_id AS "trace_id: String", span_id AS "span_id: String", trace_mode AS "trace_mode: i16"
FROM attempts WHERE task_id = $1
UNION ALL
SELECT
    epoch, attempt, worker, picked_at, started_at,
    CASE WHEN state IN (1, 2) THEN NULL ELSE finished_at END, cause, exit_code, signal,
    error, max_rss_bytes, cpu_user_us, cpu_system_us, attempt_trace_id, attempt_span_id, attempt_trace_mode
FROM tasks
WHERE id = $1 AND picked_at IS NOT NULL AND (state IN (1, 2) OR cause IS NOT NULL OR exit_code IS NOT NULL)
  AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.task_id = tasks.id AND a.epoch = tasks.epoch)
ORDER BY 1
