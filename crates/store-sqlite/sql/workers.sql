-- distrack: workers
-- Late after three missed heartbeats, which are half of the lease at the shortest.
SELECT
    s.id AS "id!: Uuid", s.worker_id AS "worker_id!: Uuid", s.name AS "name!", s.host AS "host!", s.address AS "address!",
    s.version AS "version!", s.isolation, s.draining AS "draining!: bool", s.slots AS "slots!: i32", s.queues AS "queues: Value",
    s.labels AS "labels!: Value", s.registered_at AS "registered_at!: Instant",
    s.last_heartbeat_at AS "last_heartbeat_at!: Instant", s.lease_expires_at AS "lease_expires_at!: Instant",
    (s.ended_at IS NOT NULL OR s.lease_expires_at <= $1) AS "lost!: bool",
    ($1 > s.last_heartbeat_at + (s.lease_expires_at - s.last_heartbeat_at) / 2) AS "late!: bool",
    (SELECT count(*) FROM tasks t WHERE t.session_id = s.id AND t.state IN (1, 2)) AS "held!: i64",
    (SELECT count(*) FROM sessions o
     WHERE o.address = s.address AND o.id <> s.id AND o.ended_at IS NULL AND o.lease_expires_at > $1) AS "same_address!: i64"
FROM sessions s
WHERE s.ended_at IS NULL
   -- Lost, and not back.
   OR s.lost AND NOT EXISTS (SELECT 1 FROM sessions n WHERE n.worker_id = s.worker_id AND n.registered_at > s.registered_at)
ORDER BY s.name, s.registered_at
