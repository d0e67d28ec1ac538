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
SELECT count(*) AS "ahead!" FROM (
    SELECT 1
    FROM lanes CROSS JOIN LATERAL (
        SELECT 1 FROM tasks
        WHERE state = 0 AND queue = $1 AND (-priority) = lanes.rank
          -- Of its own rank those that were due before it, of a higher one all that are due.
          AND (due_at, id) < (
              CASE WHEN lanes.rank = $2 THEN $3::timestamptz ELSE now() END,
              CASE WHEN lanes.rank = $2 THEN $4::uuid ELSE 'ffffffff-ffff-ffff-ffff-ffffffffffff' END
          )
        ORDER BY due_at, id LIMIT $5
    ) found
    LIMIT $5
) counted
