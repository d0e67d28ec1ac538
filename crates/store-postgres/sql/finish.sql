-- distrack: finish
-- The worker's durations are anchored to this database's clock and kept in order: picked, started, finished.
-- One by one by their ids: the sum keeps the planner from reading an index of held tasks whole.
UPDATE tasks SET
    state = next_state,
    due_at = CASE WHEN next_state = 0 THEN now() + due_in_us * interval '1 microsecond' ELSE due_at END,
    failures = next_failures, losses = next_losses, session_id = NULL,
    started_at = COALESCE(started_at, CASE
        WHEN ran_us IS NOT NULL THEN GREATEST(picked_at, now() - (ago_us + ran_us) * interval '1 microsecond')
    END),
    finished_at = GREATEST(picked_at, started_at, now() - ago_us * interval '1 microsecond'),
    cause = next_cause, exit_code = next_exit_code, signal = next_signal, error = next_error,
    max_rss_bytes = rss, cpu_user_us = cpu_user, cpu_system_us = cpu_system
FROM unnest(
    $1::uuid[], $2::bigint[], $3::smallint[], $4::bigint[], $5::integer[], $6::integer[], $7::bigint[], $8::bigint[],
    $9::smallint[], $10::integer[], $11::integer[], $12::text[], $13::bigint[], $14::bigint[], $15::bigint[]
) AS u (
    task_id, task_epoch, next_state, due_in_us, next_failures, next_losses, ago_us, ran_us,
    next_cause, next_exit_code, next_signal, next_error, rss, cpu_user, cpu_system
)
WHERE id = task_id AND epoch = task_epoch AND (state + 0) IN (1, 2)
