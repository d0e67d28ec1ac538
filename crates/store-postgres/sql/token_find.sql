-- distrack: token_find
SELECT id, name, secret_hash, scopes, queues, created_at, expires_at, last_used_at, revoked_at, now() AS "seen_at!"
FROM tokens
WHERE id = $1
