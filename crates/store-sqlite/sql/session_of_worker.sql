-- distrack: session_of_worker
SELECT id AS "id!: Uuid", instance_id AS "instance_id!: Uuid", host AS "host!", (lease_expires_at > $2) AS "leased!: bool"
FROM sessions WHERE worker_id = $1 AND ended_at IS NULL
