-- distrack: prune_keys
DELETE FROM idempotency_keys
WHERE key = ANY(ARRAY(SELECT key FROM idempotency_keys WHERE expires_at <= now() LIMIT $1))
  -- A key that was taken anew meanwhile is another submission's.
  AND expires_at <= now()
