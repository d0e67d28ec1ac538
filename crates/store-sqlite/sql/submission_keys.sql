-- distrack: submission_keys
SELECT key AS "key!", request_hash AS "request_hash!", task_id AS "task_id!: Uuid"
FROM idempotency_keys WHERE key IN (SELECT value FROM json_each($1))
