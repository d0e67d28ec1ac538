-- distrack: prune_audit
-- Ids rise with time: the primary key gives the oldest, and nothing is read beyond them.
DELETE FROM audit
WHERE id = ANY(ARRAY(SELECT id FROM audit ORDER BY id LIMIT $2))
  AND at <= now() - $1::bigint * interval '1 microsecond'
