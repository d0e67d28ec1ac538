-- distrack: submit_keys
-- Takes the keys that are free and returns their tasks; of two with one key in this call, the first has it.
-- Differs from postgres: there, a part of submit.
INSERT INTO idempotency_keys (key, request_hash, task_id, expires_at)
SELECT
    input.value ->> 0, unhex(input.value ->> 1), unhex(input.value ->> 2, '-'), $2 + 24 * 3600 * 1000000
FROM json_each($1) AS input
WHERE true
ORDER BY input.key
ON CONFLICT (key) DO UPDATE
SET request_hash = excluded.request_hash, task_id = excluded.task_id, expires_at = excluded.expires_at
WHERE idempotency_keys.expires_at <= $2
RETURNING task_id AS "task_id!: Uuid"
