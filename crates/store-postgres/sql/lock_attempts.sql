-- distrack: lock_attempts
SELECT
    id, epoch, state, failures, losses, max_attempts, backoff_initial_ms, backoff_max_ms, on_lost, attempt,
    (cancel_requested_at IS NOT NULL) AS "cancel_requested!", cause, exit_code
FROM tasks WHERE id = ANY($1) ORDER BY id FOR UPDATE
