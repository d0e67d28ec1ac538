-- distrack: next_due
-- The same steps as in claim, looking past now.
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
SELECT (extract(epoch FROM min(found.due_at) - now()) * 1000000)::bigint AS due_in_us
FROM lanes CROSS JOIN LATERAL (
    SELECT due_at FROM tasks
    WHERE state = 0 AND queue = lanes.queue AND (-priority) = lanes.rank AND due_at > now()
    ORDER BY due_at LIMIT 1
) found
