-- distrack: prune_tasks
-- Ids sort by submission, and nothing ends before it is submitted: the primary key bounds the search.
-- Differs from postgres: attempts and output go by a trigger.
DELETE FROM tasks
WHERE id IN (
    SELECT id FROM tasks
    WHERE id < unhex(printf('%012x', max(0, ($3 - $1) / 1000 + 60000)) || '00000000000000000000')
      AND state IN (3, 4, 5, 6) AND finished_at <= $3 - $1
    ORDER BY id LIMIT $2
)
