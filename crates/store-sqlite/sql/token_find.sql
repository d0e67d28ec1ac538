-- distrack: token_find
SELECT
    id AS "id!", name AS "name!", secret_hash AS "secret_hash!", scopes AS "scopes!", queues AS "queues: Value",
    created_at AS "created_at!: Instant", expires_at AS "expires_at: Instant",
    last_used_at AS "last_used_at: Instant", revoked_at AS "revoked_at: Instant", $2 AS "seen_at!: Instant"
FROM tokens
WHERE id = $1
