-- distrack: list
-- The first bound is always given (the largest id when there is no cursor), so that the primary key serves it.
SELECT
    id, state, queue, priority, created_at, scheduled_at, due_at, expires_at, epoch, attempt, failures, losses,
    max_attempts, backoff_initial_ms, backoff_max_ms, on_lost, spec, labels, requires, traceparent, tracestate,
    retry_of, session_id, worker, picked_at, started_at, finished_at, cancel_requested_at,
    cause, exit_code, signal, error, max_rss_bytes, cpu_user_us, cpu_system_us, attempt_trace_id, attempt_span_id
FROM tasks
WHERE id < $1
  AND ($2::smallint IS NULL OR state = $2)
  AND ($3::text IS NULL OR queue = $3)
  AND ($4::jsonb IS NULL OR labels @> $4)
  AND ($5::timestamptz IS NULL OR created_at > $5)
  AND ($6::timestamptz IS NULL OR created_at < $6)
  AND ($8::text[] IS NULL OR queue = ANY($8))
ORDER BY id DESC
LIMIT $7
