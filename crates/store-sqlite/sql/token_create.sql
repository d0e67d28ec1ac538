-- distrack: token_create
INSERT INTO tokens (id, name, secret_hash, scopes, queues, created_at, expires_at)
VALUES ($1, $2, $3, $4, $5, $7, $7 + $6)
RETURNING
    id AS "id!", name AS "name!", secret_hash AS "secret_hash!", scopes AS "scopes!", queues AS "queues: Value",
    created_at AS "created_at!: Instant", expires_at AS "expires_at: Instant",
    last_used_at AS "last_used_at: Instant", revoked_at AS "revoked_at: Instant", $7 AS "seen_at!: Instant"
