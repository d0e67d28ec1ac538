-- distrack: claim
-- One round trip: the sessions that still may have tasks, the due tasks in order, and the change.
-- `lanes` steps through the pairs of queue and rank that have a pending task, an index probe each.
-- A slot belongs to one registration of its session: what was claimed for an earlier one was given back by the next.
--
-- Differs from postgres: no row is locked, since nobody else writes meanwhile; no LATERAL, so that a lane's
-- tasks are an IN with a LIMIT, and the next lane is probed for once a column; seats and tasks meet by number.
-- The unary plus steers the planner: to change tasks by their ids.
WITH RECURSIVE lanes (queue, rank) AS (
    SELECT * FROM (SELECT queue, rank FROM tasks WHERE state = 0 ORDER BY queue, rank LIMIT 1)
    UNION ALL
    SELECT
        -- A comparison of both columns at once would read whatever waits in the lane.
        CASE
            WHEN EXISTS (
                SELECT 1 FROM tasks t WHERE t.state = 0 AND t.queue = lanes.queue AND t.rank > lanes.rank
            ) THEN lanes.queue
            ELSE (SELECT t.queue FROM tasks t WHERE t.state = 0 AND t.queue > lanes.queue ORDER BY t.queue LIMIT 1)
        END,
        COALESCE(
            (SELECT t.rank FROM tasks t WHERE t.state = 0 AND t.queue = lanes.queue AND t.rank > lanes.rank
             ORDER BY t.rank LIMIT 1),
            (SELECT t.rank FROM tasks t WHERE t.state = 0 AND t.queue > lanes.queue ORDER BY t.queue, t.rank LIMIT 1)
        )
    FROM lanes WHERE lanes.queue IS NOT NULL
),
slots AS MATERIALIZED (
    SELECT
        slot.key AS n, unhex(slot.value ->> 0, '-') AS session_id, slot.value ->> 1 AS attach,
        slot.value ->> 2 AS trace_id, slot.value ->> 3 AS span_id
    FROM json_each($2) AS slot
),
seats AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY slots.n) AS seat, live.id AS session, live.name, slots.trace_id, slots.span_id
    FROM slots CROSS JOIN sessions live ON live.id = slots.session_id
    WHERE live.coordinator_id = $1 AND live.attach = slots.attach AND live.ended_at IS NULL
),
picked AS MATERIALIZED (
    SELECT row_number() OVER (ORDER BY lanes.rank, found.due_at, found.id) AS seat, found.id AS task_id
    FROM lanes CROSS JOIN tasks found
    WHERE found.id IN (
        SELECT t.id FROM tasks t
        WHERE t.state = 0 AND t.queue = lanes.queue AND t.rank = lanes.rank AND t.due_at <= $5
          AND (t.requires IS NULL OR NOT EXISTS (
              SELECT 1 FROM json_each(t.requires) r LEFT JOIN json_each($4) l ON l.key = r.key WHERE l.value IS NOT r.value
          ))
          AND (t.expires_at IS NULL OR t.expires_at > $5)
        ORDER BY t.due_at, t.id
        LIMIT (SELECT count(*) FROM seats)
    )
    AND ($3 IS NULL OR lanes.queue IN (SELECT value FROM json_each($3)))
    ORDER BY seat
    LIMIT (SELECT count(*) FROM seats)
)
UPDATE tasks SET
    state = 1, epoch = epoch + 1, attempt = attempt + 1, session_id = seats.session, worker = seats.name,
    picked_at = $5, started_at = NULL, finished_at = NULL,
    cause = NULL, exit_code = NULL, signal = NULL, error = NULL,
    max_rss_bytes = NULL, cpu_user_us = NULL, cpu_system_us = NULL,
    -- $6: -1 is auto, in which a first attempt soon after its submission is part of the submitter's trace and any
    -- other has its own; 0 and 1 are the modes by themselves.
    attempt_trace_id = CASE
        WHEN $6 = 0 OR ($6 < 0 AND attempt = 0 AND $5 - created_at <= 15 * 60 * 1000000) THEN substr(traceparent, 4, 32)
        ELSE seats.trace_id
    END,
    attempt_trace_mode = CASE
        WHEN $6 = 0 OR ($6 < 0 AND attempt = 0 AND $5 - created_at <= 15 * 60 * 1000000) THEN 0 ELSE 1
    END,
    attempt_span_id = seats.span_id
FROM picked JOIN seats ON seats.seat = picked.seat
WHERE tasks.id = picked.task_id AND +tasks.state = 0
RETURNING
    id AS "id!: Uuid", epoch AS "epoch!: i64", attempt AS "attempt!: i32", session_id AS "session_id!: Uuid",
    queue AS "queue!: String", spec AS "spec!: String", traceparent AS "traceparent!: String",
    tracestate AS "tracestate!: String", attempt_trace_id AS "attempt_trace_id!: String",
    attempt_span_id AS "attempt_span_id!: String", attempt_trace_mode AS "attempt_trace_mode!: i16",
    created_at AS "created_at!: Instant", due_at AS "due_at!: Instant", picked_at AS "picked_at!: Instant",
    CASE WHEN attempt > 1 THEN (SELECT a.trace_id FROM attempts a WHERE a.task_id = id ORDER BY a.epoch DESC LIMIT 1) END
        AS "previous_trace_id: String",
    CASE WHEN attempt > 1 THEN (SELECT a.span_id FROM attempts a WHERE a.task_id = id ORDER BY a.epoch DESC LIMIT 1) END
        AS "previous_span_id: String",
    CASE WHEN attempt > 1 THEN (SELECT a.finished_at FROM attempts a WHERE a.task_id = id ORDER BY a.epoch DESC LIMIT 1) END
        AS "previous_finished_at: Instant"
