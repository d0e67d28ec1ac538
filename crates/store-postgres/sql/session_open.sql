-- distrack: session_open
INSERT INTO sessions (
    id, worker_id, instance_id, host, name, address, version, coordinator_id, slots, queues, labels, sequence,
    isolation, lease_expires_at
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $13, $14, now() + $12::bigint * interval '1 microsecond')
