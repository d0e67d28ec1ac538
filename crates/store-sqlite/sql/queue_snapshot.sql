-- distrack: queue_snapshot
-- Differs from postgres: two selects, so that each has its own index.
SELECT
    queue AS "queue!: String",
    count(*) FILTER (WHERE state = 0 AND due_at > $1) AS "scheduled!: i64",
    count(*) FILTER (WHERE state = 0 AND due_at <= $1) AS "ready!: i64",
    count(*) FILTER (WHERE state = 1) AS "dispatched!: i64",
    count(*) FILTER (WHERE state = 2) AS "running!: i64",
    COALESCE($1 - min(due_at) FILTER (WHERE state = 0 AND due_at <= $1), 0) AS "lag_us!: i64"
FROM (
    SELECT queue, 0 AS state, due_at FROM tasks WHERE state = 0
    UNION ALL
    SELECT queue, state, due_at FROM tasks WHERE state IN (1, 2)
)
GROUP BY queue
ORDER BY queue
