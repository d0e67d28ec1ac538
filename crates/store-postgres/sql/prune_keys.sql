-- distrack: prune_keys
DELETE FROM idempotency_keys
WHERE key = ANY(ARRAY(SELECT key FROM idempotency_keys WHERE expires_at <= now() LIMIT $1))
