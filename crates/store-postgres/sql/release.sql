-- distrack: release
-- The attempt is given back; the epoch is not, so that a late Dispatch of it can never be honoured twice.
UPDATE tasks SET
    state = 0, attempt = attempt - 1, session_id = NULL, worker = NULL, picked_at = NULL,
    attempt_trace_id = NULL, attempt_span_id = NULL, attempt_trace_mode = NULL
FROM unnest($1::uuid[], $2::bigint[]) AS u (task_id, task_epoch)
WHERE id = task_id AND epoch = task_epoch AND state + 0 = 1 AND cancel_requested_at IS NULL
