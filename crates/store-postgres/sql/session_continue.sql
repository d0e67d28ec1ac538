-- distrack: session_continue
-- None, if a later registration of the same process came first, or this very one: what it holds is known better.
UPDATE sessions SET
    coordinator_id = $2, attach = attach + 1, name = $3, address = $4, version = $5, slots = $6, queues = $7, labels = $8,
    sequence = $10, isolation = $11, last_heartbeat_at = now(), lease_expires_at = now() + $9::bigint * interval '1 microsecond'
WHERE id = $1 AND ended_at IS NULL AND sequence < $10
RETURNING attach
