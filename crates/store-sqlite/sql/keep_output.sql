-- distrack: keep_output
-- Differs from postgres: one attempt each, since bytes are no JSON.
INSERT INTO task_output (
    task_id, attempt, stdout_head, stdout_tail, stdout_bytes, stderr_head, stderr_tail, stderr_bytes
)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
