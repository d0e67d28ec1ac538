-- distrack: complete
-- The end that most attempts come to, in one statement: a success, told by the session that holds the attempt or by who
-- is not asked for one. The rules are those of finish and keep_output; what is left out goes the way of all other reports.
-- SQLite has none: its statements cost no way there and back.
WITH ended AS (
    UPDATE tasks SET
        state = 3, session_id = NULL,
        started_at = COALESCE(tasks.started_at, CASE
            WHEN ran_us IS NOT NULL THEN GREATEST(tasks.picked_at, now() - (ago_us + ran_us) * interval '1 microsecond')
        END),
        finished_at = GREATEST(tasks.picked_at, tasks.started_at, now() - ago_us * interval '1 microsecond'),
        cause = NULL, exit_code = 0, signal = NULL, error = NULL,
        max_rss_bytes = rss, cpu_user_us = cpu_user, cpu_system_us = cpu_system
    FROM unnest(
        $1::uuid[], $2::bigint[], $3::uuid[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
        $9::bytea[], $10::bytea[], $11::bigint[], $12::bytea[], $13::bytea[], $14::bigint[]
    ) AS u (
        task_id, task_epoch, session, ago_us, ran_us, rss, cpu_user, cpu_system,
        stdout_head, stdout_tail, stdout_bytes, stderr_head, stderr_tail, stderr_bytes
    )
    -- The row as it was: a statement that changes it cannot say. One that changed meanwhile is left out.
    JOIN tasks before ON before.id = task_id
    -- One by one by their ids: the sum keeps the planner from reading an index of held tasks whole.
    WHERE tasks.id = task_id AND tasks.epoch = task_epoch AND (session IS NULL OR tasks.session_id = session)
      AND (tasks.state + 0) IN (1, 2) AND before.state = tasks.state
    RETURNING
        tasks.id, tasks.epoch, tasks.attempt, tasks.queue, tasks.worker, tasks.traceparent, tasks.tracestate,
        tasks.attempt_trace_id, tasks.attempt_span_id,
        greatest(tasks.scheduled_at, tasks.created_at) AS scheduled_at,
        tasks.picked_at, tasks.started_at, tasks.finished_at, before.started_at IS NULL AS starts,
        stdout_head, stdout_tail, stdout_bytes, stderr_head, stderr_tail, stderr_bytes
),
kept AS (
    INSERT INTO task_output (
        task_id, attempt, stdout_head, stdout_tail, stdout_bytes, stderr_head, stderr_tail, stderr_bytes
    )
    SELECT id, attempt, stdout_head, stdout_tail, stdout_bytes, stderr_head, stderr_tail, stderr_bytes
    FROM ended WHERE stdout_head IS NOT NULL
)
SELECT
    id, epoch, attempt, queue, worker, traceparent, tracestate, attempt_trace_id, attempt_span_id,
    scheduled_at AS "scheduled_at!", picked_at AS "picked_at!", started_at, finished_at AS "finished_at!",
    starts AS "starts!"
FROM ended
