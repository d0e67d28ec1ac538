-- distrack: sessions_expire
-- None, unless the last sweep was a moment ago: after a pause of this process or its machine every lease has run
-- out, and the workers must have the time to say that they live.
UPDATE sessions SET ended_at = $2, lost = 1
WHERE id IN (
    SELECT id FROM sessions
    WHERE ended_at IS NULL AND lease_expires_at <= $2 AND $2 - $3 < 5 * 1000000
    LIMIT $1
)
RETURNING id AS "id!: Uuid", name AS "name!: String"
