-- distrack: attempts
-- Superseded attempts, then the one in the task's row unless it was given back or is among them.
SELECT
    epoch AS "epoch!", attempt AS "attempt!", worker, picked_at, started_at, finished_at, cause, exit_code, signal,
    error, max_rss_bytes, cpu_user_us, cpu_system_us, trace_id, span_id, trace_mode
FROM attempts WHERE task_id = $1
UNION ALL
SELECT
    epoch, attempt, worker, picked_at, started_at,
    CASE WHEN state IN (1, 2) THEN NULL ELSE finished_at END, cause, exit_code, signal,
    error, max_rss_bytes, cpu_user_us, cpu_system_us, attempt_trace_id, attempt_span_id, attempt_trace_mode
FROM tasks
WHERE id = $1 AND picked_at IS NOT NULL AND (state IN (1, 2) OR cause IS NOT NULL OR exit_code IS NOT NULL)
  AND NOT EXISTS (SELECT FROM attempts a WHERE a.task_id = tasks.id AND a.epoch = tasks.epoch)
ORDER BY 1
