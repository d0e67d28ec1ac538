-- distrack: ahead
-- How many due tasks of a queue a claim takes before a due one, counted up to a bound: steps from rank to rank as
-- claim does, and reads no more of each than is counted.
-- Differs from postgres: no LATERAL, and one LIMIT for all.
WITH RECURSIVE lanes (rank) AS (
    SELECT * FROM (SELECT rank FROM tasks WHERE state = 0 AND queue = $1 AND rank <= $2 ORDER BY rank LIMIT 1)
    UNION ALL
    SELECT (
        SELECT t.rank FROM tasks t WHERE t.state = 0 AND t.queue = $1 AND t.rank > lanes.rank AND t.rank <= $2
        ORDER BY t.rank LIMIT 1
    )
    FROM lanes WHERE lanes.rank IS NOT NULL
)
SELECT count(*) AS "ahead!: i64", count(requires) AS "requiring!: i64" FROM (
    SELECT t.requires
    FROM lanes CROSS JOIN tasks t
    WHERE t.state = 0 AND t.queue = $1 AND t.rank = lanes.rank
      -- Of its own rank those that were due before it, of a higher one all that are due.
      AND (t.due_at, t.id) < (
          iif(lanes.rank = $2, $3, $5),
          iif(lanes.rank = $2, $4, x'ffffffffffffffffffffffffffffffff')
      )
    LIMIT $6
)
