-- distrack: orphans
-- Attempts that ended sessions still hold.
SELECT
    id AS "id!: Uuid", epoch AS "epoch!", state AS "state!: i16", failures AS "failures!: i32", losses AS "losses!: i32",
    max_attempts AS "max_attempts!: i32", backoff_initial_ms AS "backoff_initial_ms!",
    backoff_max_ms AS "backoff_max_ms!", on_lost AS "on_lost!: i16", attempt AS "attempt!: i32",
    (cancel_requested_at IS NOT NULL) AS "cancel_requested!: bool", cause AS "cause: i16", exit_code AS "exit_code: i32",
    session_id AS "session_id: Uuid", queue AS "queue!", worker, traceparent AS "traceparent!", tracestate AS "tracestate!", attempt_trace_id, attempt_span_id,
    max(scheduled_at, created_at) AS "scheduled_at!: Instant", picked_at AS "picked_at: Instant", started_at AS "started_at: Instant",
    $2 AS "now!: Instant"
FROM tasks
WHERE state IN (1, 2) AND session_id IN (SELECT id FROM sessions WHERE ended_at IS NOT NULL)
-- Those of a session together: they are judged by who was lost with whom.
ORDER BY session_id, id LIMIT $1
