-- distrack: keep_output
INSERT INTO task_output (
    task_id, attempt, stdout_head, stdout_tail, stdout_bytes, stderr_head, stderr_tail, stderr_bytes
)
SELECT * FROM unnest(
    $1::uuid[], $2::integer[], $3::bytea[], $4::bytea[], $5::bigint[], $6::bytea[], $7::bytea[], $8::bigint[]
)
