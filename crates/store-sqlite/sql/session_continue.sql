-- distrack: session_continue
UPDATE sessions SET
    coordinator_id = $2, attach = attach + 1, name = $3, address = $4, version = $5, slots = $6, queues = $7, labels = $8,
    last_heartbeat_at = $10, lease_expires_at = $10 + $9
WHERE id = $1 AND ended_at IS NULL
RETURNING attach AS "attach!: i64"
