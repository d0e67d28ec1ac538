-- distrack: prune_sessions
-- A session that still holds attempts stays until a sweep has dealt with them.
DELETE FROM sessions
WHERE id IN (
    SELECT id FROM sessions s
    WHERE ended_at <= $3 - $1
      AND NOT EXISTS (SELECT 1 FROM tasks t WHERE t.session_id = s.id AND t.state IN (1, 2))
    LIMIT $2
)
