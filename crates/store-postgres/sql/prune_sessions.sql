-- distrack: prune_sessions
-- A session that still holds attempts stays until a sweep has dealt with them.
DELETE FROM sessions
WHERE id = ANY(ARRAY(
    SELECT id FROM sessions s
    WHERE ended_at <= now() - $1::bigint * interval '1 microsecond'
      AND NOT EXISTS (SELECT FROM tasks t WHERE t.session_id = s.id AND t.state IN (1, 2))
    LIMIT $2
))
