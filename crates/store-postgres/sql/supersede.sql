-- distrack: supersede
-- Keeps an attempt that ended while another one will follow.
INSERT INTO attempts (
    task_id, epoch, attempt, worker, picked_at, started_at, finished_at, cause, exit_code, signal, error,
    max_rss_bytes, cpu_user_us, cpu_system_us, trace_id, span_id, trace_mode
)
SELECT
    id, epoch, attempt, worker, picked_at, started_at, finished_at, cause, exit_code, signal, error,
    max_rss_bytes, cpu_user_us, cpu_system_us, attempt_trace_id, attempt_span_id, attempt_trace_mode
FROM tasks WHERE id = ANY($1)
