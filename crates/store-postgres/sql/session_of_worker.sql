-- distrack: session_of_worker
SELECT id, instance_id, host, (lease_expires_at > now()) AS "leased!"
FROM sessions WHERE worker_id = $1 AND ended_at IS NULL FOR UPDATE
