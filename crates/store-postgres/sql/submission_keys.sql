-- distrack: submission_keys
SELECT key, request_hash, task_id FROM idempotency_keys WHERE key = ANY($1)
