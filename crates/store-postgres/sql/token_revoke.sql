-- distrack: token_revoke
-- The first revocation stands.
UPDATE tokens SET revoked_at = coalesce(revoked_at, now())
WHERE id = $1
RETURNING id, name, secret_hash, scopes, queues, created_at, expires_at, last_used_at, revoked_at, now() AS "seen_at!"
