-- distrack: sessions_expire
UPDATE sessions SET ended_at = now(), lost = true
WHERE id = ANY(ARRAY(
    SELECT id FROM sessions WHERE ended_at IS NULL AND lease_expires_at <= now() LIMIT $1 FOR UPDATE SKIP LOCKED
)) AND ended_at IS NULL AND lease_expires_at <= now()
RETURNING id, name
