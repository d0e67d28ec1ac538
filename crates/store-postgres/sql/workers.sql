-- distrack: workers
-- Late after three missed heartbeats, which are half of the lease at the shortest.
SELECT
    s.id, s.worker_id, s.name, s.host, s.address, s.version, s.isolation, s.draining, s.slots, s.queues, s.labels,
    s.registered_at, s.last_heartbeat_at, s.lease_expires_at,
    (s.ended_at IS NOT NULL OR s.lease_expires_at <= now()) AS "lost!",
    (now() > s.last_heartbeat_at + (s.lease_expires_at - s.last_heartbeat_at) / 2) AS "late!",
    (SELECT count(*) FROM tasks t WHERE t.session_id = s.id AND t.state IN (1, 2)) AS "held!",
    (SELECT count(*) FROM sessions o
     WHERE o.address = s.address AND o.id <> s.id AND o.ended_at IS NULL AND o.lease_expires_at > now()) AS "same_address!"
FROM sessions s
WHERE s.ended_at IS NULL
   -- Lost, and not back.
   OR s.lost AND NOT EXISTS (SELECT 1 FROM sessions n WHERE n.worker_id = s.worker_id AND n.registered_at > s.registered_at)
ORDER BY s.name, s.registered_at
