-- distrack: next_due
-- The same steps as in claim: when a task is due next, and whether one is due already.
WITH RECURSIVE lanes AS (
    (SELECT queue, -priority AS rank FROM tasks WHERE state = 0 ORDER BY queue, (-priority) LIMIT 1)
    UNION ALL
    SELECT next.queue, next.rank
    FROM lanes CROSS JOIN LATERAL (
        SELECT queue, -priority AS rank FROM tasks
        WHERE state = 0 AND (queue, (-priority)) > (lanes.queue, lanes.rank)
        ORDER BY queue, (-priority) LIMIT 1
    ) next
)
SELECT
    (extract(epoch FROM min(next.due_at) - now()) * 1000000)::bigint AS due_in_us,
    COALESCE(bool_or(first.due_at <= now()), false) AS "ready!"
FROM lanes
CROSS JOIN LATERAL (
    SELECT due_at FROM tasks
    WHERE state = 0 AND queue = lanes.queue AND (-priority) = lanes.rank
    ORDER BY due_at LIMIT 1
) first
LEFT JOIN LATERAL (
    SELECT due_at FROM tasks
    WHERE state = 0 AND queue = lanes.queue AND (-priority) = lanes.rank AND due_at > now()
    ORDER BY due_at LIMIT 1
) next ON true
