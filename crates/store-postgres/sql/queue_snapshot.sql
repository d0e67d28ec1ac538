-- distrack: queue_snapshot
SELECT
    queue,
    count(*) FILTER (WHERE state = 0 AND due_at > now()) AS "scheduled!",
    count(*) FILTER (WHERE state = 0 AND due_at <= now()) AS "ready!",
    count(*) FILTER (WHERE state = 1) AS "dispatched!",
    count(*) FILTER (WHERE state = 2) AS "running!",
    COALESCE((extract(epoch FROM now() - min(due_at) FILTER (WHERE state = 0 AND due_at <= now())) * 1000000)::bigint, 0)
        AS "lag_us!"
FROM tasks
WHERE state = 0 OR state IN (1, 2)
GROUP BY queue
ORDER BY queue
