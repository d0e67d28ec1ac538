-- distrack: renew
UPDATE sessions SET
    last_heartbeat_at = max(last_heartbeat_at, $4 - ago_us),
    lease_expires_at = max(lease_expires_at, $4 + $3 - ago_us),
    busy = u.busy, draining = u.draining
FROM (
    SELECT
        unhex(value ->> 0, '-') AS session_id, value ->> 1 AS ago_us, value ->> 2 AS busy, value ->> 3 AS draining
    FROM json_each($2)
) AS u
WHERE id = session_id AND coordinator_id = $1 AND ended_at IS NULL
RETURNING id AS "id!: Uuid"
