-- distrack: serving
-- Without $1 and $2, every open session and those lost lately; else one session, or the open ones of a name.
SELECT
    s.id, s.name, (s.ended_at IS NOT NULL) AS "ended!", s.draining, s.slots, s.queues, s.labels, s.registered_at,
    s.last_heartbeat_at, s.lease_expires_at, held.count AS "held!", held.oldest AS oldest_started_at,
    held.newest AS newest_picked_at
FROM sessions s
CROSS JOIN LATERAL (
    SELECT count(*) AS count, min(t.started_at) AS oldest, max(t.picked_at) AS newest
    FROM tasks t WHERE t.session_id = s.id AND t.state IN (1, 2)
) held
WHERE CASE
    WHEN $1::uuid IS NOT NULL THEN s.id = $1
    WHEN $2::text IS NOT NULL THEN s.name = $2 AND s.ended_at IS NULL
    ELSE s.ended_at IS NULL OR s.lost
END
ORDER BY s.name, s.registered_at
