-- distrack: ahead
-- How many due tasks of a queue a claim takes before a due one, counted up to a bound: steps from rank to rank as
-- claim does, and reads no more of each than is counted.
WITH RECURSIVE lanes AS (
    (SELECT -priority AS rank FROM tasks WHERE state = 0 AND queue = $1 AND (-priority) <= $2
     ORDER BY queue, (-priority) LIMIT 1)
    UNION ALL
    SELECT next.rank
    FROM lanes CROSS JOIN LATERAL (
        SELECT -priority AS rank FROM tasks
        WHERE state = 0 AND queue = $1 AND (-priority) > lanes.rank AND (-priority) <= $2
        ORDER BY queue, (-priority) LIMIT 1
    ) next
)
SELECT count(*) AS "ahead!", count(*) FILTER (WHERE requires) AS "requiring!" FROM (
    -- Of a higher rank all that are due, of its own those that were due before it. An index is left at the end of its
    -- first column only: those that were due at the very same instant are a part of their own.
    SELECT found.requires
    FROM lanes CROSS JOIN LATERAL (
        SELECT requires IS NOT NULL AS requires FROM tasks
        WHERE state = 0 AND queue = $1 AND (-priority) = lanes.rank
          AND due_at < CASE WHEN lanes.rank = $2 THEN $3::timestamptz ELSE now() + interval '1 microsecond' END
        ORDER BY due_at LIMIT $5
    ) found
    UNION ALL
    (SELECT requires IS NOT NULL FROM tasks
     WHERE state = 0 AND queue = $1 AND (-priority) = $2 AND due_at = $3 AND id < $4
     ORDER BY id LIMIT $5)
    LIMIT $5
) counted
