-- distrack: output
SELECT stdout_head, stdout_tail, stdout_bytes, stderr_head, stderr_tail, stderr_bytes
FROM task_output WHERE task_id = $1 AND attempt = $2
