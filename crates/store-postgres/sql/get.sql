-- distrack: get
SELECT
    id, state, queue, priority, created_at, scheduled_at, due_at, expires_at, epoch, attempt, failures, losses,
    max_attempts, backoff_initial_ms, backoff_max_ms, on_lost, spec, labels, requires, traceparent, tracestate,
    retry_of, session_id, worker, picked_at, started_at, finished_at, cancel_requested_at,
    cause, exit_code, signal, error, max_rss_bytes, cpu_user_us, cpu_system_us, attempt_trace_id, attempt_span_id
FROM tasks WHERE id = ANY($1)
