-- distrack: orphans
-- Attempts that ended sessions still hold.
SELECT
    id, epoch, state, failures, losses, max_attempts, backoff_initial_ms, backoff_max_ms, on_lost, attempt,
    (cancel_requested_at IS NOT NULL) AS "cancel_requested!", cause, exit_code,
    session_id, queue, worker, traceparent, tracestate, attempt_trace_id, attempt_span_id, picked_at, started_at,
    greatest(scheduled_at, created_at) AS "scheduled_at!", now() AS "now!"
FROM tasks
WHERE state IN (1, 2) AND session_id = ANY(ARRAY(SELECT id FROM sessions WHERE ended_at IS NOT NULL))
-- Those of a session together: they are judged by who was lost with whom.
ORDER BY session_id, id LIMIT $1 FOR UPDATE SKIP LOCKED
