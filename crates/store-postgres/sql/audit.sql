-- distrack: audit
SELECT
    id, at, action, task_id, other_task_id, count, token_id, token_name, address, queue, command_hash, trace_id
FROM audit WHERE id < $1 ORDER BY id DESC LIMIT $2
