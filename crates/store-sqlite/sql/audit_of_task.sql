-- distrack: audit_of_task
-- A batch has its first and last task: those between are its own, if they have no note themselves. The ids of a batch
-- are made within less than the minute that $2 is before $1. First by the task, whatever the page: the primary
-- key would read all there is.
WITH own AS MATERIALIZED (
    SELECT * FROM audit WHERE task_id = $1
    UNION ALL
    SELECT * FROM audit WHERE action = 3 AND other_task_id = $1
),
batch AS MATERIALIZED (
    SELECT * FROM audit
    WHERE task_id >= $2 AND task_id < $1 AND action = 1 AND other_task_id >= $1
      AND NOT EXISTS (SELECT 1 FROM own WHERE action IN (1, 3) AND task_id = $1)
)
SELECT
    id AS "id!", at AS "at!: Instant", action AS "action!: i16", task_id AS "task_id: Uuid",
    other_task_id AS "other_task_id: Uuid", count AS "count!: i32", token_id, token_name, address, queue, command_hash,
    trace_id AS "trace_id!"
FROM (SELECT * FROM own UNION ALL SELECT * FROM batch) AS found
WHERE id < $3 ORDER BY id DESC LIMIT $4
