-- distrack: session_open
INSERT INTO sessions (
    id, worker_id, instance_id, host, name, address, version, coordinator_id, slots, queues, labels, sequence,
    isolation, registered_at, last_heartbeat_at, lease_expires_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $14, $15, $13, $13, $13 + $12)
