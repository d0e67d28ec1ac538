-- distrack: submit
-- Differs from postgres: a WITH cannot insert here, so that submit_keys goes before and says which to store.
WITH input AS MATERIALIZED (
    SELECT
        unhex(value ->> 'id', '-') AS id, value ->> 'queue' AS queue, value ->> 'priority' AS priority,
        COALESCE(value ->> 'at', $2 + (value ->> 'delay_ms') * 1000) AS scheduled_at, value ->> 'expires_at' AS expires_at,
        value ->> 'max_attempts' AS max_attempts, value ->> 'backoff_initial_ms' AS backoff_initial_ms,
        value ->> 'backoff_max_ms' AS backoff_max_ms, value ->> 'on_lost' AS on_lost, value ->> 'spec' AS spec,
        value -> 'labels' AS labels, value -> 'requires' AS requires, value ->> 'traceparent' AS traceparent,
        value ->> 'tracestate' AS tracestate, unhex(value ->> 'retry_of', '-') AS retry_of
    FROM json_each($1)
)
INSERT INTO tasks (
    id, queue, priority, created_at, scheduled_at, due_at, expires_at, max_attempts,
    backoff_initial_ms, backoff_max_ms, on_lost, spec, labels, requires, traceparent, tracestate, retry_of
)
SELECT
    id, queue, priority, $2, scheduled_at, max(scheduled_at, $2), expires_at, max_attempts,
    backoff_initial_ms, backoff_max_ms, on_lost, spec, labels, requires, traceparent, tracestate, retry_of
FROM input
RETURNING id AS "id!: Uuid", created_at AS "created_at!: Instant", scheduled_at AS "scheduled_at!: Instant"
