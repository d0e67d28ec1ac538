-- distrack: next_due
-- The same steps as in claim: when a task is due next, and whether one is due already.
-- Differs from postgres: as claim does.
WITH RECURSIVE lanes (queue, rank) AS (
    SELECT * FROM (SELECT queue, rank FROM tasks WHERE state = 0 ORDER BY queue, rank LIMIT 1)
    UNION ALL
    SELECT
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
)
SELECT min((
    SELECT t.due_at FROM tasks t
    WHERE t.state = 0 AND t.queue = lanes.queue AND t.rank = lanes.rank AND t.due_at > $1
    ORDER BY t.due_at LIMIT 1
)) - $1 AS "due_in_us: i64",
COALESCE(max((
    SELECT t.due_at <= $1 FROM tasks t
    WHERE t.state = 0 AND t.queue = lanes.queue AND t.rank = lanes.rank
    ORDER BY t.due_at LIMIT 1
)), 0) AS "ready!: bool"
FROM lanes
