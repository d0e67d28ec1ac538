-- distrack: sessions_expire
UPDATE sessions SET ended_at = $2, lost = 1
WHERE id IN (SELECT id FROM sessions WHERE ended_at IS NULL AND lease_expires_at <= $2 LIMIT $1)
RETURNING id AS "id!: Uuid", name AS "name!: String"
