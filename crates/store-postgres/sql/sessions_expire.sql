-- distrack: sessions_expire
-- None, unless the last sweep was a moment ago: after a pause of this coordinator, its machine or the database
-- every lease has run out, and the workers must have the time to say that they live.
UPDATE sessions SET ended_at = now(), lost = true
WHERE id = ANY(ARRAY(
    SELECT id FROM sessions
    WHERE ended_at IS NULL AND lease_expires_at <= now() AND now() - $2::timestamptz < interval '5 seconds'
    LIMIT $1 FOR UPDATE SKIP LOCKED
)) AND ended_at IS NULL AND lease_expires_at <= now()
RETURNING id, name
