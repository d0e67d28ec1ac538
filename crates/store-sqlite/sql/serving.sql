-- distrack: serving
-- Without $1 and $2, every open session and those lost lately; else one session, or the open ones of a name.
-- Differs from postgres: no LATERAL.
SELECT
    s.id AS "id!: Uuid", s.name AS "name!", (s.ended_at IS NOT NULL) AS "ended!: bool", s.draining AS "draining!: bool",
    s.slots AS "slots!: i32", s.queues AS "queues: Value", s.labels AS "labels!: Value",
    s.registered_at AS "registered_at!: Instant", s.last_heartbeat_at AS "last_heartbeat_at!: Instant",
    s.lease_expires_at AS "lease_expires_at!: Instant",
    (SELECT count(*) FROM tasks t WHERE t.session_id = s.id AND t.state IN (1, 2)) AS "held!: i64",
    (SELECT min(t.started_at) FROM tasks t WHERE t.session_id = s.id AND t.state IN (1, 2))
        AS "oldest_started_at: Instant",
    (SELECT max(t.picked_at) FROM tasks t WHERE t.session_id = s.id AND t.state IN (1, 2))
        AS "newest_picked_at: Instant"
FROM sessions s
WHERE CASE
    WHEN $1 IS NOT NULL THEN s.id = $1
    WHEN $2 IS NOT NULL THEN s.name = $2 AND s.ended_at IS NULL
    ELSE s.ended_at IS NULL OR s.lost
END
ORDER BY s.name, s.registered_at
