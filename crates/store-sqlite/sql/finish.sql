-- distrack: finish
-- The worker's durations are anchored to this database's clock and kept in order: picked, started, finished.
-- Differs from postgres: max() of a NULL is NULL.
WITH u AS MATERIALIZED (
    SELECT
        unhex(value ->> 'id', '-') AS task_id, value ->> 'epoch' AS task_epoch, value ->> 'state' AS next_state,
        value ->> 'due_in_us' AS due_in_us, value ->> 'failures' AS next_failures, value ->> 'losses' AS next_losses,
        value ->> 'ago_us' AS ago_us, value ->> 'ran_us' AS ran_us,
        value ->> 'cause' AS next_cause, value ->> 'exit_code' AS next_exit_code, value ->> 'signal' AS next_signal,
        value ->> 'error' AS next_error, value ->> 'max_rss_bytes' AS rss,
        value ->> 'cpu_user_us' AS cpu_user, value ->> 'cpu_system_us' AS cpu_system
    FROM json_each($1)
)
UPDATE tasks SET
    state = next_state,
    due_at = CASE WHEN next_state = 0 THEN $2 + due_in_us ELSE due_at END,
    failures = next_failures, losses = next_losses, session_id = NULL,
    started_at = COALESCE(started_at, CASE WHEN ran_us IS NOT NULL THEN max(picked_at, $2 - (ago_us + ran_us)) END),
    finished_at = max(picked_at, COALESCE(started_at, picked_at), $2 - ago_us),
    cause = next_cause, exit_code = next_exit_code, signal = next_signal, error = next_error,
    max_rss_bytes = rss, cpu_user_us = cpu_user, cpu_system_us = cpu_system
FROM u
WHERE id = task_id AND epoch = task_epoch AND state IN (1, 2)
