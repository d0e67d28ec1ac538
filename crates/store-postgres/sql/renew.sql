-- distrack: renew
-- Locked in order first, so that a claim, which locks the same rows, and a renewal cannot wait for each other.
WITH mine AS MATERIALIZED (
    SELECT id FROM sessions
    WHERE id = ANY($2) AND coordinator_id = $1 AND ended_at IS NULL
    ORDER BY id FOR UPDATE
)
UPDATE sessions SET
    last_heartbeat_at = GREATEST(last_heartbeat_at, now() - ago_us * interval '1 microsecond'),
    lease_expires_at = GREATEST(lease_expires_at, now() + (lease_us - ago_us) * interval '1 microsecond'),
    busy = u.busy, draining = u.draining
FROM unnest($2::uuid[], $3::bigint[], $4::integer[], $5::boolean[]) AS u (session_id, ago_us, busy, draining),
    (SELECT $6::bigint AS lease_us) AS lease
WHERE id = session_id AND id IN (SELECT mine.id FROM mine)
RETURNING id
