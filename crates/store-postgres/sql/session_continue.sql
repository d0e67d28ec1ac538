-- distrack: session_continue
UPDATE sessions SET
    coordinator_id = $2, attach = attach + 1, name = $3, address = $4, version = $5, slots = $6, queues = $7, labels = $8,
    last_heartbeat_at = now(), lease_expires_at = now() + $9::bigint * interval '1 microsecond'
WHERE id = $1 AND ended_at IS NULL
RETURNING attach
