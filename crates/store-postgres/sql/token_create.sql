-- distrack: token_create
INSERT INTO tokens (id, name, secret_hash, scopes, queues, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, now(), now() + $6::bigint * interval '1 microsecond')
RETURNING id, name, secret_hash, scopes, queues, created_at, expires_at, last_used_at, revoked_at, now() AS "seen_at!"
