-- distrack: audit_note
-- What was done beside a submission, whose notes are a part of submit.
INSERT INTO audit (action, task_id, other_task_id, count, token_id, token_name, address, queue, command_hash, trace_id)
VALUES ($1, $2, $3, $4, $5, $6, $7, COALESCE($8, (SELECT queue FROM tasks WHERE id = $2)), $9, $10)
