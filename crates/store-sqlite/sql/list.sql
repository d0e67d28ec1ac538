-- distrack: list
-- The first bound is always given (the largest id when there is no cursor), so that the primary key serves it.
SELECT
    id AS "id!: Uuid", state AS "state!: i16", queue AS "queue!", priority AS "priority!: i16",
    created_at AS "created_at!: Instant", scheduled_at AS "scheduled_at!: Instant", due_at AS "due_at!: Instant",
    expires_at AS "expires_at: Instant", epoch AS "epoch!", attempt AS "attempt!: i32", failures AS "failures!: i32",
    losses AS "losses!: i32", max_attempts AS "max_attempts!: i32", backoff_initial_ms AS "backoff_initial_ms!",
    backoff_max_ms AS "backoff_max_ms!", on_lost AS "on_lost!: i16", spec AS "spec!", labels AS "labels: Value",
    requires AS "requires: Value", traceparent AS "traceparent!", tracestate AS "tracestate!",
    retry_of AS "retry_of: Uuid", session_id AS "session_id: Uuid", worker, picked_at AS "picked_at: Instant",
    started_at AS "started_at: Instant", finished_at AS "finished_at: Instant",
    cancel_requested_at AS "cancel_requested_at: Instant", cause AS "cause: i16", exit_code AS "exit_code: i32",
    signal AS "signal: i32", error, max_rss_bytes, cpu_user_us, cpu_system_us, attempt_trace_id, attempt_span_id
FROM tasks
WHERE id < $1
  AND ($2 IS NULL OR state = $2)
  AND ($3 IS NULL OR queue = $3)
  AND ($4 IS NULL OR NOT EXISTS (
      SELECT 1 FROM json_each($4) wanted LEFT JOIN json_each(tasks.labels) l ON l.key = wanted.key
      WHERE l.value IS NOT wanted.value
  ))
  AND ($5 IS NULL OR created_at > $5)
  AND ($6 IS NULL OR created_at < $6)
  AND ($8 IS NULL OR queue IN (SELECT value FROM json_each($8)))
ORDER BY id DESC
LIMIT $7
