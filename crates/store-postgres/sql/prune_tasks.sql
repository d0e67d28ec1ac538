-- distrack: prune_tasks
-- Ids sort by submission, and nothing ends before it is submitted: the primary key bounds the search.
WITH old AS MATERIALIZED (
    SELECT id FROM tasks
    WHERE id < (lpad(to_hex(((extract(epoch FROM now()) * 1000000 - $1::bigint) / 1000)::bigint + 60000), 12, '0')
        || '00000000000000000000')::uuid
      AND state IN (3, 4, 5, 6) AND finished_at <= now() - $1::bigint * interval '1 microsecond'
    ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
),
without_attempts AS (DELETE FROM attempts WHERE task_id IN (SELECT id FROM old)),
without_output AS (DELETE FROM task_output WHERE task_id IN (SELECT id FROM old))
DELETE FROM tasks WHERE id IN (SELECT id FROM old)
