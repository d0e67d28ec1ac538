-- distrack: claim
-- One round trip: the sessions that still may have tasks, the due tasks in order, and the change.
-- `lanes` steps through the pairs of queue and rank that have a pending task, one index probe each.
-- The rows are locked where they are found, and the state is checked again where they are changed.
-- A slot belongs to one registration of its session: what was claimed for an earlier one was given back by the next.
WITH RECURSIVE lanes AS (
    (SELECT queue, -priority AS rank FROM tasks WHERE state = 0 ORDER BY queue, (-priority) LIMIT 1)
    UNION ALL
    SELECT next.queue, next.rank
    FROM lanes CROSS JOIN LATERAL (
        SELECT queue, -priority AS rank FROM tasks
        WHERE state = 0 AND (queue, (-priority)) > (lanes.queue, lanes.rank)
        ORDER BY queue, (-priority) LIMIT 1
    ) next
),
live AS MATERIALIZED (
    SELECT id, attach, name FROM sessions
    WHERE id = ANY($2) AND coordinator_id = $1 AND ended_at IS NULL
    -- In the order in which renew locks them.
    ORDER BY id FOR SHARE
),
seats AS MATERIALIZED (
    SELECT
        array_agg(live.id ORDER BY n) AS sessions, array_agg(live.name ORDER BY n) AS names,
        array_agg(trace_id ORDER BY n) AS traces, array_agg(span_id ORDER BY n) AS spans
    FROM unnest($2::uuid[], $7::bigint[], $3::text[], $4::text[])
        WITH ORDINALITY AS slot (session_id, attach, trace_id, span_id, n)
    JOIN live ON live.id = slot.session_id AND live.attach = slot.attach
),
due AS MATERIALIZED (
    SELECT found.id, lanes.rank, found.due_at
    FROM lanes CROSS JOIN LATERAL (
        SELECT id, due_at FROM tasks
        WHERE state = 0 AND queue = lanes.queue AND (-priority) = lanes.rank AND due_at <= now()
          AND (requires IS NULL OR requires <@ $6)
          AND (expires_at IS NULL OR expires_at > now())
        ORDER BY due_at, id
        LIMIT (SELECT COALESCE(cardinality(sessions), 0) FROM seats)
        FOR UPDATE SKIP LOCKED
    ) found
    WHERE $5::text[] IS NULL OR lanes.queue = ANY($5)
),
picked AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY rank, due_at, id) AS seat, id AS task_id FROM due
    ORDER BY seat LIMIT (SELECT COALESCE(cardinality(sessions), 0) FROM seats)
)
UPDATE tasks SET
    state = 1, epoch = epoch + 1, attempt = attempt + 1,
    -- By number: a join of the two would be one of few rows to the planner, and a loop in a loop.
    session_id = (SELECT sessions FROM seats)[seat],
    worker = (SELECT names FROM seats)[seat],
    picked_at = now(), started_at = NULL, finished_at = NULL,
    cause = NULL, exit_code = NULL, signal = NULL, error = NULL,
    max_rss_bytes = NULL, cpu_user_us = NULL, cpu_system_us = NULL,
    -- $8: -1 is auto, in which a first attempt soon after its submission is part of the submitter's trace and any
    -- other has its own; 0 and 1 are the modes by themselves.
    attempt_trace_id = CASE
        WHEN $8::smallint = 0 OR ($8 < 0 AND attempt = 0 AND now() - created_at <= interval '15 minutes')
        THEN substr(traceparent, 4, 32)
        ELSE (SELECT traces FROM seats)[seat]
    END,
    attempt_trace_mode = CASE
        WHEN $8::smallint = 0 OR ($8 < 0 AND attempt = 0 AND now() - created_at <= interval '15 minutes') THEN 0 ELSE 1
    END,
    attempt_span_id = (SELECT spans FROM seats)[seat]
FROM picked
-- One by one by their ids: whatever the statistics say of an index of pending tasks, it is not to be read whole for this.
WHERE id = task_id AND state + 0 = 0
RETURNING
    id, epoch, attempt, session_id AS "session_id!", queue, spec, traceparent, tracestate,
    attempt_trace_id AS "attempt_trace_id!", attempt_span_id AS "attempt_span_id!",
    attempt_trace_mode AS "attempt_trace_mode!", created_at, due_at, picked_at AS "picked_at!",
    CASE WHEN attempt > 1 THEN (SELECT a.trace_id FROM attempts a WHERE a.task_id = id ORDER BY a.epoch DESC LIMIT 1) END
        AS previous_trace_id,
    CASE WHEN attempt > 1 THEN (SELECT a.span_id FROM attempts a WHERE a.task_id = id ORDER BY a.epoch DESC LIMIT 1) END
        AS previous_span_id,
    CASE WHEN attempt > 1 THEN (SELECT a.finished_at FROM attempts a WHERE a.task_id = id ORDER BY a.epoch DESC LIMIT 1) END
        AS previous_finished_at
