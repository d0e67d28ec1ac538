-- distrack: session_continue
-- None, if a later registration of the same process came first, or this very one: what it holds is known better.
UPDATE sessions SET
    coordinator_id = $2, attach = attach + 1, name = $3, address = $4, version = $5, slots = $6, queues = $7, labels = $8,
    sequence = $11, isolation = $12, last_heartbeat_at = $10, lease_expires_at = $10 + $9
WHERE id = $1 AND ended_at IS NULL AND sequence < $11
RETURNING attach AS "attach!: i64"
